//! What only the operator may do, and what not even the operator may.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};
use serde_json::{Value, json};

use super::{
    chart::NO_EPHEMERAL_LABEL,
    requests::{
        allowed, confluence, injected, merge, programmed, refused, strategic, swapped, try_change, try_pod,
    },
    support::{Cluster, operator},
};

/// A programmed policy whose webhook selects nothing that the tests make, as it has no backend.
async fn programmed_policy(cluster: &Cluster) -> String {
    let elsewhere = json!({"selector": {"matchLabels": {"app": "later"}}});
    let policy = cluster.create("wiki", elsewhere).await.unwrap();
    cluster.reconcile("wiki").await.unwrap();
    policy.metadata.uid.unwrap()
}

#[tokio::test]
async fn the_keys_are_for_the_sidecar_only() {
    let cluster = Cluster::new("keys").await;
    programmed_policy(&cluster).await;
    let mut policy = programmed(&cluster, "wiki").await;
    let whole = injected(confluence("wiki-0", json!({"app": "other"})), &policy, &cluster);
    let plain = confluence("thief", json!({"app": "other"}));
    let with = |pod: &Value, pointer: &str, value: Value| {
        let mut pod = pod.clone();
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        match pod.pointer_mut(parent).unwrap() {
            Value::Array(members) => members.push(value),
            other => other[member] = value,
        }
        pod
    };
    let volume = |volume: Value| with(&plain, "/spec/volumes", json!([volume]));
    let keys = names::KEYS_SECRET;
    let projected = |name: &str, secret: Value| {
        let sources = json!([{"configMap": {"name": "x"}}, { "secret": secret }]);
        json!({"name": name, "projected": {"sources": sources}})
    };
    let mount = json!({"name": names::CONFIG_VOLUME, "mountPath": "/keys"});
    let another = json!({"name": "more", "image": "localhost/none", "volumeMounts": [mount]});
    let variable = json!([{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": keys, "key": "x"}}}]);
    policy.uid = "99999999-0000-4000-8000-000000000000".into();
    let foreign = injected(confluence("wiki-0", json!({"app": "other"})), &policy, &cluster);
    let slips = [
        ("a volume", volume(json!({"name": "v", "secret": {"secretName": keys}}))),
        ("a projected volume", volume(projected("v", json!({"name": keys})))),
        ("under the sidecar's name", volume(projected(names::CONFIG_VOLUME, json!({"name": keys})))),
        (
            "a driver",
            volume(json!({"name": "v", "csi": {"driver": "d", "nodePublishSecretRef": {"name": keys}}})),
        ),
        (
            "another driver",
            volume(json!({"name": "v", "flexVolume": {"driver": "d/d", "secretRef": {"name": keys}}})),
        ),
        ("a share", volume(json!({"name": "v", "azureFile": {"secretName": keys, "shareName": "s"}}))),
        ("a variable", with(&plain, "/spec/containers/0/env", variable.clone())),
        ("all variables", with(&plain, "/spec/containers/0/envFrom", json!([{"secretRef": {"name": keys}}]))),
        ("a variable of the sidecar", with(&whole, "/spec/initContainers/0/env/-", variable[0].clone())),
        ("a mount in Confluence", with(&whole, "/spec/containers/0/volumeMounts/-", mount.clone())),
        ("a mount in a further container", with(&whole, "/spec/containers/-", another.clone())),
        ("a mount in an init container", with(&whole, "/spec/initContainers/-", another.clone())),
        ("all items", {
            let mut pod = whole.clone();
            let sources = pod["spec"]["volumes"][0]["projected"]["sources"].as_array_mut().unwrap();
            sources.iter_mut().filter(|source| source["secret"].is_object()).for_each(|source| {
                source["secret"]["items"] = Value::Null;
            });
            pod
        }),
        ("another policy's items", {
            let mut pod = foreign;
            pod["metadata"]["labels"] = whole["metadata"]["labels"].clone();
            pod
        }),
    ];
    let message = "is for the container restward-proxy of injected pods only";
    for (what, pod) in slips {
        refused(what, message, async || try_pod(&cluster.somebody, &cluster.namespace, &pod).await).await;
    }
    allowed("the sidecar", async || try_pod(&cluster.somebody, &cluster.namespace, &whole).await).await;

    let pods: Api<Pod> = cluster.api();
    pods.create(&PostParams::default(), &serde_json::from_value(whole).unwrap()).await.unwrap();
    let ephemeral = |more: Value| {
        let mut container = json!({"name": "debug", "image": "localhost/none"});
        container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        strategic(json!({"spec": {"ephemeralContainers": [container]}}))
    };
    let place = ("wiki-0", Some("ephemeralcontainers"));
    let target = json!({"targetContainerName": names::SIDECAR_CONTAINER});
    for more in [json!({"volumeMounts": [mount]}), json!({"env": variable}), target] {
        refused("an ephemeral container", message, async || {
            try_change(&cluster.somebody, &cluster.namespace, place, &ephemeral(more.clone())).await
        })
        .await;
    }
    for more in [json!({}), json!({"targetContainerName": "confluence"})] {
        allowed("an ephemeral container without keys", async || {
            try_change(&cluster.somebody, &cluster.namespace, place, &ephemeral(more.clone())).await
        })
        .await;
    }
    cluster.clean_up().await;
}

#[tokio::test]
async fn containers_are_added_to_protected_pods_by_nobody_where_the_chart_says_so() {
    let cluster = Cluster::new("ephemeral").await;
    programmed_policy(&cluster).await;
    let policy = programmed(&cluster, "wiki").await;
    let whole = injected(confluence("wiki-0", json!({"app": "other"})), &policy, &cluster);
    let plain = confluence("other-0", json!({"app": "other"}));
    let pods: Api<Pod> = cluster.api();
    for pod in [whole, plain] {
        pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    }
    let debug = json!({"name": "debug", "image": "localhost/none"});
    let added = strategic(json!({"spec": {"ephemeralContainers": [debug]}}));
    let try_as = async |client: &Client, pod: &str| {
        try_change(client, &cluster.namespace, (pod, Some("ephemeralcontainers")), &added).await
    };
    allowed("without the chart's word", async || try_as(&cluster.somebody, "wiki-0").await).await;

    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let label = Patch::Merge(json!({"metadata": {"labels": {NO_EPHEMERAL_LABEL: "true"}}}));
    namespaces.patch(&cluster.namespace, &PatchParams::default(), &label).await.unwrap();
    let message = "protectedPods.ephemeralContainers is Deny";
    refused("in a protected pod", message, async || try_as(&cluster.somebody, "wiki-0").await).await;
    allowed("in another pod", async || try_as(&cluster.somebody, "other-0").await).await;
    allowed("by a group that breaks glass", async || try_as(&cluster.client, "wiki-0").await).await;
    cluster.clean_up().await;
}

#[tokio::test]
async fn configuration_and_keys_are_changed_by_the_operator_only() {
    const ALONE: &str = "are the operator's alone";
    let cluster = Cluster::new("managed").await;
    programmed_policy(&cluster).await;
    let (maps, secrets) = (mine::<ConfigMap>(&cluster), mine::<Secret>(&cluster));
    let dry_run = PatchParams { dry_run: true, ..PatchParams::default() };
    let data = Patch::Merge(json!({"data": {"config.json": "e30="}}));
    let unlabelled = Patch::Merge(json!({"metadata": {"labels": {names::LABEL_MANAGED: null}}}));
    let frozen = Patch::Merge(json!({"immutable": true}));
    for (what, patch) in [("data", &data), ("labels", &unlabelled), ("immutable", &frozen)] {
        refused(what, ALONE, async || maps.patch("restward-wiki", &dry_run, patch).await).await;
        refused(what, ALONE, async || secrets.patch(names::KEYS_SECRET, &dry_run, patch).await).await;
    }
    let policies = mine::<RestApiAuthPolicy>(&cluster);
    let evil = Patch::Merge(json!({"status": {"inForce": {"sidecarImage": "localhost/evil"}}}));
    refused("status", ALONE, async || policies.patch_status("wiki", &dry_run, &evil).await).await;
    let gone = DeleteParams { dry_run: true, ..DeleteParams::default() };
    refused("deletion", ALONE, async || maps.delete("restward-wiki", &gone).await.map(drop)).await;
    refused("deletion", ALONE, async || secrets.delete(names::KEYS_SECRET, &gone).await.map(drop)).await;
    let all = ListParams::default();
    refused("all at once", ALONE, async || maps.delete_collection(&gone, &all).await.map(drop)).await;

    let create = PostParams { dry_run: true, ..PostParams::default() };
    let forged: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "x", "labels": {names::LABEL_MANAGED: "true"}}}))
            .unwrap();
    refused("a forged policy", ALONE, async || maps.create(&create, &forged).await).await;
    // Without the label, and before the operator makes it: it would be filled with keys that somebody knows.
    let empty = Cluster::new("prepared").await;
    let prepared: Secret = serde_json::from_value(json!({"metadata": {"name": names::KEYS_SECRET}})).unwrap();
    refused("prepared keys", ALONE, async || mine(&empty).create(&create, &prepared).await).await;
    empty.clean_up().await;

    let note =
        Patch::Merge(json!({"metadata": {"annotations": {"note": "x"}, "finalizers": ["example.com/x"]}}));
    allowed("annotations and finalizers", async || maps.patch("restward-wiki", &dry_run, &note).await).await;
    let other: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "other"}})).unwrap();
    allowed("other ConfigMaps", async || maps.create(&create, &other).await).await;
    let broken = Api::<ConfigMap>::namespaced(cluster.client.clone(), &cluster.namespace);
    allowed("the glass is broken", async || broken.patch("restward-wiki", &dry_run, &data).await).await;
    cluster.clean_up().await;
}

/// As somebody who has every right but no exception.
fn mine<K>(cluster: &Cluster) -> Api<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(cluster.somebody.clone(), &cluster.namespace)
}

#[tokio::test]
async fn the_operator_changes_in_pods_only_what_is_its_own() {
    let cluster = Cluster::new("rails").await;
    programmed_policy(&cluster).await;
    let policy = programmed(&cluster, "wiki").await;
    let pod = injected(confluence("wiki-0", json!({"app": "other"})), &policy, &cluster);
    let pods: Api<Pod> = cluster.api();
    let stored: Pod = serde_json::from_value(pod.clone()).unwrap();
    allowed("the pod is made", async || pods.create(&PostParams::default(), &stored).await).await;

    // With every right of RBAC, so that what stops it is the fence.
    let operator: Client = operator(&["system:masters"]).await;
    let namespace = &cluster.namespace;
    let own: Api<Pod> = Api::namespaced(operator.clone(), namespace);
    let mut fresh = stored.clone();
    fresh.metadata.name = Some("wiki-1".into());
    refused("a pod", "as a dry run only", async || own.create(&PostParams::default(), &fresh).await).await;
    allowed("a dry run", async || try_pod(&operator, namespace, &pod_named(&pod, "wiki-1")).await).await;
    let gone = DeleteParams { dry_run: true, ..DeleteParams::default() };
    refused("a deletion", "neither delete pods", async || own.delete("wiki-0", &gone).await.map(drop)).await;

    let metadata = |change: Value| merge(json!({ "metadata": change }));
    let spec = |change: Value| strategic(json!({ "spec": change }));
    for (what, patch) in [
        ("a label", metadata(json!({"labels": {"a": "b"}}))),
        ("a finalizer", metadata(json!({"finalizers": ["example.com/x"]}))),
        (
            "Confluence's image",
            spec(json!({"containers": [{"name": "confluence", "image": "localhost/evil"}]})),
        ),
        ("a toleration", spec(json!({"tolerations": [{"key": "x", "operator": "Exists"}]}))),
        ("a deadline", spec(json!({"activeDeadlineSeconds": 1}))),
    ] {
        refused(what, "nothing of a pod but its annotations", async || {
            try_change(&operator, namespace, ("wiki-0", None), &patch).await
        })
        .await;
    }
    for (what, patch) in [
        ("an annotation", metadata(json!({"annotations": {names::ANNOTATION_CONFIG_HASH: "x"}}))),
        ("the sidecar's image", swapped("localhost/none:2")),
    ] {
        allowed(what, async || try_change(&operator, namespace, ("wiki-0", None), &patch).await).await;
    }
    cluster.clean_up().await;
}

fn pod_named(pod: &Value, name: &str) -> Value {
    let mut pod = pod.clone();
    pod["metadata"]["name"] = json!(name);
    pod
}

#[tokio::test]
async fn the_operator_touches_no_configmap_or_secret_but_its_own() {
    const OWN: &str = "no ConfigMap or Secret but its own";
    let cluster = Cluster::new("foreign").await;
    let foreign: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "theirs"}, "data": {"a": "b"}})).unwrap();
    cluster.api().create(&PostParams::default(), &foreign).await.unwrap();
    let secret: Secret = serde_json::from_value(json!({"metadata": {"name": "theirs"}})).unwrap();
    cluster.api().create(&PostParams::default(), &secret).await.unwrap();

    let operator = operator(&["system:masters"]).await;
    let maps: Api<ConfigMap> = Api::namespaced(operator.clone(), &cluster.namespace);
    let secrets: Api<Secret> = Api::namespaced(operator, &cluster.namespace);
    let dry_run = PatchParams { dry_run: true, ..PatchParams::default() };
    let gone = DeleteParams { dry_run: true, ..DeleteParams::default() };
    // Labelling it makes it no less theirs.
    let taken =
        Patch::Merge(json!({"metadata": {"labels": {names::LABEL_MANAGED: "true"}}, "data": {"a": "c"}}));
    refused("a change", OWN, async || maps.patch("theirs", &dry_run, &taken).await).await;
    refused("a deletion", OWN, async || maps.delete("theirs", &gone).await.map(drop)).await;
    refused("a Secret", OWN, async || secrets.delete("theirs", &gone).await.map(drop)).await;
    let create = PostParams { dry_run: true, ..PostParams::default() };
    let unlabelled: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "x"}})).unwrap();
    refused("a ConfigMap without the label", OWN, async || maps.create(&create, &unlabelled).await).await;
    cluster.clean_up().await;
}
