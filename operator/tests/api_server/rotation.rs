//! The consumer's key is replaced on request, and only by the word of all sidecars.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::RawQuery, http::HeaderMap, routing::get};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use restward_crds::{
    api::v1alpha1::{NextKeyStatus, RestApiAuthPolicy},
    condition::{ProviderReason, UpstreamReason},
    names,
    sidecar::{
        config::PolicyRef,
        status::{ConsumerKeys, Report, SidecarStatus, mac_input},
    },
};
use restward_operator::keys::PolicyKeys;
use serde_json::json;

use super::support::{Cluster, condition};

/// Where the sidecar of the test's one pod answers.
const SIDECAR: &str = "127.0.0.77";

async fn ask(cluster: &Cluster, value: &str) {
    let annotations = json!({"metadata": {"annotations": {names::ANNOTATION_ROTATE: value}}});
    let policies: Api<RestApiAuthPolicy> = cluster.api();
    policies.patch("wiki", &PatchParams::default(), &Patch::Merge(annotations)).await.unwrap();
}

/// The keys in the Secret.
async fn stored(cluster: &Cluster, uid: &str) -> PolicyKeys {
    let data = cluster.keys().await.unwrap().data.unwrap();
    let item =
        |name: &str| data.get(&format!("{uid}.{name}")).map(|it| String::from_utf8(it.0.clone()).unwrap());
    let keys =
        PolicyKeys::from_stored(&item("consumer-key.pem").unwrap(), &item("status-key").unwrap()).unwrap();
    let (next, previous) = (item("next-consumer-key.pem"), item("previous-status-key"));
    keys.in_rotation(next.as_deref(), previous.as_deref(), item("answered-request")).unwrap()
}

fn next(policy: &RestApiAuthPolicy) -> Option<NextKeyStatus> {
    policy.status.clone()?.application_link?.next
}

/// A sidecar that has this status key, and says this of its others.
async fn sidecar(policy: PolicyRef, status_key: Arc<Mutex<String>>, says: Arc<Mutex<ConsumerKeys>>) {
    let key = move || {
        let hex = status_key.lock().unwrap().clone();
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..64).step_by(2).map(byte).collect();
        aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &bytes)
    };
    let answer = async move |RawQuery(query): RawQuery| {
        let status = SidecarStatus {
            sidecar_version: "1".into(),
            now: None,
            policy: policy.clone(),
            config_hash: String::new(),
            config_rejected: None,
            identity_provider: Report { reason: ProviderReason::Reachable, message: String::new() },
            upstream: Report { reason: UpstreamReason::Trusted, message: String::new() },
            consumer_keys: Some(says.lock().unwrap().clone()),
            managed_link: None,
            verification: None,
            advisories: Vec::new(),
        };
        let body = serde_json::to_string(&status).unwrap();
        let nonce = query.unwrap().strip_prefix("nonce=").unwrap().to_owned();
        let mac = aws_lc_rs::hmac::sign(&key(), &mac_input(&nonce, body.as_bytes()));
        let mac: String = mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        (HeaderMap::from_iter([(names::HEADER_STATUS_MAC.parse().unwrap(), mac.parse().unwrap())]), body)
    };
    let listener = tokio::net::TcpListener::bind((SIDECAR, names::ADMIN_PORT)).await.unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/status", get(answer))).await });
}

#[tokio::test]
async fn a_key_is_replaced_on_request_when_all_sidecars_have_seen_that_confluence_takes_the_new_one() {
    let cluster = Cluster::new("rotation").await;
    let uid = cluster.create("wiki", json!({})).await.unwrap().uid().unwrap();
    let policy = cluster.reconcile("wiki").await.unwrap();
    let first = stored(&cluster, &uid).await;
    assert_eq!((next(&policy), first.answered()), (None, None));

    ask(&cluster, "2026-11").await;
    let policy = cluster.reconcile("wiki").await.unwrap();
    let rotating = stored(&cluster, &uid).await;
    assert_eq!((rotating.public_key(), rotating.answered()), (first.public_key(), Some("2026-11")));
    assert_eq!(rotating.previous_status_key_hex(), Some(first.status_key_hex()));
    let new = rotating.next_public_key().unwrap().clone();
    let shown = next(&policy).unwrap();
    assert_eq!((&shown.public_key, &shown.fingerprint), (&new.pem, &new.fingerprint));
    assert!(shown.message.contains("no sidecar runs") && shown.instructions.is_empty(), "{shown:?}");
    // Asked once, by whatever operator sees it; and nothing is decided without sidecars.
    cluster.reconcile("wiki").await.unwrap();
    assert_eq!(stored(&cluster, &uid).await, rotating);

    // The webhook has no backend here: what it would do is done by hand, under labels that it does not match.
    cluster.edit("wiki", json!({"selector": {"matchLabels": {"app": "later"}}})).await;
    cluster.reconcile("wiki").await.unwrap();
    cluster.injected_pod("wiki-0", &uid).await;
    let pods: Api<Pod> = cluster.api();
    let address = json!({"status": {"podIP": SIDECAR, "podIPs": [{"ip": SIDECAR}]}});
    pods.patch_status("wiki-0", &PatchParams::default(), &Patch::Merge(address)).await.unwrap();
    let (old, fingerprint) = (first.public_key().fingerprint.clone(), new.fingerprint.clone());
    let says = Arc::new(Mutex::new(ConsumerKeys { held: vec![old.clone()], taken: Some(old.clone()) }));
    let reference = PolicyRef {
        namespace: cluster.namespace.clone(),
        name: "wiki".into(),
        uid: uid.clone(),
        generation: 1,
    };
    let status_key = Arc::new(Mutex::new(first.status_key_hex().to_owned()));
    sidecar(reference, Arc::clone(&status_key), Arc::clone(&says)).await;
    let policy = cluster.reconcile("wiki").await.unwrap();
    assert_eq!(condition(&policy, "UpstreamTrusted"), "True/Trusted");
    let touched = pods.get("wiki-0").await.unwrap().annotations()[names::ANNOTATION_CONFIG_HASH].clone();
    let both_keys = format!(".{}.status-key", &fingerprint[..16]);
    assert!(touched.ends_with(&both_keys), "{touched}: the kubelet is to look");
    let shown = next(&policy).unwrap();
    assert!(shown.message.contains("wiki-0 do not have it") && shown.instructions.is_empty(), "{shown:?}");
    assert_eq!(stored(&cluster, &uid).await, rotating, "it proved itself by the status key from before");

    rotating.status_key_hex().clone_into(&mut status_key.lock().unwrap());
    let policy = cluster.reconcile("wiki").await.unwrap();
    assert_eq!(condition(&policy, "UpstreamTrusted"), "True/Trusted");
    let rotating = rotating.without_previous_status_key();
    assert_eq!(stored(&cluster, &uid).await, rotating);

    says.lock().unwrap().held = vec![fingerprint.clone(), old];
    let shown = next(&cluster.reconcile("wiki").await.unwrap()).unwrap();
    assert!(shown.message.contains("0 of 1") && shown.instructions.join(" ").contains("curl"), "{shown:?}");
    assert_eq!(stored(&cluster, &uid).await, rotating);

    says.lock().unwrap().taken = Some(fingerprint.clone());
    let policy = cluster.reconcile("wiki").await.unwrap();
    let promoted = stored(&cluster, &uid).await;
    assert_eq!(promoted, rotating.promoted());
    let link = policy.status.unwrap().application_link.unwrap();
    assert_eq!((link.fingerprint, link.next), (fingerprint, None));
    let data = cluster.keys().await.unwrap().data.unwrap();
    assert!(!data.contains_key(&format!("{uid}.next-consumer-key.pem")), "the old key is gone");
    cluster.reconcile("wiki").await.unwrap();
    let untouched = pods.get("wiki-0").await.unwrap().annotations()[names::ANNOTATION_CONFIG_HASH].clone();
    assert_ne!(untouched, touched, "the kubelet is to look again");
    assert_eq!(stored(&cluster, &uid).await, promoted, "the same request is not answered again");
    ask(&cluster, "2027-05").await;
    cluster.reconcile("wiki").await.unwrap();
    assert!(stored(&cluster, &uid).await.next_public_key().is_some());
    cluster.delete_pod("wiki-0").await;
    cluster.clean_up().await;
}

#[tokio::test]
async fn what_a_policy_asks_for_when_it_is_made_is_answered_by_its_first_key() {
    let cluster = Cluster::new("rotationnew").await;
    let uid = cluster.create("wiki", json!({})).await.unwrap().uid().unwrap();
    ask(&cluster, "1").await;
    cluster.reconcile("wiki").await.unwrap();
    let keys = stored(&cluster, &uid).await;
    assert_eq!((keys.answered(), keys.next_public_key()), (Some("1"), None));
    // A header has no key, but its sidecars have one for their status.
    cluster
        .edit("wiki", json!({"upstream": {"identity": {"oauth1": null, "header": {"name": "X-Wiki-User"}}}}))
        .await;
    ask(&cluster, "2").await;
    cluster.reconcile("wiki").await.unwrap();
    let rotating = stored(&cluster, &uid).await;
    assert_eq!((rotating.public_key(), rotating.next_public_key()), (keys.public_key(), None));
    assert_eq!(rotating.previous_status_key_hex(), Some(keys.status_key_hex()));
    cluster.reconcile("wiki").await.unwrap();
    assert_eq!(stored(&cluster, &uid).await, rotating, "the same request is not answered again");
    cluster.clean_up().await;
}
