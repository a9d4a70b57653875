//! What a policy makes in the cluster, in which order, and what it never does.

use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Pod, Secret};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use restward_crds::{names, sidecar::parse};
use restward_operator::keys::{PolicyKeys, sha256_hex};
use serde_json::{Value, json};

use super::support::{Cluster, condition};

/// Revisions of etcd count every write of the cluster, so they tell the order.
fn revision(object: &impl Resource) -> u64 {
    object.meta().resource_version.as_deref().unwrap().parse().unwrap()
}

#[tokio::test]
async fn keys_and_configuration_exist_before_the_webhook_and_are_what_the_sidecar_reads() {
    let cluster = Cluster::new("order").await;
    let uid = cluster.create("wiki", json!({})).await.unwrap().uid().unwrap();
    let policy = cluster.reconcile("wiki").await.unwrap();
    assert_eq!(condition(&policy, "Accepted"), "True/Accepted");
    assert_eq!(condition(&policy, "Programmed"), "True/Programmed");
    assert_eq!(condition(&policy, "Injected"), "False/NoPods");
    assert_eq!(condition(&policy, "IdentityProviderReachable"), "False/Unreachable");
    assert_eq!(condition(&policy, "Enforced"), "Unknown/Pending");
    assert_eq!(condition(&policy, "UpstreamTrusted"), "Unknown/Pending");
    assert_eq!(condition(&policy, "Ready"), "False/NoPods");

    let (keys, map) = (cluster.keys().await.unwrap(), cluster.config_map("wiki").await.unwrap());
    let webhooks = cluster.webhooks().await;
    assert_eq!(webhooks.len(), 1);
    assert!(revision(&keys) < revision(&map) && revision(&map) < revision(&webhooks[0]));
    let bindings = cluster.bindings().await;
    assert_eq!(bindings.len(), 1);
    assert!(revision(&webhooks[0]) < revision(&bindings[0]), "what is not injected yet is not refused yet");

    let config = &map.data.as_ref().unwrap()[names::FILE_CONFIG];
    assert_eq!(parse::from_json(config.as_bytes()).unwrap().policy.uid, uid);
    let item = |item: String| String::from_utf8(keys.data.as_ref().unwrap()[&item].0.clone()).unwrap();
    let stored =
        PolicyKeys::from_stored(&item(format!("{uid}.consumer-key.pem")), &item(format!("{uid}.status-key")));
    let link = policy.status.unwrap().application_link.unwrap();
    assert_eq!(stored.unwrap().public_key().pem, link.public_key);
    cluster.clean_up().await;
}

#[tokio::test]
async fn reconciling_again_writes_nothing() {
    let cluster = Cluster::new("quiet").await;
    cluster.create("wiki", json!({})).await.unwrap();
    cluster.reconcile("wiki").await.unwrap();
    let all = async || {
        let policy = cluster.reconcile("wiki").await.unwrap();
        let (keys, map) = (cluster.keys().await.unwrap(), cluster.config_map("wiki").await.unwrap());
        let (webhooks, bindings) = (cluster.webhooks().await, cluster.bindings().await);
        [revision(&policy), revision(&keys), revision(&map), revision(&webhooks[0]), revision(&bindings[0])]
    };
    assert_eq!(all().await, all().await);
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_policy_with_pods_that_has_not_changed_costs_a_few_reads_and_no_write() {
    let cluster = Cluster::new("still").await;
    let uid = cluster.create("wiki", json!({})).await.unwrap().uid().unwrap();
    cluster.reconcile("wiki").await.unwrap();
    // The webhook has no backend here: what it would do is done by hand, under labels that it does not match.
    cluster.edit("wiki", json!({"selector": {"matchLabels": {"app": "later"}}})).await;
    cluster.reconcile("wiki").await.unwrap();
    for pod in ["wiki-0", "wiki-1", "wiki-2"] {
        cluster.injected_pod(pod, &uid).await;
    }
    cluster.reconcile("wiki").await.unwrap();
    let began = cluster.asked();
    assert!(began.iter().any(|request| request.starts_with("PATCH")), "they are counted: {began:#?}");
    let about = ListParams::default().fields("involvedObject.kind=RestApiAuthPolicy");
    let events = async || cluster.api::<Event>().list(&about).await.unwrap().items.len();
    let told = events().await;

    let before = cluster.reconcile("wiki").await.unwrap();
    cluster.asked();
    let after = cluster.reconcile("wiki").await.unwrap();
    let asked = cluster.asked();
    assert!(asked.iter().all(|request| request.starts_with("GET")), "{asked:#?}");
    // The policy, ConfigMaps, workloads of two kinds, pods of two kinds, the keys; and what was applied, whether it is still there.
    assert_eq!(asked.len(), 10, "{asked:#?}");
    assert_eq!(revision(&before), revision(&after));
    assert_eq!(events().await, told);

    // What somebody else changes is put right all the same.
    let mut map = cluster.config_map("wiki").await.unwrap();
    let meant = map.data.replace([(names::FILE_CONFIG.to_owned(), "{}".to_owned())].into());
    cluster.api().replace("restward-wiki", &PostParams::default(), &map).await.unwrap();
    cluster.reconcile("wiki").await.unwrap();
    assert_eq!(cluster.config_map("wiki").await.unwrap().data, meant);
    cluster.clean_up().await;
}

#[tokio::test]
async fn where_policies_are_not_taken_nothing_is_made_and_what_was_in_force_stays() {
    let mut cluster = Cluster::new("scope").await;
    cluster.takes_policies_in(&json!({"team": "wiki"}));
    cluster.create("wiki", json!({})).await.unwrap();
    let policy = cluster.reconcile("wiki").await.unwrap();
    assert_eq!(condition(&policy, "Accepted"), "False/NamespaceNotSelected");
    assert_eq!(condition(&policy, "Programmed"), "False/NotAccepted");
    assert!(cluster.keys().await.is_none() && cluster.config_map("wiki").await.is_none());
    assert!(cluster.webhooks().await.is_empty() && cluster.bindings().await.is_empty());

    let label = async |cluster: &Cluster, team: Value| {
        let patch = Patch::Merge(json!({"metadata": {"labels": {"team": team}}}));
        let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
        namespaces.patch(&cluster.namespace, &PatchParams::default(), &patch).await.unwrap();
    };
    label(&cluster, json!("wiki")).await;
    assert_eq!(condition(&cluster.reconcile("wiki").await.unwrap(), "Accepted"), "True/Accepted");
    let (map, webhook) = (cluster.config_map("wiki").await.unwrap(), cluster.webhooks().await.remove(0));

    label(&cluster, Value::Null).await;
    let policy = cluster.reconcile("wiki").await.unwrap();
    assert_eq!(condition(&policy, "Accepted"), "False/NamespaceNotSelected");
    assert_eq!(condition(&policy, "Programmed"), "True/Programmed");
    assert_eq!(revision(&cluster.config_map("wiki").await.unwrap()), revision(&map));
    assert_eq!(revision(&cluster.webhooks().await[0]), revision(&webhook));
    assert_eq!(cluster.bindings().await.len(), 1);
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_policy_that_was_never_accepted_makes_nothing() {
    let cluster = Cluster::new("never").await;
    cluster.create("wiki", json!({"usernameAttribute": "/a~2"})).await.unwrap();
    let policy = cluster.reconcile("wiki").await.unwrap();
    assert_eq!(condition(&policy, "Accepted"), "False/Invalid");
    assert_eq!(condition(&policy, "Programmed"), "False/NotAccepted");
    assert!(cluster.keys().await.is_none() && cluster.config_map("wiki").await.is_none());
    assert!(cluster.webhooks().await.is_empty() && cluster.bindings().await.is_empty());
    cluster.clean_up().await;
}

#[tokio::test]
async fn an_edit_that_is_not_accepted_leaves_the_last_good_configuration_in_force() {
    let cluster = Cluster::new("lastgood").await;
    cluster.create("wiki", json!({})).await.unwrap();
    cluster.reconcile("wiki").await.unwrap();
    let (map, webhook) = (cluster.config_map("wiki").await.unwrap(), cluster.webhooks().await.remove(0));
    cluster
        .edit("wiki", json!({"usernameAttribute": "/a~2", "selector": {"matchLabels": {"app": "other"}}}))
        .await;
    let policy = cluster.reconcile("wiki").await.unwrap();
    assert_eq!(condition(&policy, "Accepted"), "False/Invalid");
    assert_eq!(condition(&policy, "Programmed"), "True/Programmed");
    assert_eq!(revision(&cluster.config_map("wiki").await.unwrap()), revision(&map));
    assert_eq!(revision(&cluster.webhooks().await[0]), revision(&webhook));

    cluster.edit("wiki", json!({"usernameAttribute": "sub"})).await;
    assert_eq!(condition(&cluster.reconcile("wiki").await.unwrap(), "Accepted"), "True/Accepted");
    assert_ne!(revision(&cluster.config_map("wiki").await.unwrap()), revision(&map));
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_config_map_of_somebody_else_is_left_alone() {
    let cluster = Cluster::new("taken").await;
    let foreign: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "restward-wiki"}, "data": {"mine": "1"}}))
            .unwrap();
    cluster.api().create(&PostParams::default(), &foreign).await.unwrap();
    cluster.create("wiki", json!({})).await.unwrap();
    assert_eq!(condition(&cluster.reconcile("wiki").await.unwrap(), "Accepted"), "False/Invalid");
    assert_eq!(cluster.config_map("wiki").await.unwrap().data, foreign.data);
    cluster.clean_up().await;
}

#[tokio::test]
async fn of_two_policies_on_one_pod_the_older_wins() {
    let cluster = Cluster::new("conflict").await;
    // Before the policies: their webhooks have no backend here.
    cluster.injected_pod("wiki-0", "nobody").await;
    cluster.create("first", json!({})).await.unwrap();
    cluster.reconcile("first").await.unwrap();
    // Creation times have a resolution of one second; of equals the name decides, and `second` is behind `first`.
    cluster.create("second", json!({})).await.unwrap();
    let second = cluster.reconcile("second").await.unwrap();
    assert_eq!(condition(&second, "Accepted"), "False/Conflicted");
    assert!(cluster.config_map("second").await.is_none());
    assert_eq!(condition(&cluster.reconcile("first").await.unwrap(), "Accepted"), "True/Accepted");
    cluster.clean_up().await;
}

#[tokio::test]
async fn two_policies_share_the_key_secret_without_touching_each_other() {
    let cluster = Cluster::new("share").await;
    cluster.create("a", json!({"selector": {"matchLabels": {"app": "a"}}})).await.unwrap();
    cluster.create("b", json!({"selector": {"matchLabels": {"app": "b"}}})).await.unwrap();
    cluster.reconcile("a").await.unwrap();
    let before = cluster.keys().await.unwrap().data.unwrap();
    cluster.reconcile("b").await.unwrap();
    cluster.reconcile("a").await.unwrap();
    let after = cluster.keys().await.unwrap().data.unwrap();
    assert_eq!((before.len(), after.len()), (2, 4));
    assert!(before.iter().all(|(item, value)| after[item] == *value));
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_key_that_pods_use_is_never_silently_replaced() {
    let cluster = Cluster::new("keymissing").await;
    let uid = cluster.create("wiki", json!({})).await.unwrap().uid().unwrap();
    cluster.injected_pod("wiki-0", &uid).await;
    let secrets = cluster.api::<Secret>();
    assert_eq!(condition(&cluster.reconcile("wiki").await.unwrap(), "Programmed"), "False/KeyMissing");
    assert!(cluster.keys().await.is_none());

    // Without pods there is nobody to lose anything.
    cluster.delete_pod("wiki-0").await;
    assert_eq!(condition(&cluster.reconcile("wiki").await.unwrap(), "Programmed"), "True/Programmed");
    let made = cluster.keys().await.unwrap().data;
    secrets.delete(names::KEYS_SECRET, &DeleteParams::default()).await.unwrap();
    cluster.reconcile("wiki").await.unwrap();
    assert_ne!(cluster.keys().await.unwrap().data, made);
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_new_configuration_touches_the_pods_that_mount_it() {
    let cluster = Cluster::new("touch").await;
    let uid = cluster.create("wiki", json!({})).await.unwrap().uid().unwrap();
    cluster.reconcile("wiki").await.unwrap();
    // The webhook has no backend here: what it would do is done by hand, under labels that it does not match.
    cluster.edit("wiki", json!({"selector": {"matchLabels": {"app": "later"}}})).await;
    cluster.reconcile("wiki").await.unwrap();
    cluster.injected_pod("wiki-0", &uid).await;
    let touched = async || {
        cluster.reconcile("wiki").await.unwrap();
        let pod = cluster.api::<Pod>().get("wiki-0").await.unwrap();
        let config =
            cluster.config_map("wiki").await.unwrap().data.unwrap().remove(names::FILE_CONFIG).unwrap();
        assert_eq!(pod.annotations()[names::ANNOTATION_CONFIG_HASH], sha256_hex(config.as_bytes()));
        pod.annotations()[names::ANNOTATION_CONFIG_HASH].clone()
    };
    let before = touched().await;
    cluster.edit("wiki", json!({"mode": "Audit"})).await;
    assert_ne!(touched().await, before);
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_change_of_conditions_is_told_as_events() {
    let cluster = Cluster::new("events").await;
    cluster.create("wiki", json!({})).await.unwrap();
    cluster.reconcile("wiki").await.unwrap();
    let about =
        ListParams::default().fields("involvedObject.kind=RestApiAuthPolicy,involvedObject.name=wiki");
    let events = cluster.api::<Event>().list(&about).await.unwrap();
    let reasons: Vec<&str> = events.items.iter().filter_map(|event| event.reason.as_deref()).collect();
    assert!(reasons.contains(&"Accepted") && reasons.contains(&"NoPods"), "{reasons:?}");
    cluster.clean_up().await;
}
