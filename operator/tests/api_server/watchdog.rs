//! The watchdog: a pod of a StatefulSet from before the policy, on a real API server with its controllers. The API server must
//! reach this machine's loopback, where the webhook of these tests listens, as `tests/cluster` does.

use std::time::{Duration, Instant};

use k8s_openapi::api::{
    core::v1::{Event, Pod},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};
use restward_operator::{
    args::WatchdogAction,
    controller::{break_glass, census, dereference, watchdog::Watchdog},
};
use serde_json::json;

use super::{
    support::{Cluster, PATIENCE, operator},
    wiki::{ready, serve_webhook, stateful_set, until},
};

/// A StatefulSet from before the policy, whose pod `wiki-0` nobody schedules; then the policy, programmed.
async fn old_pod(cluster: &Cluster) -> Pod {
    stateful_set(cluster).await;
    let pod = until(cluster, |_| true).await;
    cluster.create("wiki", json!({})).await.unwrap();
    cluster.reconcile("wiki").await.unwrap();
    pod
}

/// One look by a watchdog that may act at once.
async fn look(cluster: &Cluster, action: WatchdogAction) -> Option<String> {
    let client = operator(&[]).await;
    let a_while_ago = Instant::now().checked_sub(Duration::from_mins(2)).unwrap();
    let watchdog = Watchdog::new(action, client.clone(), a_while_ago);
    let policy = cluster.api::<RestApiAuthPolicy>().get("wiki").await.unwrap();
    let observed = dereference::dereference(&client, &policy).await.unwrap();
    let programmed = observed.programmed.clone().expect("the policy is programmed");
    let since = break_glass::in_force_since(&policy);
    let census = census::census(&programmed.candidate, &observed, cluster.sidecar(), since);
    watchdog.round(cluster.context(), &policy, &census, &observed.templates, programmed.since).await
}

async fn told(cluster: &Cluster, reason: &str, part: &str) {
    let events: Api<Event> = cluster.api();
    let events = events.list(&ListParams::default()).await.unwrap();
    let told: Vec<_> = events.iter().filter(|event| event.reason.as_deref() == Some(reason)).collect();
    let is_it = |note: &str| note.starts_with("pod wiki-0 ") && note.contains(part);
    assert!(told.iter().any(|event| event.message.as_deref().is_some_and(is_it)), "{reason}: {told:?}");
}

fn tried(cluster: &Cluster, result: &str) -> bool {
    let series = format!(
        "restward_operator_watchdog_evictions_total{{namespace=\"{}\",policy=\"wiki\",result=\"{result}\"}} 1",
        cluster.namespace
    );
    cluster.metrics().contains(&series)
}

#[tokio::test]
async fn a_pod_from_before_the_policy_is_evicted_when_its_replacement_is_injected() {
    let cluster = Cluster::new("evict").await;
    let old = old_pod(&cluster).await;
    let uid = cluster.api::<RestApiAuthPolicy>().get("wiki").await.unwrap().uid().unwrap();
    let is_old = |pod: &Pod| pod.uid() == old.uid();

    let said = look(&cluster, WatchdogAction::Evict).await.unwrap();
    assert!(said.contains("pod wiki-0 is not evicted (NotInjected)"), "nobody serves the webhook: {said}");
    until(&cluster, is_old).await;
    told(&cluster, "PodNotEvicted", "dry run").await;
    assert!(tried(&cluster, "NotInjected"), "{}", cluster.metrics());

    serve_webhook(&cluster).await;
    assert_eq!(look(&cluster, WatchdogAction::Report).await, None);
    until(&cluster, is_old).await;

    assert_eq!(look(&cluster, WatchdogAction::Evict).await.unwrap(), "watchdog: pod wiki-0 was evicted");
    let new = until(&cluster, |pod| !is_old(pod)).await;
    assert_eq!(new.labels().get(names::LABEL_INJECTED), Some(&uid));
    told(&cluster, "PodEvicted", "StatefulSet wiki makes it anew").await;
    assert!(tried(&cluster, "Evicted"), "{}", cluster.metrics());
    assert_eq!(look(&cluster, WatchdogAction::Evict).await, None, "nothing is left to do");
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_disruption_budget_keeps_the_pod_and_is_told() {
    let cluster = Cluster::new("budget").await;
    let old = old_pod(&cluster).await;
    let is_old = |pod: &Pod| pod.uid() == old.uid();
    serve_webhook(&cluster).await;
    let budgets: Api<PodDisruptionBudget> = cluster.api();
    let budget = serde_json::from_value(json!({
        "metadata": {"name": "wiki"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "wiki"}}},
    }))
    .unwrap();
    budgets.create(&PostParams::default(), &budget).await.unwrap();
    // Budgets hold for pods that run.
    ready(&cluster).await;

    let said = look(&cluster, WatchdogAction::Evict).await.unwrap();
    assert!(said.contains("pod wiki-0 is not evicted (DisruptionBudget)"), "{said}");
    until(&cluster, is_old).await;
    told(&cluster, "PodNotEvicted", "its PodDisruptionBudget forbids it").await;

    budgets.delete("wiki", &DeleteParams::default()).await.unwrap();
    let evicted = async {
        while look(&cluster, WatchdogAction::Evict).await.as_deref()
            != Some("watchdog: pod wiki-0 was evicted")
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, evicted).await.expect("without the budget it goes");
    until(&cluster, |pod| !is_old(pod)).await;
    cluster.clean_up().await;
}
