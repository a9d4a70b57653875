# shellcheck shell=bash
# Debian packages: which are needed, and installing them without starting a service.

PACKAGES=(
  etcd-server etcd-client containerd runc containernetworking-plugins
  buildah mmdebstrap iptables conntrack iproute2 openssl curl ca-certificates procps util-linux kmod
)
POLICY=/usr/sbin/policy-rc.d

missing_packages() {
  local package
  for package in "${PACKAGES[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep 'ok installed' >/dev/null || printf '%s\n' "$package"
  done
}

install_packages() {
  local -a missing
  mapfile -t missing < <(missing_packages)
  restore_policy # of a run that was killed while it installed
  [ "${#missing[@]}" -gt 0 ] || return 0
  forbid_service_starts
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
  restore_policy
  disable_new_services "${missing[@]}"
}

# Debian starts a service when its package is installed; etcd and containerd of the machine must not run.
# A policy that was there before is put aside and comes back.
forbid_service_starts() {
  if [ -e "$POLICY" ]; then mv "$POLICY" "$POLICY.before-restward"; fi
  printf '#!/bin/sh\n# restward test cluster: temporary, see tests/cluster/lib/packages.sh\nexit 101\n' >"$POLICY"
  chmod 755 "$POLICY"
}

restore_policy() {
  if grep -qs 'restward test cluster' "$POLICY"; then rm -f "$POLICY"; fi
  if [ -e "$POLICY.before-restward" ]; then mv "$POLICY.before-restward" "$POLICY"; fi
}

# Nor may they start at the next boot. Only packages that we brought are touched.
disable_new_services() {
  command -v systemctl >/dev/null || return 0
  local package
  for package in "$@"; do
    case $package in
      etcd-server) systemctl disable --quiet etcd.service || true ;;
      containerd) systemctl disable --quiet containerd.service || true ;;
    esac
  done
}
