# shellcheck shell=bash
# CoreDNS as a deployment, like everywhere.

deploy_dns() {
  render coredns.yaml "$STATE/config/coredns.yaml"
  admin apply -f "$STATE/config/coredns.yaml"
  admin --namespace kube-system rollout status deployment/coredns --timeout=300s
  wait_for 300 "kube-proxy to route to CoreDNS" dns_is_routed
}

# Until then a query is rejected or lost, and a client waits five seconds before it asks again.
dns_is_routed() {
  iptables -w -t nat -S KUBE-SERVICES | grep -E -- "-d $DNS_SERVICE_IP/32 -p udp .*-j KUBE-SVC-" >/dev/null
}
