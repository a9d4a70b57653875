# shellcheck shell=bash
# Debian images for tests to build FROM, made of the machine's own Debian by mmdebstrap.

BASE_PACKAGES=ca-certificates,curl
JRE_PACKAGES=$BASE_PACKAGES,default-jre-headless

make_base_images() {
  make_base_image "localhost/restward-test-base:$TEST_BASE_VERSION" "$BASE_PACKAGES"
  make_base_image "localhost/restward-test-base-jre:$TEST_BASE_VERSION" "$JRE_PACKAGES"
}

make_base_image() { # NAME:TAG PACKAGES
  local image=$1 packages=$2 archive
  archive=$(archive_of "$image")
  [ -s "$archive" ] || step "Debian image $image" bootstrap_image "$image" "$packages" "$archive"
  # The store of buildah may have been emptied since.
  if ! buildah_here inspect --type image "$image" >/dev/null 2>&1; then
    step "load $image" load_archive "$image" "$archive"
  fi
  hand_to_cluster "$image"
}

bootstrap_image() { # NAME:TAG PACKAGES ARCHIVE
  local image=$1 packages=$2 archive=$3 context
  context=$CACHE/images/context-base
  rm -rf "$context"
  mkdir -p "$context" "$RUN"
  debian_sources >"$context/sources.list"
  local -a options
  mapfile -t options < <(apt_transport_options)
  # The open files of `step` and the lock stay out: with them mmdebstrap's pipe gets a number above 9, which dash cannot name.
  mmdebstrap --mode=root --variant=minbase --include="$packages" "${options[@]}" \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    "$(debian_codename)" "$context/root.tar" "$context/sources.list" 3>&- 4>&- 9>&-
  printf 'FROM scratch\nADD root.tar /\nCMD ["/bin/bash"]\n' >"$context/Containerfile"
  build_archive "$image" "$context/Containerfile" "$context" "$archive"
  rm -rf "$context"
}

load_archive() { # NAME:TAG ARCHIVE
  local id
  id=$(buildah_here pull --quiet --signature-policy "$CLUSTER_DIR/config/image-policy.json" "oci-archive:$2")
  buildah_here tag "$id" "$1"
}

debian_codename() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

# The machine's own Debian sources, whatever file and format they are written in; no third party's.
debian_sources() {
  # shellcheck disable=SC2016 # apt's variables
  apt-get indextargets --format '$(ORIGIN)|$(TARGET_OF)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)' 'Created-By: Packages' |
    awk -F'|' '$1 == "Debian" && $2 == "deb" {print "deb", $3, $4, $5}' | sort -u
}

# How the machine's apt gets out (a proxy, for example), for the apt inside mmdebstrap.
apt_transport_options() {
  apt-config dump | grep -iE '^Acquire::https?(::|  *")' | sed 's/^/--aptopt=/' || true
}
