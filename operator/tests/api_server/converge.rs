//! Policies that compete for pods, selectors that change and workloads that go: it all comes to an end, and nothing is left.

use k8s_openapi::{
    api::{
        apps::v1::StatefulSet,
        core::v1::{ConfigMap, Pod, Secret},
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};
use restward_operator::policy_source::FILE_CANDIDATE;
use serde_json::{Value, json};

use super::{
    support::{Cluster, PATIENCE, condition},
    wiki::{stateful_set, until},
};

fn selecting(app: &str) -> Value {
    json!({"selector": {"matchLabels": {"app": app}}})
}

fn selector(app: &str) -> LabelSelector {
    serde_json::from_value(json!({"matchLabels": {"app": app}})).unwrap()
}

/// Creates a policy that selects `app`, and gives its UID.
async fn create(cluster: &Cluster, name: &str, app: &str) -> String {
    cluster.create(name, selecting(app)).await.unwrap().uid().unwrap()
}

async fn delete<K>(cluster: &Cluster, name: &str)
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug,
{
    cluster.api::<K>().delete(name, &DeleteParams::background()).await.unwrap();
}

/// A pod from before all policies: their webhooks have no backend here. Nobody injected it yet.
async fn old_pod(cluster: &Cluster, name: &str, app: &str) {
    cluster.injected_pod(name, "nobody").await;
    label(cluster, name, json!({"app": app})).await;
}

/// Changes the labels of a pod, such as who injected it.
async fn label(cluster: &Cluster, pod: &str, labels: Value) {
    let pods: Api<Pod> = cluster.api();
    let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
    pods.patch(pod, &PatchParams::default(), &patch).await.unwrap();
}

async fn injected_by(cluster: &Cluster, pod: &str, uid: &str) {
    label(cluster, pod, json!({names::LABEL_INJECTED: uid})).await;
}

/// Reconciles, and gives what `Accepted` says.
async fn accepted(cluster: &Cluster, name: &str) -> String {
    condition(&cluster.reconcile(name).await.unwrap(), "Accepted")
}

/// What the webhook configurations and the bindings select, by the policy that they were made for.
async fn selected(cluster: &Cluster, uid: &str) -> (LabelSelector, LabelSelector) {
    let is_its = |labels: &std::collections::BTreeMap<String, String>| {
        labels.get(names::LABEL_POLICY).is_some_and(|of| of == uid)
    };
    let webhook = cluster.webhooks().await.into_iter().find(|object| is_its(object.labels())).unwrap();
    let binding = cluster.bindings().await.into_iter().find(|object| is_its(object.labels())).unwrap();
    let of_webhook = webhook.webhooks.unwrap()[0].object_selector.clone().unwrap();
    (of_webhook, binding.spec.unwrap().match_resources.unwrap().object_selector.unwrap())
}

/// Nothing of any policy is left.
async fn nothing_is_left(cluster: &Cluster) {
    assert!(cluster.webhooks().await.is_empty() && cluster.bindings().await.is_empty());
    let ours = kube::api::ListParams::default().labels("restward.io/managed=true");
    assert!(cluster.api::<ConfigMap>().list(&ours).await.unwrap().items.is_empty());
    assert!(cluster.api::<Secret>().list(&ours).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn what_an_older_policy_won_goes_to_the_younger_when_the_older_is_deleted() {
    let cluster = Cluster::new("heir").await;
    old_pod(&cluster, "wiki-0", "wiki").await;
    let first = create(&cluster, "first", "wiki").await;
    assert_eq!(accepted(&cluster, "first").await, "True/Accepted");
    injected_by(&cluster, "wiki-0", &first).await;
    create(&cluster, "second", "wiki").await;
    assert_eq!(accepted(&cluster, "second").await, "False/Conflicted");

    delete::<RestApiAuthPolicy>(&cluster, "first").await;
    cluster.reconcile("first").await.expect("its pod holds it");
    let kept = cluster.config_map("first").await.unwrap().data.unwrap();
    assert!(kept.contains_key(names::FILE_CONFIG), "the pod mounts it");
    assert!(!kept.contains_key(FILE_CANDIDATE), "no new pod is injected for it");
    assert_eq!(accepted(&cluster, "second").await, "True/Accepted");
    assert_eq!((cluster.webhooks().await.len(), cluster.bindings().await.len()), (1, 1));

    cluster.delete_pod("wiki-0").await;
    assert!(cluster.reconcile("first").await.is_none());
    assert!(cluster.config_map("first").await.is_none() && cluster.config_map("second").await.is_some());
    delete::<RestApiAuthPolicy>(&cluster, "second").await;
    assert!(cluster.reconcile("second").await.is_none());
    nothing_is_left(&cluster).await;
    cluster.clean_up().await;
}

#[tokio::test]
async fn two_policies_swap_their_selectors_in_whatever_order() {
    for order in [["a", "b"], ["b", "a"]] {
        let cluster = Cluster::new("swap").await;
        old_pod(&cluster, "a-0", "a").await;
        old_pod(&cluster, "b-0", "b").await;
        let (a, b) = (create(&cluster, "a", "a").await, create(&cluster, "b", "b").await);
        for name in order {
            assert_eq!(accepted(&cluster, name).await, "True/Accepted");
        }
        injected_by(&cluster, "a-0", &a).await;
        injected_by(&cluster, "b-0", &b).await;

        cluster.edit("a", selecting("b")).await;
        cluster.edit("b", selecting("a")).await;
        // The watches bring every policy again when a neighbour's ConfigMap changes.
        for name in order.iter().chain(&order) {
            cluster.reconcile(name).await.unwrap();
        }
        for (name, uid, app) in [("a", &a, "b"), ("b", &b, "a")] {
            assert_eq!(accepted(&cluster, name).await, "True/Accepted", "{name} of {order:?}");
            assert_eq!(selected(&cluster, uid).await, (selector(app), selector(app)));
        }
        assert_eq!((cluster.webhooks().await.len(), cluster.bindings().await.len()), (2, 2));

        for name in order {
            delete::<RestApiAuthPolicy>(&cluster, name).await;
            cluster.reconcile(name).await.expect("the pod that it injected holds it");
        }
        for pod in ["a-0", "b-0"] {
            cluster.delete_pod(pod).await;
        }
        for name in order {
            assert!(cluster.reconcile(name).await.is_none(), "{name} of {order:?}");
        }
        nothing_is_left(&cluster).await;
        cluster.clean_up().await;
    }
}

#[tokio::test]
async fn a_changed_selector_moves_everything_and_keeps_the_pods_that_were_injected() {
    let cluster = Cluster::new("selector").await;
    old_pod(&cluster, "old-0", "old").await;
    let uid = create(&cluster, "wiki", "old").await;
    cluster.reconcile("wiki").await.unwrap();
    injected_by(&cluster, "old-0", &uid).await;
    cluster.edit("wiki", selecting("new")).await;
    let policy = cluster.reconcile("wiki").await.unwrap();
    assert_eq!(selected(&cluster, &uid).await, (selector("new"), selector("new")));
    let status = policy.status.unwrap();
    assert_eq!(status.in_force.unwrap().selector, selector("new"));
    assert_eq!(status.pods.as_deref(), Some("1/1"), "the pod that it injected still counts");
    let mark = cluster.api::<Pod>().get("old-0").await.unwrap();
    assert!(mark.annotations().contains_key(names::ANNOTATION_CONFIG_HASH), "and gets its changes");

    delete::<RestApiAuthPolicy>(&cluster, "wiki").await;
    cluster.reconcile("wiki").await.expect("and holds it");
    cluster.delete_pod("old-0").await;
    assert!(cluster.reconcile("wiki").await.is_none());
    nothing_is_left(&cluster).await;
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_workload_that_is_deleted_leaves_a_policy_without_pods_that_can_go() {
    let cluster = Cluster::new("workloadgone").await;
    stateful_set(&cluster).await;
    until(&cluster, |_| true).await;
    let uid = create(&cluster, "wiki", "wiki").await;
    let policy = cluster.reconcile("wiki").await.unwrap();
    assert_eq!(policy.status.unwrap().workloads[0].name, "wiki");
    injected_by(&cluster, "wiki-0", &uid).await;
    delete::<StatefulSet>(&cluster, "wiki").await;
    let gone = async {
        while cluster.api::<Pod>().get_opt("wiki-0").await.unwrap().is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("its pod goes");
    let policy = cluster.reconcile("wiki").await.unwrap();
    assert_eq!(condition(&policy, "Injected"), "False/NoPods");
    assert!(policy.status.unwrap().workloads.is_empty());
    delete::<RestApiAuthPolicy>(&cluster, "wiki").await;
    assert!(cluster.reconcile("wiki").await.is_none());
    nothing_is_left(&cluster).await;
    cluster.clean_up().await;
}
