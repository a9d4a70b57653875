//! What the operator may change of StatefulSets and Deployments.

use std::fmt::Debug;

use k8s_openapi::{
    NamespaceResourceScope,
    api::apps::v1::{Deployment, StatefulSet},
};
use kube::{
    Api, Resource,
    api::{DeleteParams, PatchParams, PostParams},
};
use restward_crds::names;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    requests::{allowed, confluence, merge, refused, strategic},
    support::{Cluster, operator},
};

#[tokio::test]
async fn the_operator_changes_of_workloads_only_the_annotation_that_has_pods_made_anew() {
    let cluster = Cluster::new("workloads").await;
    fenced::<StatefulSet>(
        &cluster,
        json!({"serviceName": "theirs"}),
        json!({"updateStrategy": {"type": "OnDelete", "rollingUpdate": null}}),
    )
    .await;
    fenced::<Deployment>(&cluster, json!({}), json!({"paused": true})).await;
    cluster.clean_up().await;
}

/// Requires it of one kind, whose specification has `more`; `update` is how its pods are replaced.
async fn fenced<K>(cluster: &Cluster, more: Value, update: Value)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    const ONLY: &str = "nothing of a StatefulSet or Deployment but annotation";
    let labels = json!({"app": "theirs"});
    let mut spec = json!({
        "replicas": 0, "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels, "annotations": {"note": "x"}},
            "spec": confluence("", json!({}))["spec"],
        },
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let named = |name: &str| -> K {
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
    };
    cluster.api::<K>().create(&PostParams::default(), &named("theirs")).await.unwrap();

    // With every right of RBAC, so that what stops it is the fence.
    let able: Api<K> = Api::namespaced(operator(&["system:masters"]).await, &cluster.namespace);
    let dry_run = PatchParams { dry_run: true, ..PatchParams::default() };
    let pods = |metadata: Value| json!({"spec": {"template": {"metadata": metadata}}});
    let mark = names::ANNOTATION_INJECTION_HASH;
    let container = json!([{"name": "confluence", "image": "localhost/evil"}]);
    for (what, change) in [
        ("replicas", json!({"spec": {"replicas": 1}})),
        ("the way it updates", json!({"spec": update})),
        ("a member that was not there", json!({"spec": {"minReadySeconds": 5}})),
        ("a label", json!({"metadata": {"labels": {"a": "b"}}})),
        ("its own annotation", json!({"metadata": {"annotations": {mark: "h"}}})),
        ("a finalizer", json!({"metadata": {"finalizers": ["example.com/x"]}})),
        ("a container", json!({"spec": {"template": {"spec": {"containers": container}}}})),
        ("a node", json!({"spec": {"template": {"spec": {"nodeName": "x"}}}})),
        ("a label of its pods", pods(json!({"labels": {"a": "b"}}))),
        ("another annotation of its pods", pods(json!({"annotations": {"other": ""}}))),
        ("another besides", pods(json!({"annotations": {mark: "h", "note": "y"}}))),
        ("one taken away", pods(json!({"annotations": {"note": null}}))),
    ] {
        let patch = strategic(change);
        refused(what, ONLY, async || able.patch("theirs", &dry_run, &patch).await).await;
    }
    let scale = merge(json!({"spec": {"replicas": 1}}));
    refused("the subresource", ONLY, async || able.patch_scale("theirs", &dry_run, &scale).await).await;
    let create = PostParams { dry_run: true, ..PostParams::default() };
    refused("another", ONLY, async || able.create(&create, &named("another")).await).await;
    let gone = DeleteParams { dry_run: true, ..DeleteParams::default() };
    refused("deletion", ONLY, async || able.delete("theirs", &gone).await.map(drop)).await;

    // By the rights that the chart gives.
    let own: Api<K> = Api::namespaced(operator(&[]).await, &cluster.namespace);
    for value in [json!("h"), json!("another"), Value::Null] {
        let patch = merge(pods(json!({"annotations": {mark: value}})));
        allowed("the annotation", async || own.patch("theirs", &PatchParams::default(), &patch).await).await;
    }
}
