# shellcheck shell=bash
# Images: built by buildah, kept as OCI archives, imported into containerd. No registry is ever asked.

ARCHIVES=$CACHE/images

# buildah with a store of its own in the cache, so that a second build reuses its layers.
# vfs and chroot work on any file system and without a container engine, as root.
buildah_here() {
  mkdir -p "$RUN/buildah"
  buildah --storage-driver vfs --root "$CACHE/buildah" --runroot "$RUN/buildah" \
    --registries-conf "$CLUSTER_DIR/config/registries.conf" "$@"
}

# build_archive NAME:TAG CONTAINERFILE CONTEXT ARCHIVE
build_archive() {
  local image=$1 containerfile=$2 context=$3 archive=$4
  mkdir -p "$(dirname "$archive")"
  buildah_here build --isolation chroot --layers --pull-never --signature-policy "$CLUSTER_DIR/config/image-policy.json" \
    --tag "$image" --file "$containerfile" "$context"
  push_archive "$image" "$archive"
}

# The archive is put in place only when whole; its reference is the image's full name, which `ctr` keeps.
push_archive() {
  local image=$1 archive=$2
  rm -f "$archive.new"
  buildah_here push --signature-policy "$CLUSTER_DIR/config/image-policy.json" "$image" "oci-archive:$archive.new:$image"
  mv "$archive.new" "$archive"
}

import_archive() { # NAME:TAG ARCHIVE
  ctr_k8s images import "$2"
  image_is_present "$1" || die "the archive $2 does not hold an image named $1"
}

archive_of() { printf '%s/%s.oci.tar' "$ARCHIVES" "$(tr '/:' '__' <<<"${1#localhost/}")"; }

# The cluster's own images: one static program each.
build_own_images() {
  build_own_image pause "$PAUSE_IMAGE"
  build_own_image probe "$PROBE_IMAGE"
  build_own_image coredns "$COREDNS_IMAGE"
}

build_own_image() { # FOLDER NAME:TAG
  local folder=$1 image=$2 archive context
  archive=$(archive_of "$image")
  [ ! -s "$archive" ] || return 0
  context=$CACHE/images/context-$folder
  mkdir -p "$context"
  case $folder in
    coredns) cp -L "$BIN/coredns" "$context/coredns" ;;
    *) go_build "$CLUSTER_DIR/images" "$context/$folder" "" "./$folder" ;;
  esac
  build_archive "$image" "$CLUSTER_DIR/images/$folder/Containerfile" "$context" "$archive"
  rm -rf "$context"
}

import_own_images() {
  local image
  for image in "$PAUSE_IMAGE" "$PROBE_IMAGE" "$COREDNS_IMAGE"; do
    image_is_present "$image" || import_archive "$image" "$(archive_of "$image")"
  done
}

# A cluster that is down gets the image when it is built again; the archive stays in the cache either way.
hand_to_cluster() { # NAME:TAG
  if [ "${RESTWARD_USE_KUBECONFIG:-}" = 1 ]; then
    hand_to_own_cluster "$1" "$(archive_of "$1")"
  elif daemon_pid containerd >/dev/null; then
    step "import $1" import_archive "$1" "$(archive_of "$1")"
  else
    say "  the cluster is down: $1 is in $(archive_of "$1") and was not imported"
  fi
}

# The user's own cluster: by the loader of its kind, or by a registry that its nodes pull from.
hand_to_own_cluster() { # NAME:TAG ARCHIVE
  local -a loader plain=()
  read -ra loader <<<"${RESTWARD_IMAGE_LOADER:-}"
  [ "${RESTWARD_PLAIN_HTTP:-}" != 1 ] || plain=(--tls-verify=false)
  if [ -n "${RESTWARD_IMAGE_REGISTRY:-}" ]; then
    step "push $1 to $RESTWARD_IMAGE_REGISTRY" buildah_here push "${plain[@]}" --signature-policy "$CLUSTER_DIR/config/image-policy.json" \
      "$1" "docker://$RESTWARD_IMAGE_REGISTRY/${1#localhost/}"
  elif [ "${#loader[@]}" -gt 0 ]; then
    step "load $1: ${loader[*]}" "${loader[@]}" "$2"
  else
    say "  RESTWARD_IMAGE_LOADER and RESTWARD_IMAGE_REGISTRY are not set: bring $2 to the cluster's nodes as $1"
  fi
}
