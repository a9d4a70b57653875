# shellcheck shell=bash
# Prometheus' own programs. They are taken from the PATH, or out of Debian's package `prometheus`, which is not installed: that
# would start a server. Needs say.sh.

# prometheus_program NAME: print where `promtool` or `prometheus` is.
prometheus_program() {
    command -v "$1" && return
    [ -x "$RESTWARD_CACHE/bin/$1" ] || command -v apt-get >/dev/null || die "$1 is missing: it comes with Prometheus"
    [ -x "$RESTWARD_CACHE/bin/$1" ] ||
        step "unpack Prometheus (once)" quietly "$RESTWARD_CACHE/log/prometheus.log" unpack_prometheus >&2
    printf '%s\n' "$RESTWARD_CACHE/bin/$1"
}

unpack_prometheus() {
    local scratch
    scratch=$(mktemp -d)
    chmod 755 "$scratch"
    cd "$scratch" || return
    apt-get download prometheus || { apt-get update && apt-get download prometheus; }
    dpkg-deb --extract prometheus_*.deb unpacked
    mkdir -p "$RESTWARD_CACHE/bin"
    mv unpacked/usr/bin/promtool unpacked/usr/bin/prometheus "$RESTWARD_CACHE/bin/"
    rm -rf "$scratch"
}
