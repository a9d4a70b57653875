//! Requests that an admission policy refuses or lets through.

use std::{fmt::Debug, time::Duration};

use k8s_openapi::api::{admissionregistration::v1::MutatingWebhookConfiguration, core::v1::Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use restward_crds::names;
use restward_operator::{
    inject::{self, Decision},
    policy_source::Candidate,
    store,
};
use serde_json::{Value, json};

use super::support::{Cluster, PATIENCE};

/// A Confluence pod that nobody schedules, with these labels.
pub(crate) fn confluence(name: &str, labels: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "schedulerName": "nobody", "automountServiceAccountToken": false,
            "containers": [{
                "name": "confluence", "image": "localhost/none",
                "ports": [{"name": "http", "containerPort": 8090}],
                "env": [{"name": "ATL_TOMCAT_PORT", "value": "8090"}],
            }],
        },
    });
    pod["metadata"]["labels"] = labels;
    pod
}

/// What the webhook would make of the pod for the programmed policy.
pub(crate) fn injected(mut pod: Value, policy: &Candidate, cluster: &Cluster) -> Value {
    match inject::decide(&pod, policy, cluster.sidecar()) {
        Decision::Inject(operations) => json_patch::patch(&mut pod, &operations).unwrap(),
        other => panic!("{other:?}"),
    }
    pod
}

/// A programmed policy `wiki` whose webhook configuration somebody deleted.
pub(crate) async fn without_webhook(cluster: &Cluster, spec: Value) {
    cluster.create("wiki", spec).await.unwrap();
    cluster.reconcile("wiki").await.unwrap();
    remove_webhooks(cluster).await;
}

/// A pod as the webhook of the smallest policy makes it, which is away.
pub(crate) async fn whole(cluster: &Cluster) -> Value {
    without_webhook(cluster, json!({})).await;
    injected(confluence("wiki-0", json!({"app": "wiki"})), &programmed(cluster, "wiki").await, cluster)
}

/// Deletes the webhook configurations of the namespace's policies.
pub(crate) async fn remove_webhooks(cluster: &Cluster) {
    let webhooks: Api<MutatingWebhookConfiguration> = Api::all(cluster.client.clone());
    for webhook in cluster.webhooks().await {
        webhooks.delete(&webhook.name_any(), &DeleteParams::default()).await.unwrap();
    }
}

/// The pod with a change.
pub(crate) fn changed(pod: &Value, change: fn(&mut Value)) -> Value {
    let mut pod = pod.clone();
    change(&mut pod);
    pod
}

/// In the message of the backstop.
pub(crate) const MISSING: &str = "which has no sidecar in front of Confluence";

/// The policy `name` as it is programmed.
pub(crate) async fn programmed(cluster: &Cluster, name: &str) -> Candidate {
    store::candidate(&cluster.config_map(name).await.unwrap()).unwrap()
}

/// As a dry run, so that it can be asked again: whether `client` may create this pod.
pub(crate) async fn try_pod(client: &Client, namespace: &str, pod: &Value) -> Result<Pod, kube::Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    pods.create(&dry_run, &serde_json::from_value(pod.clone()).unwrap()).await
}

/// As a dry run: whether `client` may change this pod so.
pub(crate) async fn try_change(
    client: &Client,
    namespace: &str,
    (name, subresource): (&str, Option<&str>),
    patch: &Patch<Value>,
) -> Result<Pod, kube::Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let dry_run = PatchParams { dry_run: true, ..PatchParams::default() };
    match subresource {
        None => pods.patch(name, &dry_run, patch).await,
        Some(subresource) => pods.patch_subresource(subresource, name, &dry_run, patch).await,
    }
}

/// Requires that the request is refused with `part` in the message. The API server hears of policies, bindings and
/// parameters a moment after they are written, so it is asked until it does.
pub(crate) async fn refused<T: Debug>(
    what: &str,
    part: &str,
    request: impl AsyncFn() -> Result<T, kube::Error>,
) {
    settle(what, async || match request().await {
        Err(kube::Error::Api(status)) if status.message.contains(part) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// Requires that the request is let through, once the API server knows what holds.
pub(crate) async fn allowed<T>(what: &str, request: impl AsyncFn() -> Result<T, kube::Error>) {
    settle(what, async || request().await.map(drop).map_err(|error| error.to_string())).await;
}

async fn settle(what: &str, attempt: impl AsyncFn() -> Result<(), String>) {
    let mut last = String::new();
    let settled = tokio::time::timeout(PATIENCE, async {
        while let Err(seen) = attempt().await {
            last = seen;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    assert!(settled.await.is_ok(), "{what}: {last}");
}

/// A merge patch.
pub(crate) fn merge(patch: Value) -> Patch<Value> {
    Patch::Merge(patch)
}

/// A patch that knows lists by the names of their members, as `kubectl patch` sends.
pub(crate) fn strategic(patch: Value) -> Patch<Value> {
    Patch::Strategic(patch)
}

/// The sidecar with another image.
pub(crate) fn swapped(image: &str) -> Patch<Value> {
    strategic(json!({"spec": {"initContainers": [{"name": names::SIDECAR_CONTAINER, "image": image}]}}))
}
