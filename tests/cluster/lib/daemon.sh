# shellcheck shell=bash
# Start, find and end the cluster's processes, and never anybody else's.
#
# A process is ours when its command line names a file below $STATE or $RUN. A pid file alone proves nothing
# after a reboot or a kill -9, so a pid is never trusted without that look.

# shellcheck disable=SC2153 # STATE and RUN are of common.sh
is_ours() { # PID
  tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -E "($STATE|$RUN)/" >/dev/null
}

daemon_pid() { # NAME: prints the pid of the running daemon
  local pid
  pid=$(cat "$RUN/$1.pid" 2>/dev/null) && [ -n "$pid" ] && is_ours "$pid" && printf '%s' "$pid"
}

# start_daemon NAME CONFIG_FILES COMMAND...: start unless it runs already with this command line and these files
# (space-separated, may be empty).
start_daemon() {
  local name=$1 files=$2 pid fingerprint
  shift 2
  # shellcheck disable=SC2086 # a list of files
  fingerprint=$({ printf '%s\0' "$@"; readlink -f "$(command -v "$1")"; [ -z "$files" ] || cat $files; } | sha256sum)
  if pid=$(daemon_pid "$name"); then
    [ "$(cat "$RUN/$name.fingerprint" 2>/dev/null)" != "$fingerprint" ] || return 0
    stop_process "$pid"
  fi
  mkdir -p "$LOGS" "$RUN"
  # A session of its own: it outlives the shell that started it. fd 9 is the lock, which it must not keep.
  setsid nohup "$@" >>"$LOGS/$name.log" 2>&1 </dev/null 3>&- 4>&- 5>&- 9>&- &
  printf '%s' "$!" >"$RUN/$name.pid"
  printf '%s' "$fingerprint" >"$RUN/$name.fingerprint"
}

# daemon_answers NAME COMMAND...: for wait_for; a daemon that has died is not waited for.
daemon_answers() {
  local name=$1
  shift
  "$@" && return 0
  daemon_pid "$name" >/dev/null || printf '%s is not running; the end of its log:\n%s\n' "$name" "$(tail -n 5 "$LOGS/$name.log")"
  return 1
}

stop_daemon() { # NAME
  local pid
  if pid=$(daemon_pid "$1"); then stop_process "$pid"; fi
  rm -f "$RUN/$1.pid" "$RUN/$1.fingerprint"
}

stop_process() { # PID: politely, then not
  local pid=$1 tries
  kill "$pid" 2>/dev/null || return 0
  for tries in $(seq 50); do
    process_runs "$pid" || return 0
    [ "$tries" -lt 40 ] || kill -9 "$pid" 2>/dev/null || true
    sleep 0.1
  done
  die "process $pid does not end"
}

# A zombie has ended; where nobody reaps it (a machine whose init does not), it stays in the table.
process_runs() {
  local state
  state=$(sed -n 's/^State:\s*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || return 1
  [ -n "$state" ] && [ "$state" != Z ]
}

# Every process of the cluster: pods by their cgroup, daemons and shims by their command line.
our_processes() {
  local pid
  {
    grep -lsE ":/$CGROUP(/|\$)" /proc/[0-9]*/cgroup || true
    grep -lsE "($STATE|$RUN)/" /proc/[0-9]*/cmdline || true
  } | cut -d/ -f3 | sort -un | while read -r pid; do
    if process_runs "$pid" && { in_pod_cgroup "$pid" || is_cluster_program "$pid"; }; then printf '%s\n' "$pid"; fi
  done
}

in_pod_cgroup() { grep -qsE ":/$CGROUP(/|\$)" "/proc/$1/cgroup"; }

is_cluster_program() { # PID: one of our daemons or a shim of our containerd, not somebody's `tail` of our logs
  local program
  program=$(cat "/proc/$1/comm" 2>/dev/null) || return 1
  case $program in
    etcd | containerd | containerd-shim* | kube-apiserver | kube-controller* | kube-scheduler | kubelet | kube-proxy) is_ours "$1" ;;
    *) return 1 ;;
  esac
}
