//! Uses of break-glass, seen by the webhook of the chart and told. Each is done for good here, as a dry run is no use.

mod replica;

use std::time::Duration;

use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingWebhookConfiguration, WebhookClientConfig},
    core::v1::{ConfigMap, Secret},
    events::v1::Event,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};
use restward_operator::webhook::witness::register;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    chart,
    requests::{MISSING, allowed, confluence, injected, merge, programmed, refused, strategic, try_pod},
    support::{Cluster, PATIENCE, operator},
    wiki::Endpoint,
};
use replica::Replica;

fn named(name: &str, app: &str) -> Value {
    confluence(name, json!({"app": app}))
}

#[tokio::test]
async fn each_use_on_a_pod_is_counted_and_told() {
    let replica = Replica::start("seen").await;
    let policy = programmed(&replica.cluster, "wiki").await;
    let whole = |name: &str, app: &str| injected(named(name, app), &policy, &replica.cluster);
    let mut thief = named("thief", "other");
    thief["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": names::KEYS_SECRET}}]);
    let mut forged = whole("forged", "other");
    forged["spec"]["initContainers"][0]["image"] = json!("localhost/evil");

    replica.is_use("KeysExposed", "Pod thief", async || replica.make(&thief).await).await;
    replica.is_use("SidecarForged", "Pod forged", async || replica.make(&forged).await).await;
    let bare = named("bare", "wiki");
    replica.is_use("SidecarMissing", "Pod bare", async || replica.make(&bare).await).await;
    let (good, other) = (whole("good", "wiki"), named("late", "other"));
    replica.is_none("a pod as injected", async || replica.make(&good).await).await;
    replica.is_none("a pod of others", async || replica.make(&other).await).await;

    let late = merge(json!({"metadata": {"labels": {"app": "wiki"}}}));
    replica.is_use("SidecarMissing", "Pod late", async || replica.change(("late", None), &late).await).await;
    let debug =
        strategic(json!({"spec": {"ephemeralContainers": [{"name": "debug", "image": "localhost/none"}]}}));
    let place = ("good", Some("ephemeralcontainers"));
    replica.is_use("EphemeralContainerAdded", "Pod good", async || replica.change(place, &debug).await).await;
    let hash = merge(json!({"metadata": {"annotations": {names::ANNOTATION_INJECTED_HASH: "x"}}}));
    replica
        .is_use("InjectedPodChanged", "Pod good", async || replica.change(("good", None), &hash).await)
        .await;
    let swapped = super::requests::swapped("localhost/evil");
    replica
        .is_use("InjectedPodChanged", "Pod good", async || replica.change(("good", None), &swapped).await)
        .await;
    let unmarked = merge(json!({"metadata": {"labels": {names::LABEL_INJECTED: null}}}));
    let place = ("good", Some("status"));
    replica.is_use("InjectedPodChanged", "Pod good", async || replica.change(place, &unmarked).await).await;

    let seen = merge(json!({"metadata": {"labels": {"seen": "yes"}, "annotations": {"a": "b"}}}));
    replica.is_none("other labels", async || replica.change(("forged", None), &seen).await).await;
    replica.clean_up().await;
}

#[tokio::test]
async fn each_use_on_configuration_keys_and_status_is_counted_and_told() {
    const KIND: &str = "ManagedObjectChanged";
    let replica = Replica::start("objects").await;
    let maps: Api<ConfigMap> = replica.cluster.api();
    let secrets: Api<Secret> = replica.cluster.api();
    let policies: Api<RestApiAuthPolicy> = replica.cluster.api();
    let params = PatchParams::default();

    for value in ["x", "y"] {
        let data = Patch::Merge(json!({"data": {"more": value}}));
        replica
            .is_use(KIND, "ConfigMap restward-wiki", async || {
                maps.patch("restward-wiki", &params, &data).await.map(drop)
            })
            .await;
    }
    let key = Patch::Merge(json!({"data": {"k": "U0VDUkVU"}}));
    replica
        .is_use(KIND, "Secret restward-keys", async || {
            secrets.patch(names::KEYS_SECRET, &params, &key).await.map(drop)
        })
        .await;
    replica
        .is_none("nothing new", async || secrets.patch(names::KEYS_SECRET, &params, &key).await.map(drop))
        .await;
    let evil = Patch::Merge(json!({"status": {"audience": "evil"}}));
    replica
        .is_use(KIND, "RestApiAuthPolicy wiki", async || {
            policies.patch_status("wiki", &params, &evil).await.map(drop)
        })
        .await;
    let note = Patch::Merge(json!({"metadata": {"annotations": {"note": "x"}}}));
    replica
        .is_none("an annotation", async || maps.patch("restward-wiki", &params, &note).await.map(drop))
        .await;
    let restored = json!({"metadata": {"name": "x", "labels": {names::LABEL_MANAGED: "true"}}});
    let restored: ConfigMap = serde_json::from_value(restored).unwrap();
    replica
        .is_use(KIND, "ConfigMap x", async || maps.create(&PostParams::default(), &restored).await.map(drop))
        .await;
    let (gone, only) = (DeleteParams::default(), ListParams::default().fields("metadata.name=x"));
    replica.is_use(KIND, "ConfigMap x", async || maps.delete_collection(&gone, &only).await.map(drop)).await;
    replica
        .is_use(KIND, "ConfigMap restward-wiki", async || {
            maps.delete("restward-wiki", &DeleteParams::default()).await.map(drop)
        })
        .await;
    let foreign: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "theirs"}})).unwrap();
    replica
        .is_none("other ConfigMaps", async || maps.create(&PostParams::default(), &foreign).await.map(drop))
        .await;

    let events: Api<Event> = replica.cluster.api();
    let told = json!(events.list(&ListParams::default()).await.unwrap().items).to_string();
    assert!(!told.contains("U0VDUkVU") && !told.contains("SECRET"), "{told}");
    // Twice the same sentence, on the ConfigMap each time.
    let twice = events.list(&ListParams::default()).await.unwrap();
    let twice = twice.iter().filter(|event| {
        let on = event.regarding.as_ref().and_then(|on| on.name.as_deref());
        on == Some("restward-wiki") && event.note.as_deref().is_some_and(|note| note.contains("(UPDATE of"))
    });
    assert_eq!(twice.count(), 2);
    replica.clean_up().await;
}

#[tokio::test]
async fn what_is_no_use_is_neither_asked_about_nor_told() {
    let replica = Replica::start("unused").await;
    let cluster = &replica.cluster;
    let bare = named("bare", "wiki");
    let before = replica.counts();
    refused("by somebody", MISSING, async || try_pod(&cluster.somebody, &cluster.namespace, &bare).await)
        .await;
    allowed("a dry run", async || try_pod(&cluster.client, &cluster.namespace, &bare).await).await;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.somebody.clone(), &cluster.namespace);
    let data = Patch::Merge(json!({"data": {"more": "x"}}));
    let change = async || maps.patch("restward-wiki", &PatchParams::default(), &data).await;
    refused("by somebody", "are the operator's alone", change).await;
    // The operator's own writes.
    cluster.reconcile("wiki").await.unwrap();
    assert_eq!(replica.counts(), before);
    replica.clean_up().await;
}

#[tokio::test]
async fn without_the_operator_the_glass_breaks_all_the_same() {
    let replica = Replica::start("absent").await;
    let cluster = &replica.cluster;
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client.clone());
    let mut configuration = chart::break_glass(&cluster.namespace, &cluster.namespace);
    for hook in configuration.webhooks.iter_mut().flatten() {
        hook.client_config =
            WebhookClientConfig { url: Some("https://127.0.0.1:1".into()), ..Default::default() };
    }
    let name = &cluster.namespace;
    configuration.metadata.resource_version =
        configurations.get(name).await.unwrap().metadata.resource_version;
    configurations.replace(name, &PostParams::default(), &configuration).await.unwrap();
    let maps: Api<ConfigMap> = cluster.api();
    let unseen = async {
        for number in 0.. {
            let before = replica.counts();
            let map = json!({"metadata": {"name": format!("unseen-{number}"), "labels": {names::LABEL_MANAGED: "true"}}});
            maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap()).await.unwrap();
            if replica.counts() == before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, unseen).await.expect("nobody is asked any more");
    let pod = named("thief", "other");
    allowed("a pod", async || replica.make(&pod).await).await;
    let label = merge(json!({"metadata": {"labels": {"app": "wiki"}}}));
    allowed("a late label", async || replica.change(("thief", None), &label).await).await;
    let bare = named("bare", "wiki");
    refused("by somebody", MISSING, async || try_pod(&cluster.somebody, &cluster.namespace, &bare).await)
        .await;
    replica.clean_up().await;
}

#[tokio::test]
async fn the_operator_fills_in_where_it_is_asked_and_the_chart_leaves_that_alone() {
    let cluster = Cluster::new("register").await;
    let ca = Endpoint::open().await.ca;
    let (authorities, ca_bundle) = watch::channel(Some(ca.clone()));
    let (_paths, secret_path) = watch::channel(Some("0123".to_owned()));
    let name = chart::BREAK_GLASS_WEBHOOK;
    let keep = register::keep(operator(&[]).await, name.into(), ca_bundle, secret_path);
    let keeper = tokio::spawn(keep);
    // The chart comes later, and again as with an upgrade.
    let api: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client.clone());
    let install = async || {
        let chart = chart::break_glass(name, &cluster.namespace);
        let chart = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": chart.metadata, "webhooks": chart.webhooks,
        });
        api.patch(name, &PatchParams::apply("helm"), &Patch::Apply(chart)).await.unwrap()
    };
    let filled_in = |configuration: &ValidatingWebhookConfiguration, ca: &str| {
        configuration.webhooks.iter().flatten().all(|hook| {
            let (config, rule) = (&hook.client_config, hook.name.split('.').next().unwrap());
            let path = config.service.as_ref().and_then(|service| service.path.clone());
            path == Some(format!("/witness/0123/{rule}"))
                && config.ca_bundle.as_ref().is_some_and(|known| known.0 == ca.as_bytes())
        })
    };
    let until = async |ca: &str| {
        let done = async {
            while !filled_in(&api.get(name).await.unwrap(), ca) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE * 2, done).await.expect("it is filled in");
    };
    assert!(!filled_in(&install().await, &ca));
    authorities.send_modify(|_| {});
    until(&ca).await;
    assert!(filled_in(&install().await, &ca), "an upgrade takes nothing away");
    let next = Endpoint::open().await.ca;
    authorities.send(Some(next.clone())).unwrap();
    until(&next).await;
    keeper.abort();
    api.delete(name, &DeleteParams::default()).await.unwrap();
    cluster.clean_up().await;
}
