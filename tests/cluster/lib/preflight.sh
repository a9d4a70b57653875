# shellcheck shell=bash
# What `up` says and asks before it touches the machine.

# Programs that manage the whole machine's containers, network chains and cgroups. Two of a kind end in tears.
FOREIGN_PROGRAMS='^(dockerd|containerd|kubelet|crio|k3s-server|k3s|rke2|microk8s)$'

refuse_other_runtimes() {
  local folder pid program
  for folder in /proc/[0-9]*; do
    pid=${folder#/proc/}
    program=$(cat "$folder/comm" 2>/dev/null) || continue
    [[ $program =~ $FOREIGN_PROGRAMS ]] || continue
    ! is_ours "$pid" || continue
    process_runs "$pid" || continue
    die "$program (process $pid) runs on this machine. The test cluster would share iptables chains and cgroups with it.
Stop it first (for example: systemctl stop $program), use another machine,
or let the tests use the cluster that you have: RESTWARD_USE_KUBECONFIG=1 with KUBECONFIG set (tests/cluster/README.md)."
  done
}

announce() {
  local -a packages programs
  mapfile -t packages < <(missing_packages)
  mapfile -t programs < <(missing_programs | cut -d' ' -f1)
  say "Restward test cluster: one real Kubernetes $KUBERNETES_VERSION node on this machine"
  say "  installs (apt): ${packages[*]:-nothing, all there}"
  say "  builds (Go):    ${programs[*]:-nothing, all in $CACHE/bin}"
  if [ "${#programs[@]}" -gt 0 ]; then
    say "  takes:          about 15 minutes on 2 cores, 3 GiB of memory while building, 6 GiB of disk while building; later runs under a minute"
    command -v go >/dev/null || die "Go is needed to build Kubernetes and is not on the PATH (Debian: apt-get install golang, 1.26 or newer)"
  else
    say "  takes:          under a minute"
  fi
  say "  while it runs:  about 1 GiB of memory, 2 GiB of disk in $STATE"
  say "  there is:       $(free_memory_mib) MiB of memory, $(free_disk_mib /var/lib) MiB of disk in /var/lib, $(free_disk_mib "$CACHE") MiB in $CACHE"
  say "  take it away:   tests/cluster/down"
  [ "$(free_memory_mib)" -ge 2048 ] || die "less than 2 GiB of memory is free"
  [ "$(free_disk_mib /var/lib)" -ge 2048 ] || die "less than 2 GiB of disk is free in /var/lib"
}

free_memory_mib() { awk '/^MemAvailable:/ {print int($2 / 1024)}' /proc/meminfo; }
free_disk_mib() { df --output=avail -m "$1" | tail -n 1 | tr -d ' '; }

# RESTWARD_USE_KUBECONFIG=1: the user's own cluster is only looked at.
verify_own_kubeconfig() {
  command -v kubectl >/dev/null || die "RESTWARD_USE_KUBECONFIG=1 needs a kubectl on the PATH"
  local context
  context=$(kubectl config current-context) || die "${KUBECONFIG:-$HOME/.kube/config} names no current context"
  say "using the cluster of ${KUBECONFIG:-$HOME/.kube/config}, context $context"
  kubectl version >/dev/null || die "that cluster does not answer"
  [ "$(kubectl auth can-i '*' '*' --all-namespaces)" = yes ] ||
    die "the tests create CRDs, webhooks and namespaces, but this user is no administrator of that cluster"
  local minor
  minor=$(kubectl get --raw /version | sed -n 's/.*"minor": *"\([0-9]*\).*/\1/p')
  [ "$minor" -ge 33 ] || die "that cluster is Kubernetes 1.$minor; Restward needs 1.33 or newer"
  command -v helm >/dev/null || die "RESTWARD_USE_KUBECONFIG=1 needs a helm on the PATH"
  refuse_foreign_namespaces
  say "it answers, runs Kubernetes 1.$minor, and this user administers it; nothing else is done"
}

# Demo and tests take over these namespaces, and whatever is in them.
OWN_NAMESPACES=(restward keycloak atlassian)
OWN_NAMESPACES_LABEL=restward.io/tests=own

refuse_foreign_namespaces() {
  local namespace found
  for namespace in "${OWN_NAMESPACES[@]}"; do
    found=$(kubectl get namespace "$namespace" --ignore-not-found --output "jsonpath={.metadata.labels.restward\.io/tests}{'.'}")
    case $found in
      '' | own.) ;;
      *) die "namespace $namespace is there already, and is not of the demo or the tests. They need it for themselves" ;;
    esac
  done
}

own_namespaces() {
  local namespace
  for namespace in "${OWN_NAMESPACES[@]}"; do
    kubectl create namespace "$namespace" --dry-run=client --output yaml | kubectl apply --filename - >/dev/null
    kubectl label namespace "$namespace" --overwrite "$OWN_NAMESPACES_LABEL" >/dev/null
  done
}
