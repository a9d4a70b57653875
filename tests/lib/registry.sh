# shellcheck shell=bash disable=SC2034 # what start_registry sets is for others
# A registry on loopback, by HTTP. Needs say.sh, and common.sh and build.sh of tests/cluster/lib.

registry_version=$(sed -n 's#.*github.com/distribution/distribution/v3 \(v[^ ]*\).*#\1#p' tests/cluster/build/registry/go.mod | head -1)
registry_program=$RESTWARD_CACHE/bin/registry-$registry_version

# Once; some minutes when cold.
build_registry() {
    [ -x "$registry_program" ] || go_build tests/cluster/build/registry "$registry_program" "" github.com/distribution/distribution/v3/cmd/registry
}

# start_registry FOLDER PORT: what it holds and logs is in FOLDER; with port 0 it takes one. Sets `registry`, its address, and
# `registry_pid`, which is to be ended.
start_registry() {
    printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n' "$1/store" "$2" >"$1/config.yaml"
    : >"$1/registry.log"
    OTEL_TRACES_EXPORTER=none "$registry_program" serve "$1/config.yaml" >"$1/registry.log" 2>&1 &
    registry_pid=$!
    for _ in $(seq 100); do
        registry=$(sed -n 's/.*listening on \(127\.0\.0\.1:[0-9]*\).*/\1/p' "$1/registry.log" | head -1)
        [ -z "$registry" ] || return 0
        sleep 0.1
    done
    cat "$1/registry.log" >&2
    die "the registry does not listen"
}
