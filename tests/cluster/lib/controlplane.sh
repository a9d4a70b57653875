# shellcheck shell=bash
# kube-apiserver, kube-controller-manager, kube-scheduler.

start_apiserver() {
  # An advertised address may not be a loopback one: it becomes the endpoint of the service `kubernetes`.
  start_daemon kube-apiserver "$PKI/kube-apiserver.crt $PKI/ca.crt" kube-apiserver \
    --bind-address="$NODE_IP" --advertise-address="$NODE_IP" --secure-port=6443 \
    --tls-cert-file="$PKI/kube-apiserver.crt" --tls-private-key-file="$PKI/kube-apiserver.key" --client-ca-file="$PKI/ca.crt" \
    --etcd-servers="https://$NODE_IP:2379" --etcd-cafile="$PKI/etcd-ca.crt" \
    --etcd-certfile="$PKI/etcd-client.crt" --etcd-keyfile="$PKI/etcd-client.key" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --service-cluster-ip-range="$SERVICE_CIDR" \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file="$PKI/service-account.key" --service-account-signing-key-file="$PKI/service-account.key" \
    --kubelet-client-certificate="$PKI/kubelet-client.crt" --kubelet-client-key="$PKI/kubelet-client.key" \
    --kubelet-certificate-authority="$PKI/ca.crt" --kubelet-preferred-address-types=InternalIP
  wait_for 300 "the API server" daemon_answers kube-apiserver admin get --raw /readyz
}

start_controllers() {
  # One of each, so no leader election: its leases would only delay a restart.
  start_daemon kube-controller-manager "$STATE/kubeconfig/kube-controller-manager" kube-controller-manager \
    --kubeconfig="$STATE/kubeconfig/kube-controller-manager" --bind-address="$NODE_IP" --leader-elect=false \
    --use-service-account-credentials=true --service-account-private-key-file="$PKI/service-account.key" \
    --flex-volume-plugin-dir="$STATE/volume-plugins" --root-ca-file="$PKI/ca.crt" --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key"
  start_daemon kube-scheduler "$STATE/kubeconfig/kube-scheduler" kube-scheduler \
    --kubeconfig="$STATE/kubeconfig/kube-scheduler" --bind-address="$NODE_IP" --leader-elect=false
  wait_for 300 "the controller manager" daemon_answers kube-controller-manager healthy 10257
  wait_for 300 "the scheduler" daemon_answers kube-scheduler healthy 10259
}

# Their certificates are self-signed, so -k; the answer is only "ok".
healthy() { curl -skf "https://$NODE_IP:$1/healthz"; }
