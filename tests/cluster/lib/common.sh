# shellcheck shell=bash disable=SC2034 # the names are for the other files and for render()
# Names, paths and addresses of the test cluster, and how its scripts talk.
# Every script sources this first. Nothing here changes the machine.
set -euo pipefail

CLUSTER_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=/dev/null
. "$CLUSTER_DIR/versions.env"

CACHE=${RESTWARD_CACHE:-$HOME/.cache/restward}
STATE=/var/lib/restward-cluster    # certificates, etcd's data, containerd's and the kubelet's root
RUN=/run/restward-cluster          # sockets, pid files, containerd's state
LOGS=$STATE/logs
PKI=$STATE/pki
ADMIN_KUBECONFIG=$STATE/kubeconfig/admin
BIN=$CACHE/cluster/kubernetes-${KUBERNETES_VERSION}_coredns-${COREDNS_VERSION}_helm-${HELM_VERSION}/bin

# Addresses of our own, so that no daemon competes for a port on 127.0.0.1 or on the machine's
# address: the node's is added to lo, pods and services have a range each.
NODE_NAME=restward-node
NODE_IP=10.213.0.1
POD_CIDR=10.213.4.0/22
POD_GATEWAY=10.213.4.1
SERVICE_CIDR=10.213.8.0/22
API_SERVICE_IP=10.213.8.1
DNS_SERVICE_IP=10.213.8.10
BRIDGE=restward0
CGROUP=restward                    # parent cgroup of all pods
CONTAINERD_SOCKET=$RUN/containerd/containerd.sock

PAUSE_IMAGE=localhost/restward-pause:$PAUSE_VERSION
PROBE_IMAGE=localhost/restward-probe:$PROBE_VERSION
COREDNS_IMAGE=localhost/restward-coredns:$COREDNS_VERSION

export PATH="$BIN:$PATH:/usr/sbin:/sbin"

say() { printf '%s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# step TEXT COMMAND...: run COMMAND and print what it did and how long it took.
# Output of the command goes to a log that is shown when it fails.
# The command runs in the script's own shell (no subshell, no `if`), so that errexit stays on inside it.
STEP_TEXT='' STEP_LOG='' STEP_STARTED=0
step() {
  STEP_TEXT=$1
  shift
  STEP_STARTED=$(date +%s%N)
  STEP_LOG=$(mktemp)
  printf '  %-58s' "$STEP_TEXT"
  exec 3>&1 4>&2 >"$STEP_LOG" 2>&1
  "$@"
  exec >&3 2>&4 3>&- 4>&-
  printf '%s s\n' "$(elapsed_since "$STEP_STARTED")"
  rm -f "$STEP_LOG"
  STEP_LOG=''
}

# To be set as the EXIT trap of scripts that use `step`.
report_failed_step() {
  local status=$?
  if [ -n "$STEP_LOG" ]; then
    exec >&3 2>&4
    printf 'FAILED after %s s\n' "$(elapsed_since "$STEP_STARTED")"
    tail -n 40 "$STEP_LOG" >&2
    rm -f "$STEP_LOG"
    printf 'error: step failed: %s (logs of the daemons: %s)\n' "$STEP_TEXT" "$LOGS" >&2
  fi
  return "$status"
}

elapsed_since() {
  local tenths=$((($(date +%s%N) - $1) / 100000000))
  printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

# wait_for SECONDS WHAT COMMAND...: poll until COMMAND succeeds; its last output is the reason when it never does.
wait_for() {
  local patience=$1 what=$2 reason
  shift 2
  local deadline=$((SECONDS + patience))
  until reason=$("$@" 2>&1); do
    [ "$SECONDS" -lt "$deadline" ] || die "waited $patience s for $what: $reason"
    sleep 0.2
  done
}

need_root() { [ "$(id -u)" -eq 0 ] || die "run this as root: it starts a container runtime and changes the network"; }

# Only one of up, down and image changes the cluster at a time. The lock goes with the process.
take_lock() {
  mkdir -p "$CACHE"
  exec 9>"$CACHE/cluster.lock"
  flock --wait 1800 9 || die "another script of the test cluster still runs (it holds $CACHE/cluster.lock)"
}

admin() { kubectl --kubeconfig "$ADMIN_KUBECONFIG" "$@"; }

# render TEMPLATE TARGET: fill the ${NAMES} of a file of config/ from the variables above. A file that is right already is not
# written: kube-proxy ends when its own is, whatever it says, and now and then after it was found running.
render() {
  local text
  text=$(<"$CLUSTER_DIR/config/$1")
  local name
  while read -r name; do
    [ -n "${!name+set}" ] || die "config/$1 uses \${$name}, which is not set"
    text=${text//"\${$name}"/${!name}}
  done < <(grep -oE '\$\{[A-Z_]+\}' <<<"$text" | grep -oE '[A-Z_]+' | sort -u)
  mkdir -p "$(dirname "$2")"
  [ "$(cat "$2" 2>/dev/null)" = "$text" ] || printf '%s\n' "$text" >"$2"
}
