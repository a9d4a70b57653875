# shellcheck shell=bash
# Take everything away that `up` made, whatever is left of it. Each function works when its part is gone already.

# Daemons first in an order in which none repairs what another has just lost, then the pods.
DAEMONS_LAST_TO_FIRST=(kubelet kube-proxy kube-scheduler kube-controller-manager kube-apiserver containerd etcd)

stop_all_processes() {
  local name
  for name in "${DAEMONS_LAST_TO_FIRST[@]}"; do stop_daemon "$name"; done
  # What is left: shims, the pods' processes, and daemons whose pid file is lost.
  wait_for 30 "the cluster's processes to end" kill_remaining_processes
}

kill_remaining_processes() {
  local -a remaining
  mapfile -t remaining < <(our_processes)
  [ "${#remaining[@]}" -gt 0 ] || return 0
  printf 'still there: %s' "${remaining[*]}"
  kill -9 "${remaining[@]}" 2>/dev/null || true
  return 1
}

our_mounts() { awk '{print $5}' /proc/self/mountinfo | grep -E "^($STATE|$RUN)/" | sort -r || true; }

# With the last process of a pod and the mount of its network namespace, the namespace and its interfaces go too.
unmount_all() {
  local target
  while read -r target; do
    target=$(printf '%b' "$target") # the kernel writes a space as \040
    umount "$target" || umount --lazy "$target"
  done < <(our_mounts)
  [ -z "$(our_mounts)" ] || die "still mounted: $(our_mounts)"
}

our_cgroups() { find /sys/fs/cgroup -maxdepth 2 -type d -name "$CGROUP" 2>/dev/null || true; }

remove_cgroups() { wait_for 20 "the pods' cgroups to empty" try_remove_cgroups; }

try_remove_cgroups() {
  local top
  while read -r top; do
    find "$top" -depth -type d -exec rmdir {} + || return 1
  done < <(our_cgroups)
}

# Folders that the kubelet and CNI use whatever they are told: our files there, and the folder itself if we brought it.
clean_shared_folders() {
  local link folder
  for link in /var/log/containers/*; do
    [[ $(readlink "$link") != "$STATE"/* ]] || rm -f "$link"
  done
  rm -f /var/lib/cni/results/restward-*
  [ -e "$STATE/new-folders" ] || return 0
  while read -r folder; do
    case $folder in
      /var/lib/kubelet | /var/lib/cni) rm -rf --one-file-system "$folder" ;;
      *) [ ! -d "$folder" ] || rmdir --ignore-fail-on-non-empty "$folder" ;;
    esac
  done <"$STATE/new-folders"
}

# Only after nothing is mounted below: --one-file-system is the second net.
remove_files() { rm -rf --one-file-system "$STATE" "$RUN"; }

# What of the cluster is on the machine: nothing after `down`.
remains() {
  local pid
  for pid in $(our_processes); do printf 'process %s: %s\n' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c1-100)"; done
  our_mounts | sed 's/^/mount /'
  our_cgroups | sed 's/^/cgroup /'
  local path
  for path in "$STATE" "$RUN" /var/lib/cni/results/restward-*; do
    [ ! -e "$path" ] || printf 'file %s\n' "$path"
  done
  for path in /var/log/containers/*; do
    [[ $(readlink "$path") != "$STATE"/* ]] || printf 'link %s\n' "$path"
  done
  command -v ip >/dev/null || return 0 # `up` was never here
  ip -o link show "$BRIDGE" 2>/dev/null | sed 's/^/bridge /' || true
  ip -o address show to 10.213.0.0/16 | sed 's/^/address /'
  ip route show table all root 10.213.0.0/16 | sed 's/^/route /'
  local tool
  for tool in iptables ip6tables; do
    "$tool-save" 2>/dev/null | grep -E 'KUBE-|restward' | sed "s/^/$tool rule /" || true
  done
}
