# shellcheck shell=bash
# Certificates and kubeconfig files. Made once for the life of a cluster; `down` removes them.

make_pki() {
  mkdir -p "$PKI"
  chmod 700 "$PKI"
  make_ca ca restward-test-cluster
  # etcd has a CA of its own: whoever holds a certificate of the cluster's CA must not get at etcd.
  make_ca etcd-ca restward-test-etcd

  make_cert ca kube-apiserver "/CN=kube-apiserver" \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:$NODE_IP,IP:$API_SERVICE_IP"
  make_cert ca kubelet-server "/O=system:nodes/CN=system:node:$NODE_NAME" "DNS:$NODE_NAME,IP:$NODE_IP"
  make_cert etcd-ca etcd-server "/CN=etcd" "DNS:localhost,IP:$NODE_IP"
  make_cert etcd-ca etcd-client "/CN=kube-apiserver"

  make_cert ca kubelet-client "/O=system:masters/CN=kube-apiserver-kubelet-client"
  make_cert ca admin "/O=system:masters/CN=restward-admin"
  make_cert ca kube-controller-manager "/CN=system:kube-controller-manager"
  make_cert ca kube-scheduler "/CN=system:kube-scheduler"
  make_cert ca kube-proxy "/CN=system:kube-proxy"
  make_cert ca kubelet "/O=system:nodes/CN=system:node:$NODE_NAME"

  if [ ! -s "$PKI/service-account.key" ]; then
    openssl genrsa -out "$PKI/service-account.key.new" 2048
    mv "$PKI/service-account.key.new" "$PKI/service-account.key"
  fi

  local user
  for user in admin kube-controller-manager kube-scheduler kube-proxy kubelet; do make_kubeconfig "$user"; done
}

make_ca() {
  local name=$1 common_name=$2
  [ ! -s "$PKI/$name.crt" ] || return 0
  new_key "$name"
  openssl req -x509 -new -key "$PKI/$name.key" -subj "/CN=$common_name" -days 3650 \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign,digitalSignature" \
    -out "$PKI/$name.crt.new"
  mv "$PKI/$name.crt.new" "$PKI/$name.crt"
}

# make_cert CA NAME SUBJECT [SUBJECT_ALT_NAMES]: a server certificate when it has names, else a client's.
make_cert() {
  local ca=$1 name=$2 subject=$3 names=${4:-}
  [ ! -s "$PKI/$name.crt" ] || return 0
  new_key "$name"
  local extensions="basicConstraints=CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=clientAuth"
  [ -z "$names" ] || extensions+=",serverAuth
subjectAltName=$names"
  openssl req -new -key "$PKI/$name.key" -subj "$subject" |
    openssl x509 -req -CA "$PKI/$ca.crt" -CAkey "$PKI/$ca.key" -days 3650 \
      -set_serial "0x$(openssl rand -hex 16)" -extfile <(printf '%s\n' "$extensions") -out "$PKI/$name.crt.new"
  mv "$PKI/$name.crt.new" "$PKI/$name.crt" # the certificate last: it says that the pair is whole
}

new_key() { openssl ecparam -genkey -name prime256v1 -noout -out "$PKI/$1.key"; }

# shellcheck disable=SC2034 # render reads them
make_kubeconfig() {
  local CA_DATA CERT_DATA KEY_DATA USER_NAME=$1
  CA_DATA=$(base64 -w0 "$PKI/ca.crt")
  CERT_DATA=$(base64 -w0 "$PKI/$1.crt")
  KEY_DATA=$(base64 -w0 "$PKI/$1.key")
  render kubeconfig.yaml "$STATE/kubeconfig/$1"
  chmod 600 "$STATE/kubeconfig/$1"
}
