# shellcheck shell=bash
# kubelet and kube-proxy.

start_kubelet() {
  make_pod_cgroup
  note_shared_folders
  render kubelet.yaml "$STATE/config/kubelet.yaml"
  : >"$STATE/config/resolv.conf" # pods resolve by CoreDNS alone
  start_daemon kubelet "$STATE/config/kubelet.yaml $STATE/kubeconfig/kubelet" kubelet \
    --config="$STATE/config/kubelet.yaml" --kubeconfig="$STATE/kubeconfig/kubelet" \
    --root-dir="$STATE/kubelet" --cert-dir="$STATE/kubelet/pki" --hostname-override="$NODE_NAME" --node-ip="$NODE_IP"
  wait_for 300 "the node to be ready" daemon_answers kubelet node_is_ready
}

node_is_ready() { [ "$(node_ready_status)" = True ] && curl -sf "http://$NODE_IP:10248/healthz"; }

node_ready_status() {
  admin get node "$NODE_NAME" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}'
}

start_kube_proxy() {
  render kube-proxy.yaml "$STATE/config/kube-proxy.yaml"
  start_daemon kube-proxy "$STATE/config/kube-proxy.yaml $STATE/kubeconfig/kube-proxy" kube-proxy --config="$STATE/config/kube-proxy.yaml"
  wait_for 300 kube-proxy daemon_answers kube-proxy curl -sf "http://$NODE_IP:10256/healthz"
}

# The kubelet wants its root cgroup to exist in every hierarchy, and with cgroup v2 the controllers handed down to it.
make_pod_cgroup() {
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    hand_down_controllers /sys/fs/cgroup
    mkdir -p "/sys/fs/cgroup/$CGROUP"
    hand_down_controllers "/sys/fs/cgroup/$CGROUP"
    return
  fi
  local hierarchy
  while read -r hierarchy; do
    mkdir -p "$hierarchy/$CGROUP"
    # A cpuset without processors takes no process.
    if [ -e "$hierarchy/$CGROUP/cpuset.cpus" ]; then
      cat "$hierarchy/cpuset.cpus" >"$hierarchy/$CGROUP/cpuset.cpus"
      cat "$hierarchy/cpuset.mems" >"$hierarchy/$CGROUP/cpuset.mems"
    fi
  done < <(cgroup_v1_hierarchies)
}

hand_down_controllers() { # CGROUP_FOLDER
  local -a controllers
  local controller
  read -r -a controllers <"$1/cgroup.controllers"
  for controller in "${controllers[@]}"; do
    printf '+%s' "$controller" >"$1/cgroup.subtree_control" || say "cgroup controller $controller cannot be handed down from $1"
  done
}

cgroup_v1_hierarchies() { awk '$3 == "cgroup" {print $2}' /proc/mounts; }

# Folders outside our own that the kubelet and CNI use whatever they are told. `down` removes those that were not there before.
SHARED_FOLDERS=(/var/lib/kubelet /var/log/containers /var/log/pods /var/lib/cni)

note_shared_folders() {
  local folder
  [ ! -e "$STATE/new-folders" ] || return 0
  for folder in "${SHARED_FOLDERS[@]}"; do
    [ -e "$folder" ] || printf '%s\n' "$folder"
  done >"$STATE/new-folders"
}
