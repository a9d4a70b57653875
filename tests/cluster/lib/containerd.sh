# shellcheck shell=bash
# containerd with a root, state and socket of its own, and the network configuration that its CRI plugin reads.

start_containerd() {
  local SNAPSHOTTER
  # shellcheck disable=SC2034 # render reads it
  SNAPSHOTTER=$(choose_snapshotter)
  render containerd.toml "$STATE/config/containerd.toml"
  render cni.conflist "$STATE/cni/10-restward.conflist"
  start_daemon containerd "$STATE/config/containerd.toml" containerd --config "$STATE/config/containerd.toml"
  wait_for 300 containerd daemon_answers containerd ctr_k8s version
}

# overlayfs is fast, but does not work on top of every file system.
choose_snapshotter() {
  local probe=$STATE/overlay-probe chosen=native
  mkdir -p "$probe"/{lower,upper,work,merged}
  if mount -t overlay overlay -o "lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work" "$probe/merged" 2>/dev/null; then
    umount "$probe/merged"
    chosen=overlayfs
  fi
  rm -rf "$probe"
  printf '%s' "$chosen"
}

ctr_k8s() { ctr --address "$CONTAINERD_SOCKET" --namespace k8s.io "$@"; }

image_is_present() { [ -n "$(ctr_k8s images list -q "name==$1")" ]; }
