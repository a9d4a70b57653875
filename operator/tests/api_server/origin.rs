//! Tomcat's `server.xml` from the official chart's ConfigMap: derived before a pod needs it, kept while one does.

use k8s_openapi::api::{
    admissionregistration::v1::MutatingWebhookConfiguration,
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PatchParams, PostParams},
};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};
use restward_operator::{
    inject::{self, Decision, RefusalReason},
    server_xml::{self, Outcome},
};
use serde_json::{Value, json};

use super::{
    requests::{allowed, confluence, injected, merge, programmed, refused, try_pod},
    support::{Cluster, condition},
};

const SERVER_XML: &str = include_str!("../../src/server_xml/testdata/chart.xml");

/// A pod as the chart makes it with `openshift.runWithRestrictedSCC`.
fn restricted(name: &str) -> Value {
    let mut pod = confluence(name, json!({"app": "wiki"}));
    let spec = &mut pod["spec"];
    spec["securityContext"] =
        json!({"runAsNonRoot": true, "runAsUser": 2002, "seccompProfile": {"type": "RuntimeDefault"}});
    spec["containers"][0]["securityContext"] =
        json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    spec["containers"][0]["volumeMounts"] = json!([{"name": "server-xml", "subPath": "server.xml",
        "mountPath": "/opt/atlassian/confluence/conf/server.xml"}]);
    spec["volumes"] = json!([{"name": "server-xml", "configMap": {"name": "wiki-server-config",
        "items": [{"key": "server.xml", "path": "server.xml"}]}}]);
    pod
}

/// A StatefulSet of such pods without replicas, so that only its template is there.
async fn install(cluster: &Cluster, server_xml: &str) {
    let sets: Api<StatefulSet> = cluster.api();
    let pod = restricted("wiki-0");
    let set = json!({"metadata": {"name": "wiki"}, "spec": {
        "replicas": 0, "serviceName": "wiki", "selector": {"matchLabels": {"app": "wiki"}},
        "template": {"metadata": {"labels": {"app": "wiki"}}, "spec": pod["spec"]},
    }});
    let set: StatefulSet = serde_json::from_value(set).unwrap();
    sets.create(&PostParams::default(), &set).await.unwrap();
    let map: ConfigMap = serde_json::from_value(
        json!({"metadata": {"name": "wiki-server-config"}, "data": {"server.xml": server_xml}}),
    )
    .unwrap();
    cluster.api::<ConfigMap>().create(&PostParams::default(), &map).await.unwrap();
}

/// Reconciles, and takes the webhook away, which has no backend here.
async fn reconcile(cluster: &Cluster) -> RestApiAuthPolicy {
    let policy = cluster.reconcile("wiki").await.unwrap();
    let webhooks: Api<MutatingWebhookConfiguration> = Api::all(cluster.client.clone());
    for webhook in cluster.webhooks().await {
        webhooks.delete(&webhook.name_any(), &DeleteParams::default()).await.unwrap();
    }
    policy
}

async fn change(cluster: &Cluster, server_xml: &str) {
    let patch = merge(json!({"data": {"server.xml": server_xml}}));
    let maps: Api<ConfigMap> = cluster.api();
    maps.patch("wiki-server-config", &PatchParams::default(), &patch).await.unwrap();
}

async fn files(cluster: &Cluster) -> Vec<String> {
    let data = cluster.config_map("wiki").await.unwrap().data.unwrap();
    data.into_keys().filter(|key| server_xml::is_derived(key)).collect()
}

#[tokio::test]
async fn the_charts_server_xml_is_derived_and_a_running_pod_keeps_its_own() {
    let cluster = Cluster::new("origin").await;
    install(&cluster, SERVER_XML).await;
    cluster.create("wiki", json!({})).await.unwrap();
    let policy = reconcile(&cluster).await;
    assert_eq!(condition(&policy, "Injected"), "False/NoPods");

    let candidate = programmed(&cluster, "wiki").await;
    // Not a name that the StatefulSet would adopt, and remove as one too many.
    let whole = injected(restricted("by-hand"), &candidate, &cluster);
    let file = inject::server_xml_file(&whole).unwrap().to_owned();
    let map = cluster.config_map("wiki").await.unwrap().data.unwrap();
    assert!(
        map[&file].contains("port=\"18090\"") && map[&file].contains("address=\"127.0.0.1\""),
        "{}",
        map[&file]
    );
    allowed("the injected pod", async || try_pod(&cluster.somebody, &cluster.namespace, &whole).await).await;

    let mut theirs = whole.clone();
    theirs["spec"]["containers"][0]["volumeMounts"][0]["name"] = json!("server-xml");
    refused(
        "the chart's own server.xml behind a sidecar",
        "which has no sidecar in front of Confluence",
        async || try_pod(&cluster.somebody, &cluster.namespace, &theirs).await,
    )
    .await;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.somebody.clone(), &cluster.namespace);
    let edit = merge(json!({"data": {&file: SERVER_XML}}));
    refused("an edit of the derived file", "are the operator's alone", async || {
        maps.patch("restward-wiki", &PatchParams { dry_run: true, ..PatchParams::default() }, &edit).await
    })
    .await;

    let pods: Api<Pod> = cluster.api();
    let pod = serde_json::from_value(whole).unwrap();
    allowed("the pod is made", async || pods.create(&PostParams::default(), &pod).await).await;
    change(&cluster, &SERVER_XML.replace("maxThreads=\"100\"", "maxThreads=\"48\"")).await;
    reconcile(&cluster).await;
    let policy = reconcile(&cluster).await;
    assert_eq!(files(&cluster).await.len(), 2, "the pod mounts one, the next pod the other");
    let advisories = policy.status.unwrap().advisories;
    assert!(advisories.iter().any(|told| told.starts_with("ServerXmlChanged: ")), "{advisories:?}");
    cluster.delete_pod("by-hand").await;
    reconcile(&cluster).await;
    let left = files(&cluster).await;
    assert!(left.len() == 1 && left[0] != file, "{left:?}");
    cluster.clean_up().await;
}

#[tokio::test]
async fn the_derived_server_xml_follows_the_policy_to_a_unix_socket() {
    let cluster = Cluster::new("origin-socket").await;
    install(&cluster, SERVER_XML).await;
    cluster.create("wiki", json!({"interception": "UnixSocket"})).await.unwrap();
    reconcile(&cluster).await;
    let candidate = programmed(&cluster, "wiki").await;
    let mut pod = restricted("by-hand");
    pod["spec"]["securityContext"]["fsGroup"] = json!(2002);
    let whole = injected(pod, &candidate, &cluster);
    let file = inject::server_xml_file(&whole).unwrap();
    let map = cluster.config_map("wiki").await.unwrap().data.unwrap();
    assert!(map[file].contains(names::SOCKET), "{}", map[file]);
    allowed("the injected pod", async || try_pod(&cluster.somebody, &cluster.namespace, &whole).await).await;

    cluster.edit("wiki", json!({"interception": "Port"})).await;
    reconcile(&cluster).await;
    let left = files(&cluster).await;
    assert!(left.iter().any(|now| now != file), "{left:?}");
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_server_xml_that_is_not_there_or_not_safe_lets_no_pod_through() {
    let cluster = Cluster::new("origin-bad").await;
    cluster.create("wiki", json!({})).await.unwrap();
    reconcile(&cluster).await;
    let decide = async || {
        inject::decide(&restricted("wiki-0"), &programmed(&cluster, "wiki").await, cluster.sidecar())
    };
    assert!(
        matches!(decide().await, Decision::Refuse(refusal) if refusal.reason == RefusalReason::ServerXmlPending)
    );
    install(&cluster, &SERVER_XML.replace("<Engine", "<Connector port=\"8093\"/><Engine")).await;
    let policy = reconcile(&cluster).await;
    assert_eq!(condition(&policy, "Injected"), "False/InjectionRefused");
    assert!(
        matches!(&programmed(&cluster, "wiki").await.server_xml[0].outcome, Outcome::Refused(why) if why.contains("8093"))
    );
    assert!(
        matches!(decide().await, Decision::Refuse(refusal) if refusal.reason == RefusalReason::ServerXml)
    );
    change(&cluster, SERVER_XML).await;
    reconcile(&cluster).await;
    assert!(matches!(decide().await, Decision::Inject(_)));
    cluster.clean_up().await;
}
