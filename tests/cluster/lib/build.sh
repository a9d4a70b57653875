# shellcheck shell=bash
# Go programs, built from their modules into the cache, each once for its version.

KUBERNETES_TOOLS=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)

# One line for each program: name, version, folder of its go.mod, package.
go_programs() {
  local tool
  for tool in "${KUBERNETES_TOOLS[@]}"; do
    printf '%s %s kubernetes k8s.io/kubernetes/cmd/%s\n' "$tool" "$KUBERNETES_VERSION" "$tool"
  done
  printf 'coredns %s coredns github.com/coredns/coredns\n' "$COREDNS_VERSION"
  printf 'helm %s helm helm.sh/helm/v4/cmd/helm\n' "$HELM_VERSION"
}

# The programs that are not in the cache yet.
missing_programs() {
  local name version module package
  while read -r name version module package; do
    [ -x "$CACHE/bin/$name-$version" ] || printf '%s %s %s %s\n' "$name" "$version" "$module" "$package"
  done < <(go_programs)
}

build_programs() {
  local name version module package
  while read -r name version module package <&5; do
    step "build $name $version" build_program "$name" "$version" "$module" "$package"
  done 5< <(missing_programs)
  link_programs
}

forget_go_caches() { rm -rf "$GO_CACHES"; }

build_program() {
  local name=$1 version=$2 module=$3 package=$4
  local folder=$CLUSTER_DIR/build/$module
  grep -qE "^(require )?\s*${package%%/cmd/*} $version( |\$)" "$folder/go.mod" ||
    die "versions.env says $name $version, but $folder/go.mod requires another version"
  go_build "$folder" "$CACHE/bin/$name-$version" "$(version_flags "$module" "$version")" "$package"
}

# Go's caches of modules and compiled packages while programs are built: gigabytes that nobody needs afterwards. A build that
# was broken off goes on from them.
GO_CACHES=$CACHE/go

# go_build FOLDER TARGET LDFLAGS PACKAGE: a static program, put in place only when whole.
# Never fetches another Go than GO_TOOLCHAIN. -p 2: the machine may be small and shared. Without DWARF the compiled packages
# take half the disk. -modcacherw: else the modules cannot be removed.
go_build() {
  local folder=$1 target=$2 ldflags=$3 package=$4
  mkdir -p "$(dirname "$target")"
  (
    cd "$folder" || exit
    env CGO_ENABLED=0 GOTOOLCHAIN="${GO_TOOLCHAIN:-local}" GOWORK=off GOFLAGS=-modcacherw GOCACHE="$GO_CACHES/build" GOMODCACHE="$GO_CACHES/mod" \
      go build -p 2 -gcflags=all=-dwarf=false -trimpath -buildvcs=false -ldflags "-s -w $ldflags" -o "$target.new" "$package"
  )
  mv "$target.new" "$target"
}

# Kubernetes and Helm take their version from the linker; without it they call themselves v0.0.0 and clients balk.
version_flags() {
  local module=$1 version=$2 package
  local -a parts
  IFS=. read -r -a parts <<<"${version#v}"
  case $module in
    kubernetes)
      for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        printf -- '-X %s.gitVersion=%s -X %s.gitMajor=%s -X %s.gitMinor=%s -X %s.gitTreeState=clean ' \
          "$package" "$version" "$package" "${parts[0]}" "$package" "${parts[1]}" "$package"
      done
      ;;
    helm) printf -- '-X helm.sh/helm/v4/internal/version.version=%s' "$version" ;;
  esac
}

# A folder for each set of versions, with the programs under their plain names, to be put on the PATH.
link_programs() {
  mkdir -p "$BIN"
  local name version module package
  while read -r name version module package; do
    ln -sfn "$CACHE/bin/$name-$version" "$BIN/$name"
  done < <(go_programs)
}
