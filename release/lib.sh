# shellcheck shell=bash
# Parts of release/build. Needs tests/lib/say.sh, and to be in the root of the repository.

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
parts=(restward-operator restward-sidecar kubectl-restward)
arch="${RESTWARD_ARCH:-amd64}"
profile="${RESTWARD_PROFILE:-release}"
# Outside the tree. Not where tests/images builds: other flags, so that each would build anew what the other built.
built="${RESTWARD_BUILT:-$RESTWARD_CACHE/release}"
out="${RESTWARD_OUT:-target/package}"

case "$arch" in
amd64) target=x86_64-unknown-linux-gnu ;;
arm64) target=aarch64-unknown-linux-gnu ;;
*) die "RESTWARD_ARCH is amd64 or arm64, not $arch" ;;
esac

# All times in what is made are that of the commit. What is not committed has no time of its own.
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH

# The cross compiler is for what is C, and for linking.
need_tools() {
    local packages=(buildah ca-certificates)
    if [ "$arch" = arm64 ]; then
        rustup target add "$target"
        packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)
    fi
    dpkg-query -W "${packages[@]}" >/dev/null 2>&1 ||
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"
}

# Paths of this machine are mapped away, so that the same sources give the same programs elsewhere.
programs() {
    local registry="${CARGO_HOME:-$HOME/.cargo}/registry/src"
    export RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$PWD=/restward --remap-path-prefix=$registry=/registry"
    export CFLAGS="-ffile-prefix-map=$PWD=/restward -ffile-prefix-map=$registry=/registry -ffile-prefix-map=$built=/built"
    # OpenSSL keeps the place of its engines and modules, of which this build has none, and that is below where it was built.
    export GNUMAKEFLAGS="ENGINESDIR=/nonexistent MODULESDIR=/nonexistent"
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    cargo build --locked --profile "$profile" --target "$target" --target-dir "$built" "${parts[@]/#/--package=}"
}

# A path of this machine in a program is one that the same sources would not give elsewhere: fails with the first.
tell_no_paths() {
    local part found
    for part in "${parts[@]}"; do
        if found=$(grep --text --only-matching --max-count=1 --fixed-strings --regexp="$built" --regexp="$PWD" --regexp="${CARGO_HOME:-$HOME/.cargo}" \
            "$built/$target/$profile/$part"); then
            die "$part holds ${found%%$'\n'*}: map it away in release/lib.sh (programs), or remove $built if that is from before"
        elif [ "$?" != 1 ]; then
            die "$part cannot be read"
        fi
    done
}

# archive FILE DIRECTORY: a tar of its content that depends on nothing but the content.
archive() {
    tar --create --file "$1" --directory "$2" --sort=name --owner=0 --group=0 --numeric-owner --format=gnu \
        --mode=u+rwX,go+rX,go-w --mtime="@$SOURCE_DATE_EPOCH" --transform='s#^\./##' .
}

# Helm writes the time of day into its archives: the same files again, without it.
chart() {
    local scratch
    scratch=$(mktemp -d)
    helm package "charts/$1" --version "$version" --app-version "$version" --destination "$scratch" >/dev/null
    mkdir "$scratch/files"
    tar --extract --file "$scratch/$1-$version.tgz" --directory "$scratch/files"
    archive "$scratch/$1.tar" "$scratch/files"
    gzip --no-name --best --stdout "$scratch/$1.tar" >"$out/$1-$version.tgz"
    rm -rf "$scratch"
    helm template restward "$out/$1-$version.tgz" >/dev/null
}

# image PART: an OCI archive, as tests/images makes one, and with licences, labels and the commit's time.
image() {
    local part="$1" scratch name="localhost/restward-$1:$version"
    scratch=$(mktemp -d)
    mkdir "$scratch/context" "$scratch/image"
    cp "$built/$target/$profile/restward-$part" /etc/ssl/certs/ca-certificates.crt LICENSE "$out/THIRD-PARTY-NOTICES.txt" "$scratch/context/"
    sed 's#^FROM scratch$#&\nCOPY LICENSE THIRD-PARTY-NOTICES.txt /#' "$part/Containerfile" >"$scratch/Containerfile"
    buildah_here build --isolation chroot --pull-never --signature-policy "$CLUSTER_DIR/config/image-policy.json" \
        --platform "linux/$arch" --timestamp "$SOURCE_DATE_EPOCH" \
        --label "org.opencontainers.image.title=restward-$part" --label "org.opencontainers.image.version=$version" \
        --label "org.opencontainers.image.revision=$(git rev-parse HEAD)" --label "org.opencontainers.image.licenses=Apache-2.0" \
        --label "org.opencontainers.image.source=https://github.com/restward/restward" \
        --tag "$name" --file "$scratch/Containerfile" "$scratch/context"
    buildah_here push --signature-policy "$CLUSTER_DIR/config/image-policy.json" "$name" "oci:$scratch/image:$name"
    archive "$out/restward-${part}_${version}_linux-$arch.oci.tar" "$scratch/image"
    rm -rf "$scratch"
}

command_line() {
    local scratch
    scratch=$(mktemp -d)
    install -m 755 "$built/$target/$profile/kubectl-restward" "$scratch/kubectl-restward"
    cp LICENSE "$out/THIRD-PARTY-NOTICES.txt" "$scratch/"
    archive "$scratch.tar" "$scratch"
    gzip --no-name --best --stdout "$scratch.tar" >"$out/kubectl-restward_${version}_linux-$arch.tar.gz"
    rm -rf "$scratch" "$scratch.tar"
}
