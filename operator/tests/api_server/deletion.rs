//! What goes when a policy goes, and what stays until its pods are gone.

use k8s_openapi::api::{
    admissionregistration::v1::MutatingWebhookConfiguration,
    core::v1::{Event, Namespace},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};
use restward_operator::controller::sweep;
use serde_json::{Value, json};

use super::{
    requests::{MISSING, allowed, confluence, injected, programmed, refused, remove_webhooks, try_pod},
    support::{Cluster, condition, operator},
    wiki::serve_webhook,
};

async fn delete(cluster: &Cluster, policy: &str) {
    cluster.api::<RestApiAuthPolicy>().delete(policy, &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
async fn the_webhook_goes_at_once_and_the_rest_with_the_last_injected_pod() {
    let cluster = Cluster::new("detach").await;
    let uid = cluster
        .create("wiki", json!({"selector": {"matchLabels": {"app": "later"}}}))
        .await
        .unwrap()
        .uid()
        .unwrap();
    let policy = cluster.reconcile("wiki").await.unwrap();
    assert_eq!(policy.finalizers(), [names::FINALIZER_DETACH]);
    cluster.injected_pod("wiki-0", &uid).await;
    delete(&cluster, "wiki").await;

    let policy = cluster.reconcile("wiki").await.expect("the finalizer holds it");
    assert!(cluster.webhooks().await.is_empty() && cluster.bindings().await.is_empty());
    assert!(cluster.config_map("wiki").await.is_some() && cluster.keys().await.is_some());
    assert_eq!(condition(&policy, "Injected"), "False/RestartRequired");

    cluster.delete_pod("wiki-0").await;
    assert!(cluster.reconcile("wiki").await.is_none());
    assert!(cluster.config_map("wiki").await.is_none() && cluster.keys().await.is_none());
    cluster.clean_up().await;
}

#[tokio::test]
async fn the_keys_of_the_other_policies_stay() {
    let cluster = Cluster::new("otherkeys").await;
    cluster.create("a", json!({"selector": {"matchLabels": {"app": "a"}}})).await.unwrap();
    let uid =
        cluster.create("b", json!({"selector": {"matchLabels": {"app": "b"}}})).await.unwrap().uid().unwrap();
    cluster.reconcile("a").await.unwrap();
    cluster.reconcile("b").await.unwrap();
    delete(&cluster, "a").await;
    assert!(cluster.reconcile("a").await.is_none());
    let left = cluster.keys().await.unwrap().data.unwrap();
    assert!(left.len() == 2 && left.keys().all(|item| item.starts_with(&uid)), "{:?}", left.keys());
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_policy_does_not_hold_up_the_end_of_its_namespace() {
    for deletion_policy in ["Detach", "Retain"] {
        let cluster = Cluster::new("ending").await;
        let uid = cluster.create("wiki", later(deletion_policy)).await.unwrap().uid().unwrap();
        cluster.reconcile("wiki").await.unwrap();
        cluster.injected_pod("wiki-0", &uid).await;
        let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
        delete(&cluster, "wiki").await;
        assert!(cluster.reconcile("wiki").await.is_some(), "the pod, or the policy's own wish, holds it");
        namespaces.delete(&cluster.namespace, &DeleteParams::background()).await.unwrap();
        assert!(cluster.reconcile("wiki").await.is_none(), "{deletion_policy}");
        assert!(cluster.webhooks().await.is_empty() && cluster.bindings().await.is_empty());
    }
}

/// A policy that selects none of the pods of a test: its webhook has no backend.
fn later(deletion_policy: &str) -> Value {
    json!({"selector": {"matchLabels": {"app": "later"}}, "deletionPolicy": deletion_policy})
}

#[tokio::test]
async fn a_retained_policy_stays_in_force_after_its_deletion_until_it_is_released() {
    let cluster = Cluster::new("retain").await;
    let uid = cluster.create("wiki", later("Retain")).await.unwrap().uid().unwrap();
    cluster.reconcile("wiki").await.unwrap();
    cluster.injected_pod("wiki-0", &uid).await;
    let keys = cluster.keys().await.unwrap();
    delete(&cluster, "wiki").await;

    let policy = cluster.reconcile("wiki").await.expect("it stays");
    assert_eq!((cluster.webhooks().await.len(), cluster.bindings().await.len()), (1, 1));
    assert!(cluster.config_map("wiki").await.is_some());
    assert_eq!(cluster.keys().await.unwrap().data, keys.data);
    assert_eq!(condition(&policy, "Programmed"), "True/Programmed");
    let told = policy.status.unwrap().advisories;
    assert!(told.iter().any(|told| told.starts_with("Retained: ")), "{told:?}");
    let count = format!("retained_policies{{namespace=\"{}\",policy=\"wiki\"}} 1", cluster.namespace);
    assert!(cluster.metrics().contains(&count), "{}", cluster.metrics());

    // What is missing is restored, and it is told once.
    let webhooks: Api<MutatingWebhookConfiguration> = Api::all(cluster.client.clone());
    let webhook = cluster.webhooks().await[0].name_any();
    webhooks.delete(&webhook, &DeleteParams::default()).await.unwrap();
    cluster.reconcile("wiki").await.expect("it stays");
    assert_eq!(cluster.webhooks().await.len(), 1);
    let events = cluster.api::<Event>().list(&ListParams::default()).await.unwrap();
    let told: Vec<_> = events.iter().filter(|event| event.reason.as_deref() == Some("Retained")).collect();
    assert!(told.len() == 1 && told[0].count.unwrap_or(1) == 1, "{told:?}");

    cluster.edit("wiki", json!({"deletionPolicy": "Detach"})).await;
    let policy = cluster.reconcile("wiki").await.expect("the pod is left");
    assert!(cluster.webhooks().await.is_empty() && cluster.bindings().await.is_empty());
    assert_eq!(condition(&policy, "Injected"), "False/RestartRequired");
    let told = policy.status.unwrap().advisories;
    assert!(!told.iter().any(|told| told.starts_with("Retained")), "{told:?}");
    assert!(!cluster.metrics().contains(&count));
    cluster.delete_pod("wiki-0").await;
    assert!(cluster.reconcile("wiki").await.is_none());
    assert!(cluster.config_map("wiki").await.is_none() && cluster.keys().await.is_none());
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_retained_policy_holds_new_pods_to_what_it_did() {
    let cluster = Cluster::new("retainpods").await;
    cluster.create("wiki", json!({"deletionPolicy": "Retain"})).await.unwrap();
    cluster.reconcile("wiki").await.unwrap();
    delete(&cluster, "wiki").await;
    cluster.reconcile("wiki").await.expect("it stays");
    remove_webhooks(&cluster).await;
    let bare = confluence("wiki-0", json!({"app": "wiki"}));
    let whole = injected(bare.clone(), &programmed(&cluster, "wiki").await, &cluster);
    let ask = async |pod: &Value| try_pod(&cluster.somebody, &cluster.namespace, pod).await;
    refused("without the sidecar", MISSING, async || ask(&bare).await).await;
    allowed("with it", async || ask(&whole).await).await;
    cluster.reconcile("wiki").await.expect("it stays");
    serve_webhook(&cluster).await;
    let made = ask(&bare).await.unwrap();
    assert!(made.labels().contains_key(names::LABEL_INJECTED), "the webhook injects for it");
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_policy_that_was_never_in_force_retains_nothing() {
    let cluster = Cluster::new("retainnone").await;
    cluster.create("wiki", json!({"usernameAttribute": "/a~2", "deletionPolicy": "Retain"})).await.unwrap();
    cluster.reconcile("wiki").await.unwrap();
    delete(&cluster, "wiki").await;
    assert!(cluster.reconcile("wiki").await.is_none());
    cluster.clean_up().await;
}

#[tokio::test]
async fn leftovers_of_a_policy_whose_finalizer_was_torn_off_are_swept() {
    let cluster = Cluster::new("sweep").await;
    cluster.create("gone", json!({"selector": {"matchLabels": {"app": "a"}}})).await.unwrap();
    cluster.create("stays", json!({"selector": {"matchLabels": {"app": "b"}}})).await.unwrap();
    cluster.reconcile("gone").await.unwrap();
    cluster.reconcile("stays").await.unwrap();
    delete(&cluster, "gone").await;
    let unheld = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    cluster.api::<RestApiAuthPolicy>().patch("gone", &PatchParams::default(), &unheld).await.unwrap();
    sweep::sweep(&operator(&[]).await).await.unwrap();
    assert_eq!((cluster.webhooks().await.len(), cluster.bindings().await.len()), (1, 1));
    assert!(cluster.config_map("gone").await.is_none() && cluster.config_map("stays").await.is_some());
    assert_eq!(cluster.keys().await.unwrap().data.unwrap().len(), 2);
    cluster.clean_up().await;
}
