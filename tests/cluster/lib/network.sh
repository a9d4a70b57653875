# shellcheck shell=bash
# The node's address, the pods' bridge, forwarding; and taking them away again.

# The ranges are ours alone: a machine that already routes them elsewhere must not be disturbed.
check_addresses_free() {
  local route
  route=$(ip -4 route show root 10.213.0.0/16 | grep -v " $BRIDGE" || true)
  [ -z "$route" ] || die "the test cluster uses 10.213.0.0/16, which this machine routes already: $route"
}

set_up_network() {
  modprobe -q br_netfilter 2>/dev/null || true # built into some kernels
  remember_and_set_sysctl net.ipv4.ip_forward 1
  remember_and_set_sysctl net.bridge.bridge-nf-call-iptables 1

  ip address replace "$NODE_IP/32" dev lo
  [ -d "/sys/class/net/$BRIDGE" ] || ip link add "$BRIDGE" type bridge
  ip address replace "$POD_GATEWAY/${POD_CIDR#*/}" dev "$BRIDGE"
  ip link set "$BRIDGE" up
  # The host reaches service addresses even on a machine without a default route.
  ip route replace "$SERVICE_CIDR" dev "$BRIDGE" src "$POD_GATEWAY"

  # Where the machine's FORWARD policy is DROP, pods still reach each other.
  local direction
  for direction in -i -o; do
    iptables -w -C FORWARD "$direction" "$BRIDGE" -m comment --comment restward-cluster -j ACCEPT 2>/dev/null ||
      iptables -w -A FORWARD "$direction" "$BRIDGE" -m comment --comment restward-cluster -j ACCEPT
  done
}

remember_and_set_sysctl() { # NAME VALUE
  local saved=$STATE/sysctl/$1
  mkdir -p "$STATE/sysctl"
  [ -e "$saved" ] || sysctl -n "$1" >"$saved"
  sysctl -q -w "$1=$2"
}

restore_sysctls() {
  local saved
  for saved in "$STATE"/sysctl/*; do
    [ -e "$saved" ] || continue
    sysctl -q -w "$(basename "$saved")=$(cat "$saved")" || true
  done
}

remove_network() {
  local direction
  for direction in -i -o; do
    while iptables -w -D FORWARD "$direction" "$BRIDGE" -m comment --comment restward-cluster -j ACCEPT 2>/dev/null; do :; done
  done
  remove_kubernetes_chains iptables
  remove_kubernetes_chains ip6tables
  remove_pod_interfaces
  [ ! -d "/sys/class/net/$BRIDGE" ] || ip link delete "$BRIDGE"
  ip address delete "$NODE_IP/32" dev lo 2>/dev/null || true
}

# The host's ends of the pods' veth pairs; most went with their network namespaces.
remove_pod_interfaces() {
  local port
  for port in "/sys/class/net/$BRIDGE/brif"/*; do
    [ ! -e "$port" ] || ip link delete "$(basename "$port")" 2>/dev/null || true
  done
}

# kube-proxy and the kubelet leave their KUBE-* chains behind. All other rules stay as they are.
remove_kubernetes_chains() { # iptables | ip6tables
  local tool=$1 table rule chain
  for table in filter nat mangle; do
    # Not -q: it ends at the first match, the writer dies of the broken pipe, and pipefail makes that "no match".
    "$tool-save" -t "$table" 2>/dev/null | grep '^:KUBE-' >/dev/null || continue
    while read -r rule; do
      # shellcheck disable=SC2086 # a rule is a list of words; xargs undoes the quotes of comments
      xargs "$tool" -w -t "$table" <<<"-D ${rule#-A }"
    done < <("$tool-save" -t "$table" | grep -E '^-A .*-j KUBE-' | grep -v '^-A KUBE-')
    mapfile -t chains < <("$tool-save" -t "$table" | sed -n 's/^:\(KUBE-[^ ]*\).*/\1/p')
    for chain in "${chains[@]}"; do "$tool" -w -t "$table" -F "$chain"; done
    for chain in "${chains[@]}"; do "$tool" -w -t "$table" -X "$chain"; done
  done
}
