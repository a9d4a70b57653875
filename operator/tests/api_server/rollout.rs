//! Rollouts of a StatefulSet, by the controller of a real API server: see [`super::wiki`].

use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{Event, Pod},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, condition::InjectedReason, names};
use restward_operator::controller::{
    census::Said,
    rollout::{self, Report},
};
use serde_json::{Value, json};

use super::{
    support::{Cluster, PATIENCE, condition, operator},
    wiki::{ready, serve_webhook, stateful_set, taken_stock, until, withdraw_webhook},
};

fn automatic() -> Value {
    json!({"rollout": {"strategy": "Automatic"}})
}

/// One look at the policy's workloads, and what is remembered of it: without a whole reconciliation, which would put the
/// webhook of this test away.
async fn look(cluster: &Cluster) -> Report {
    let client = operator(&[]).await;
    let (policy, observed, candidate, census) = taken_stock(cluster, &client).await;
    let report =
        rollout::attach(cluster.context(), &policy, Some(&candidate), &census, &observed.templates).await;
    let workloads = census.listed(&cluster.namespace, &Said::default(), &report.memory);
    let status = Patch::Merge(json!({"status": {"workloads": workloads}}));
    let policies: Api<RestApiAuthPolicy> = Api::namespaced(client, &cluster.namespace);
    policies.patch_status("wiki", &PatchParams::default(), &status).await.unwrap();
    report
}

/// Looks until it is as it is meant.
async fn look_until(cluster: &Cluster, what: &str, is_meant: impl Fn(&Report) -> bool) {
    let mut last = Report::default();
    let seen = async {
        while !is_meant(&last) {
            last = look(cluster).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, seen).await.is_ok();
    assert!(in_time, "{what}: {last:?}");
}

async fn told(cluster: &Cluster, what: &str, part: &'static str) {
    look_until(cluster, what, |report| report.message.as_deref().is_some_and(|said| said.contains(part)))
        .await;
}

async fn all_is_done(cluster: &Cluster) {
    look_until(cluster, "nothing is left", |report| {
        !report.memory.is_empty() && report.message.is_none() && report.reason.is_none()
    })
    .await;
}

async fn the_set(cluster: &Cluster) -> StatefulSet {
    cluster.api().get("wiki").await.unwrap()
}

async fn mark(cluster: &Cluster) -> Option<String> {
    let annotations = the_set(cluster).await.spec?.template.metadata?.annotations?;
    annotations.get(names::ANNOTATION_INJECTION_HASH).cloned()
}

async fn change_set(cluster: &Cluster, change: Value) {
    let sets: Api<StatefulSet> = cluster.api();
    sets.patch("wiki", &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
}

/// Waits for another pod than this, and says of it that it is ready.
async fn made_anew(cluster: &Cluster, old: &Pod) -> Pod {
    let new = until(cluster, |pod| pod.uid() != old.uid() && pod.metadata.deletion_timestamp.is_none()).await;
    ready(cluster).await;
    new
}

#[tokio::test]
async fn pods_are_made_anew_with_the_sidecar_and_again_when_the_policy_changes() {
    let cluster = Cluster::new("rollout").await;
    stateful_set(&cluster).await;
    let old = until(&cluster, |_| true).await;
    let uid = cluster.create("wiki", automatic()).await.unwrap().uid().unwrap();
    cluster.reconcile("wiki").await.unwrap();
    told(&cluster, "it is not ready", "is rolled out once all is whole: pod wiki-0 is not ready").await;
    ready(&cluster).await;
    told(&cluster, "nobody serves the webhook", "did not come as it should from a dry run").await;
    assert_eq!(mark(&cluster).await, None);

    serve_webhook(&cluster).await;
    look_until(&cluster, "it begins", |report| report.reason == Some(InjectedReason::RolloutInProgress))
        .await;
    let first = mark(&cluster).await.expect("the template has the annotation");
    let managers = the_set(&cluster).await.metadata.managed_fields.unwrap();
    assert!(managers.iter().any(|entry| entry.manager.as_deref() == Some("restward-operator/rollout")));
    let new = made_anew(&cluster, &old).await;
    assert_eq!(new.labels().get(names::LABEL_INJECTED), Some(&uid));
    all_is_done(&cluster).await;
    assert_eq!(mark(&cluster).await.as_ref(), Some(&first));

    cluster.edit("wiki", json!({"loopbackBind": "Off"})).await;
    withdraw_webhook(&cluster).await;
    let policy = cluster.reconcile("wiki").await.unwrap();
    assert_eq!(condition(&policy, "Injected"), "True/RolloutBlocked");
    assert_eq!(policy.status.unwrap().workloads[0].outdated, 1);
    assert_eq!(mark(&cluster).await.as_ref(), Some(&first));
    serve_webhook(&cluster).await;
    look_until(&cluster, "it begins", |report| report.reason == Some(InjectedReason::RolloutInProgress))
        .await;
    made_anew(&cluster, &new).await;
    all_is_done(&cluster).await;
    assert_ne!(mark(&cluster).await.as_ref(), Some(&first));

    let events = cluster.api::<Event>().list(&ListParams::default()).await.unwrap();
    for kind in ["RestApiAuthPolicy", "StatefulSet"] {
        let is_it = |event: &&Event| {
            event.involved_object.kind.as_deref() == Some(kind)
                && event.reason.as_deref() == Some("RolloutStarted")
        };
        assert!(events.iter().any(|event| is_it(&event)), "{kind}: {:?}", events.items);
    }
    cluster.clean_up().await;
}

#[tokio::test]
async fn what_somebody_takes_back_is_not_begun_again() {
    let cluster = Cluster::new("reverted").await;
    stateful_set(&cluster).await;
    // So that the pod stays as it is.
    change_set(&cluster, json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": 1}}}})).await;
    until(&cluster, |_| true).await;
    ready(&cluster).await;
    cluster.create("wiki", automatic()).await.unwrap();
    cluster.reconcile("wiki").await.unwrap();
    serve_webhook(&cluster).await;
    told(&cluster, "the partition keeps the pod", "keeps pods below partition 1").await;
    assert!(mark(&cluster).await.is_some());

    let gone = json!({names::ANNOTATION_INJECTION_HASH: null});
    change_set(&cluster, json!({"spec": {"template": {"metadata": {"annotations": gone}}}})).await;
    told(&cluster, "it is noticed", "ignoreDifferences: [{group: apps, kind: StatefulSet, name: wiki").await;
    look(&cluster).await;
    assert_eq!(mark(&cluster).await, None);
    cluster.clean_up().await;
}

#[tokio::test]
async fn pods_lose_the_sidecar_when_the_policy_is_deleted() {
    let cluster = Cluster::new("plain").await;
    cluster.create("wiki", automatic()).await.unwrap();
    cluster.reconcile("wiki").await.unwrap();
    serve_webhook(&cluster).await;
    stateful_set(&cluster).await;
    let injected = until(&cluster, |_| true).await;
    assert!(injected.labels().contains_key(names::LABEL_INJECTED));
    ready(&cluster).await;
    cluster.api::<RestApiAuthPolicy>().delete("wiki", &DeleteParams::default()).await.unwrap();

    let begun = async {
        while mark(&cluster).await.is_none() {
            let policy = cluster.reconcile("wiki").await.expect("its pod still has the sidecar");
            assert!(condition(&policy, "Injected").starts_with("False/Rollout"));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.expect("it begins once the webhook is gone");
    assert_eq!(mark(&cluster).await.as_deref(), Some(names::NOTHING_INJECTED));
    let plain = made_anew(&cluster, &injected).await;
    assert!(!plain.labels().contains_key(names::LABEL_INJECTED));
    assert!(cluster.reconcile("wiki").await.is_none(), "nothing holds it");
    assert!(cluster.config_map("wiki").await.is_none() && cluster.keys().await.is_none());
    cluster.clean_up().await;
}
