//! The certificate authority in its Secret, on a real API server: replicas that start at once, and a damaged Secret.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use restward_operator::certs::{self, Handle};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use serde_json::json;

use crate::cluster::Room;

const SECRET: &str = "restward-webhook-ca";

/// A replica's certificates; its task ends with the test.
fn replica(room: &Room) -> Handle {
    let settings = certs::Settings {
        namespace: room.name.clone(),
        ca_secret: SECRET.into(),
        service: "restward".into(),
    };
    let (handle, keeper) = certs::start(room.client.clone(), settings);
    tokio::spawn(keeper);
    handle
}

/// The bundle, once it is another than `old`.
async fn bundle(handle: &Handle, old: Option<&str>) -> String {
    let mut bundles = handle.ca_bundle();
    let changed = bundles.wait_for(|bundle| bundle.is_some() && bundle.as_deref() != old);
    tokio::time::timeout(Duration::from_secs(30), changed)
        .await
        .expect("a bundle in time")
        .unwrap()
        .clone()
        .unwrap()
}

/// A TLS handshake as the API server makes it, over a pipe.
async fn handshake(handle: &Handle, bundle: &str, service: &str) -> std::io::Result<()> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let client = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let server = rustls::ServerConfig::builder().with_no_client_auth().with_cert_resolver(handle.resolver());
    let (near, far) = tokio::io::duplex(16 * 1024);
    let name = ServerName::try_from(service.to_owned()).unwrap();
    let connect = tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, near);
    let accept = tokio_rustls::TlsAcceptor::from(Arc::new(server)).accept(far);
    let (connected, _accepted) = tokio::join!(connect, accept);
    connected.map(drop)
}

#[tokio::test]
async fn replicas_that_start_at_once_agree_on_one_authority() {
    let room = Room::open("ca", "restricted").await;
    let replicas: Vec<Handle> = (0..3).map(|_| replica(&room)).collect();
    let service = format!("restward.{}.svc", room.name);
    let first = bundle(&replicas[0], None).await;
    for handle in &replicas {
        assert_eq!(bundle(handle, None).await, first);
        assert!(handle.is_ready());
        handshake(handle, &first, &service).await.unwrap();
        assert!(handshake(handle, &first, "restward.elsewhere.svc").await.is_err());
    }
    room.close().await;
}

#[tokio::test]
async fn a_damaged_secret_is_replaced_and_the_new_authority_served() {
    let room = Room::open("damaged", "restricted").await;
    let secrets: Api<Secret> = Api::namespaced(room.client.clone(), &room.name);
    let handle = replica(&room);
    let old = bundle(&handle, None).await;
    let damage = Patch::Merge(json!({"data": {"ca.key": null}}));
    secrets.patch(SECRET, &PatchParams::default(), &damage).await.unwrap();
    let new = bundle(&handle, Some(&old)).await;
    let service = format!("restward.{}.svc", room.name);
    handshake(&handle, &new, &service).await.unwrap();
    assert!(handshake(&handle, &old, &service).await.is_err());
    room.close().await;
}

#[tokio::test]
async fn the_charts_empty_secret_is_filled_and_stays_the_charts() {
    let room = Room::open("chart-ca", "restricted").await;
    let secrets: Api<Secret> = Api::namespaced(room.client.clone(), &room.name);
    let chart: Secret = serde_json::from_value(json!({"metadata": {
        "name": SECRET,
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "restward"},
    }}))
    .unwrap();
    secrets.create(&PostParams::default(), &chart).await.unwrap();
    let replicas = [replica(&room), replica(&room)];
    let served = bundle(&replicas[0], None).await;
    assert_eq!(bundle(&replicas[1], None).await, served);
    let filled = secrets.get(SECRET).await.unwrap();
    assert_eq!(filled.data.as_ref().unwrap()["ca.crt"].0, served.as_bytes());
    assert_eq!(filled.metadata.labels, chart.metadata.labels);
    assert_eq!(filled.metadata.annotations, chart.metadata.annotations);
    room.close().await;
}
