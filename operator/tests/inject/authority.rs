//! The certificate authority in its Secret, on a real API server: replicas that start at once, a damaged Secret, and a
//! rotation during which nobody is refused.

use std::{sync::Arc, time::Duration};

use k8s_openapi::{
    ByteString,
    api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Secret},
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use restward_crds::names;
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
        settle: Duration::from_secs(1),
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

/// A webhook of the operator, which calls nobody: only its bundle matters here.
struct Hook {
    api: Api<MutatingWebhookConfiguration>,
    name: String,
}

impl Hook {
    async fn create(room: &Room, bundle: &str) -> Self {
        let hook = Self { api: Api::all(room.client.clone()), name: room.name.clone() };
        let object: MutatingWebhookConfiguration = serde_json::from_value(json!({
            "metadata": {"name": hook.name, "labels": {names::LABEL_MANAGED: "true"}},
            "webhooks": [{
                "name": "pods.restward.io", "failurePolicy": "Ignore", "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "objectSelector": {"matchLabels": {"nobody": hook.name}},
                "clientConfig": {
                    "service": {"namespace": room.name, "name": "restward"},
                    "caBundle": ByteString(bundle.as_bytes().to_vec()),
                },
            }],
        }))
        .unwrap();
        hook.api.create(&PostParams::default(), &object).await.unwrap();
        hook
    }

    async fn bundle(&self) -> String {
        let object = self.api.get(&self.name).await.unwrap();
        String::from_utf8(object.webhooks.unwrap()[0].client_config.ca_bundle.clone().unwrap().0).unwrap()
    }

    async fn trusts(&self, bundle: &str) {
        let mut object = self.api.get(&self.name).await.unwrap();
        let hook = &mut object.webhooks.as_mut().unwrap()[0];
        hook.client_config.ca_bundle = Some(ByteString(bundle.as_bytes().to_vec()));
        self.api.replace(&self.name, &PostParams::default(), &object).await.unwrap();
    }
}

#[tokio::test]
async fn an_authority_is_replaced_on_request_and_no_replica_shows_what_the_webhook_does_not_trust() {
    let room = Room::open("rotated", "restricted").await;
    let secrets: Api<Secret> = Api::namespaced(room.client.clone(), &room.name);
    let replicas: Vec<Handle> = (0..3).map(|_| replica(&room)).collect();
    let service = format!("restward.{}.svc", room.name);
    let first = bundle(&replicas[0], None).await;
    for handle in &replicas {
        bundle(handle, None).await;
    }
    let hook = Hook::create(&room, &first).await;
    let all_are_trusted = async || {
        let trusted = hook.bundle().await;
        for handle in &replicas {
            handshake(handle, &trusted, &service).await.expect("the API server trusts every replica");
        }
    };
    let ask = Patch::Merge(json!({"metadata": {"annotations": {names::ANNOTATION_ROTATE_CA: "1"}}}));
    secrets.patch(SECRET, &PatchParams::default(), &ask).await.unwrap();

    let both = bundle(&replicas[0], Some(&first)).await;
    let next = both.strip_prefix(&first).expect("the one before signs").to_owned();
    // The webhook does not know the next one, and so it does not sign, for longer than it would take to settle.
    for _ in 0..30 {
        all_are_trusted().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(bundle(&replicas[2], Some(&first)).await, both);

    hook.trusts(&both).await;
    let signs_now = format!("{next}{first}");
    let changes = async {
        for handle in &replicas {
            while bundle(handle, Some(&both)).await != signs_now {}
        }
    };
    let watched = async {
        loop {
            all_are_trusted().await;
        }
    };
    tokio::select! { () = changes => {}, () = watched => {} }
    all_are_trusted().await;
    for handle in &replicas {
        handshake(handle, &next, &service).await.expect("the next one signs");
        assert!(handshake(handle, &first, &service).await.is_err());
    }
    let stored = secrets.get(SECRET).await.unwrap().data.unwrap();
    assert!(!stored.contains_key("next-ca.key") && stored.contains_key("retired-ca.crt"));

    // Ended, as an hour later.
    let ended = json!({"data": {"retired-until": ByteString(b"1".to_vec())}});
    secrets.patch(SECRET, &PatchParams::default(), &Patch::Merge(ended)).await.unwrap();
    assert_eq!(bundle(&replicas[1], Some(&signs_now)).await, next);
    hook.api.delete(&hook.name, &DeleteParams::default()).await.unwrap();
    room.close().await;
}
