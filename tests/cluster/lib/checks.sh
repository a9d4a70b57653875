# shellcheck shell=bash
# What the self-test asks of a cluster. Each check prints one line; all work in a namespace of their own.

CHECK_NAMESPACE=restward-selftest
TINY_IMAGE=localhost/restward-selftest:dev
PASSED=0 FAILED=0

# check TEXT COMMAND...: output is shown only when the check fails.
check() {
  local text=$1 output
  shift
  if output=$("$@" 2>&1); then
    PASSED=$((PASSED + 1))
    printf '  ok      %s\n' "$text"
  else
    FAILED=$((FAILED + 1))
    printf '  FAILED  %s\n          %s\n' "$text" "${output//$'\n'/$'\n'          }"
  fi
}

in_namespace() { admin --namespace "$CHECK_NAMESPACE" "$@"; }

apply_test_pods() {
  admin create namespace "$CHECK_NAMESPACE" --dry-run=client -o yaml | admin apply -f -
  admin label namespace "$CHECK_NAMESPACE" pod-security.kubernetes.io/enforce=restricted --overwrite
  wait_for 60 "the default ServiceAccount" in_namespace get serviceaccount default
  render selftest.yaml "$STATE/config/selftest.yaml"
  in_namespace apply -f "$STATE/config/selftest.yaml"
}

check_cluster() {
  check "node is Ready" admin wait --for=condition=Ready "node/$NODE_NAME" --timeout=60s
  check "pods of an image from 'image build' run under PodSecurity restricted" run_test_pods
  check "a native sidecar started before the container" sidecar_came_first
  check "kubernetes.default resolves in a pod" resolves_to kubernetes.default "$API_SERVICE_IP"
  check "names outside the cluster fail at once" no_such_name example.com
  check "a service by name from a pod" answers in_pod /probe get http://web
  check "a pod reaches itself by its service" pod_reaches_itself
  check "a service address from the host" answers curl -sf -m 5 --retry 5 --retry-connrefused --retry-delay 1 "http://$(service_ip)"
  check "a pod's address from the host" answers curl -sf -m 5 "http://$(pod_ip):8080"
  check "a pod reaches the API server" api_server_answers_pod
  check "kubectl logs" logs_work
  check "kubectl exec" in_pod /probe resolve localhost
  check "kubectl port-forward" port_forward_works
  check "a privileged pod is refused by PodSecurity" privileged_pod_is_refused
  check "RBAC: a ServiceAccount may not read Secrets" service_account_reads_no_secrets
  check "NodeRestriction: a kubelet may not set protected labels" kubelet_is_fenced
}

run_test_pods() {
  apply_test_pods && in_namespace wait --for=condition=Ready pod/web pod/client --timeout=90s
}

# The probe does not know the cluster's CA: that it sees an unknown one shows that the API server answered.
api_server_answers_pod() { refused_with 'unknown authority' in_pod /probe get "https://kubernetes.default/version"; }

in_pod() { in_namespace exec client -- "$@"; }
pod_ip() { in_namespace get pod web -o jsonpath='{.status.podIP}'; }
service_ip() { in_namespace get service web -o jsonpath='{.spec.clusterIP}'; }

# The probe answers with the name of its pod.
answers() {
  local body
  body=$("$@") || return 1
  [ "$body" = web ] || { printf 'wanted "web", got: %s\n' "$body"; return 1; }
}

resolves_to() { # NAME ADDRESS
  local got
  got=$(in_pod /probe resolve "$1") || return 1
  [ "$got" = "$2" ] || { printf 'wanted %s, got: %s\n' "$2" "$got"; return 1; }
}

no_such_name() {
  local message
  if message=$(in_pod /probe resolve "$1" 2>&1); then printf '%s\n' "$message"; return 1; fi
  grep -q 'no such host' <<<"$message" || { printf '%s\n' "$message"; return 1; }
}

# By its full name: the short one is in the pod's own /etc/hosts.
pod_reaches_itself() { answers in_namespace exec web -c web -- /probe get "http://web.$CHECK_NAMESPACE.svc"; }

sidecar_came_first() {
  in_namespace logs web -c sidecar | grep 'serving on :9090' >/dev/null &&
    [ "$(in_namespace get pod web -o jsonpath='{.status.initContainerStatuses[0].started}')" = true ] &&
    in_namespace exec client -- /probe get "http://$(pod_ip):9090"
}

logs_work() { in_namespace logs web -c web | grep 'serving on :8080' >/dev/null; }

port_forward_works() {
  local output forward port status=0
  output=$(mktemp)
  in_namespace port-forward pod/web :8080 >"$output" 2>&1 &
  forward=$!
  wait_for 10 "port-forward to listen" grep -q '^Forwarding from 127' "$output"
  port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\).*/\1/p' "$output")
  answers curl -sf -m 5 "http://127.0.0.1:$port" || status=1
  kill "$forward"
  wait "$forward" 2>/dev/null || true
  rm -f "$output"
  return "$status"
}

# refused_with WORD COMMAND...: the command must fail, and for this reason.
refused_with() {
  local word=$1 message
  shift
  if message=$("$@" 2>&1); then printf 'was let through: %s\n' "$message"; return 1; fi
  grep -qi "$word" <<<"$message" || { printf 'failed for another reason: %s\n' "$message"; return 1; }
}

privileged_pod_is_refused() {
  refused_with 'violates PodSecurity' in_namespace run bad --image="$TINY_IMAGE" --image-pull-policy=Never --privileged --dry-run=server
}

service_account_reads_no_secrets() {
  refused_with 'forbidden' in_namespace get secrets --as="system:serviceaccount:$CHECK_NAMESPACE:default"
}

kubelet_is_fenced() {
  refused_with 'not allowed to modify labels' \
    kubectl --kubeconfig "$STATE/kubeconfig/kubelet" label node "$NODE_NAME" node-restriction.kubernetes.io/selftest=yes --overwrite
}
