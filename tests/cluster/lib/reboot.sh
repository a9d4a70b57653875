# shellcheck shell=bash
# What a power failure takes, and what it leaves.

# Processes, mounts, addresses, rules, cgroups and /run go; what is on disk stays.
reboot() {
  kill_everything
  unmount_all
  remove_network
  remove_cgroups
  rm -rf --one-file-system "$RUN"
}

kill_everything() {
  local -a all
  mapfile -t all < <(our_processes)
  [ "${#all[@]}" -eq 0 ] || kill -9 "${all[@]}" 2>/dev/null || true # some ended with those before them
  wait_for 10 "the killed processes to end" nothing_runs
}

nothing_runs() { [ -z "$(our_processes)" ]; }
