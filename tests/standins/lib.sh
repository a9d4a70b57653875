# Helpers of the stand-ins' scripts. Sourced, not run.
# shellcheck shell=bash

# shellcheck source-path=SCRIPTDIR source=../lib/say.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/say.sh"

# shellcheck disable=SC2034 # used by the scripts that source this
CACHE="$RESTWARD_CACHE/standins"
# Pinned, so that a new plugin release cannot change what the scripts do.
MAVEN_DEPENDENCY_PLUGIN="org.apache.maven.plugins:maven-dependency-plugin:3.8.1"

# need COMMAND PACKAGE: installs the Debian package when the command is missing.
need() {
  command -v "$1" >/dev/null && return
  [ "$(id -u)" = 0 ] || die "$1 is missing: install the Debian package $2"
  step "installing $2" apt_install "$2" >&2
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null ||
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null; }
}

# hash_of PATH...: one short hash over the names and contents of all files below the paths.
hash_of() {
  find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12
}

# maven_copy GROUP:ARTIFACT:VERSION:TYPE DIRECTORY: fetches one file from Maven Central (or Maven's own cache).
maven_copy() {
  mvn -B -q -Dstyle.color=never "$MAVEN_DEPENDENCY_PLUGIN:copy" -Dartifact="$1" -DoutputDirectory="$2" \
    -Dmdep.useBaseVersion=true >&2
}

# wait_for_url URL PID SECONDS [CURL OPTION...]: until the URL answers 2xx; fails at once when the process has ended.
wait_for_url() {
  local url="$1" pid="$2" deadline=$((SECONDS + $3))
  shift 3
  until curl -sf -o /dev/null --max-time 2 "$@" "$url"; do
    kill -0 "$pid" 2>/dev/null || return 1
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.3
  done
}

# stop_pid_file FILE: ends the process whose id the file holds, and waits until it is gone.
stop_pid_file() {
  local file="$1" pid
  [ -f "$file" ] || return 0
  pid="$(cat "$file")"
  kill "$pid" 2>/dev/null || true
  for _ in $(seq 300); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  # Started with setsid, so its process group is its own: a child that outlived it goes too.
  kill -9 -- "-$pid" 2>/dev/null || true
  rm -f "$file"
}

# free_port: a TCP port on which nothing listens now.
free_port() {
  local port
  for port in $(shuf -i 20000-29999 -n 50); do
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      printf '%s' "$port"
      return
    fi
  done
  return 1
}
