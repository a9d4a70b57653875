# shellcheck shell=bash
# etcd, one member, on the node's address with TLS.

start_etcd() {
  mkdir -p "$STATE/etcd"
  chmod 700 "$STATE/etcd"
  start_daemon etcd "" etcd --name restward --data-dir "$STATE/etcd" \
    --listen-client-urls "https://$NODE_IP:2379" --advertise-client-urls "https://$NODE_IP:2379" \
    --listen-peer-urls "https://$NODE_IP:2380" --initial-advertise-peer-urls "https://$NODE_IP:2380" \
    --initial-cluster "restward=https://$NODE_IP:2380" \
    --client-cert-auth --trusted-ca-file "$PKI/etcd-ca.crt" --cert-file "$PKI/etcd-server.crt" --key-file "$PKI/etcd-server.key" \
    --peer-client-cert-auth --peer-trusted-ca-file "$PKI/etcd-ca.crt" --peer-cert-file "$PKI/etcd-server.crt" --peer-key-file "$PKI/etcd-server.key" \
    --auto-compaction-mode=periodic --auto-compaction-retention=30m --logger=zap
  wait_for 300 etcd daemon_answers etcd etcd_is_healthy
}

etcd_is_healthy() {
  curl -sf --cacert "$PKI/etcd-ca.crt" --cert "$PKI/etcd-client.crt" --key "$PKI/etcd-client.key" "https://$NODE_IP:2379/health" |
    grep -q '"health":"true"'
}
