//! What the sidecar and Tomcat of an injected pod read is what the operator wrote for that very policy, although nobody calls
//! the webhook.

use restward_crds::names;
use restward_operator::policy_source::Candidate;
use serde_json::{Value, json};

use super::{
    requests::{
        MISSING, allowed, changed, confluence, injected, programmed, refused, remove_webhooks, try_pod, whole,
    },
    support::Cluster,
};

/// In the message of the policy about what an injected pod reads.
const FORGED: &str = "would read something else than ConfigMap restward-wiki";

/// A volume of the pod.
fn volume<'a>(pod: &'a mut Value, name: &str) -> &'a mut Value {
    let volumes = pod["spec"]["volumes"].as_array_mut().unwrap();
    volumes.iter_mut().find(|volume| volume["name"] == name).unwrap()
}

/// The source of the sidecar's files that has this member.
fn source<'a>(pod: &'a mut Value, kind: &str) -> &'a mut Value {
    let sources = volume(pod, names::CONFIG_VOLUME)["projected"]["sources"].as_array_mut().unwrap();
    &mut sources.iter_mut().find(|source| source[kind].is_object()).unwrap()[kind]
}

fn push(list: &mut Value, member: Value) {
    list.as_array_mut().unwrap().push(member);
}

/// Each is refused, save to somebody who breaks the glass.
async fn all_refused(cluster: &Cluster, slips: &[(&str, Value)]) {
    for (what, pod) in slips {
        refused(what, FORGED, async || try_pod(&cluster.somebody, &cluster.namespace, pod).await).await;
        allowed(what, async || try_pod(&cluster.client, &cluster.namespace, pod).await).await;
    }
}

async fn all_allowed(cluster: &Cluster, pods: &[(&str, Value)]) {
    for (what, pod) in pods {
        allowed(what, async || try_pod(&cluster.somebody, &cluster.namespace, pod).await).await;
    }
}

#[tokio::test]
async fn an_injected_sidecar_reads_what_the_operator_wrote() {
    let cluster = Cluster::new("sources").await;
    let whole = whole(&cluster).await;
    let sidecar = |member: &str, value: Value| {
        let mut pod = whole.clone();
        push(&mut pod["spec"]["initContainers"][0][member], value);
        pod
    };
    let slips = [
        (
            "a configuration of somebody's own",
            changed(&whole, |pod| source(pod, "configMap")["name"] = json!("forged")),
        ),
        (
            "the configuration under another key",
            changed(&whole, |pod| source(pod, "configMap")["items"][0]["key"] = json!("candidate.json")),
        ),
        ("all that is in it", changed(&whole, |pod| source(pod, "configMap")["items"] = Value::Null)),
        (
            "the configuration out of a Secret",
            changed(&whole, |pod| {
                let items = json!([{"key": "x", "path": "config.json"}]);
                let sources = &mut volume(pod, names::CONFIG_VOLUME)["projected"]["sources"];
                sources[0] = json!({"secret": {"name": "forged", "items": items}});
            }),
        ),
        (
            "the configuration out of the pod's annotations",
            changed(&whole, |pod| {
                let field =
                    json!({"path": "config.json", "fieldRef": {"fieldPath": "metadata.annotations['x']"}});
                let sources = &mut volume(pod, names::CONFIG_VOLUME)["projected"]["sources"];
                sources[0] = json!({"downwardAPI": {"items": [field]}});
            }),
        ),
        (
            "an empty directory",
            changed(&whole, |pod| {
                *volume(pod, names::CONFIG_VOLUME) = json!({"name": names::CONFIG_VOLUME, "emptyDir": {}});
            }),
        ),
        (
            "a directory of its own",
            sidecar("env", json!({"name": names::ENV_CONFIG_DIR, "value": names::STATE_DIR})),
        ),
        (
            "settings out of a ConfigMap",
            changed(&whole, |pod| {
                let reference = json!({"configMapKeyRef": {"name": "forged", "key": "x"}});
                pod["spec"]["initContainers"][0]["env"][0] =
                    json!({"name": names::ENV_POD, "valueFrom": reference});
            }),
        ),
        (
            "variables out of a ConfigMap",
            changed(&whole, |pod| {
                pod["spec"]["initContainers"][0]["envFrom"] = json!([{"configMapRef": {"name": "forged"}}]);
            }),
        ),
        (
            "something over a file of it",
            sidecar(
                "volumeMounts",
                json!({"name": names::NO_TOKEN_VOLUME, "mountPath": "/etc/.//restward/config.json", "subPath": "x"}),
            ),
        ),
        (
            "a part of it",
            changed(&whole, |pod| {
                pod["spec"]["initContainers"][0]["volumeMounts"][0]["subPath"] = json!("x");
            }),
        ),
    ];
    all_refused(&cluster, &slips).await;
    let others = [
        ("as injected", whole.clone()),
        ("a variable of another injector", sidecar("env", json!({"name": "AWS_ROLE_ARN", "value": "x"}))),
        (
            "a mount of another injector",
            sidecar(
                "volumeMounts",
                json!({"name": names::NO_TOKEN_VOLUME, "mountPath": "/etc/restward-not"}),
            ),
        ),
    ];
    all_allowed(&cluster, &others).await;
    cluster.clean_up().await;
}

#[tokio::test]
async fn audit_lines_go_where_injection_puts_them() {
    let cluster = Cluster::new("audit").await;
    let whole = whole(&cluster).await;
    let mut pod = confluence("wiki-0", json!({"app": "wiki"}));
    pod["spec"]["volumes"] = json!([{"name": "audit", "emptyDir": {}}]);
    let policy = programmed(&cluster, "wiki").await;
    let policy = Candidate { audit_volume: Some("audit".into()), ..policy };
    all_allowed(&cluster, &[("as injected", injected(pod, &policy, &cluster))]).await;
    let mut elsewhere = whole;
    let file = format!("{}/{}", names::STATE_DIR, names::FILE_BASIC_REPORT);
    push(
        &mut elsewhere["spec"]["initContainers"][0]["env"],
        json!({"name": names::ENV_AUDIT_FILE, "value": file}),
    );
    all_refused(&cluster, &[("over another file of the sidecar", elsewhere)]).await;
    cluster.clean_up().await;
}

#[tokio::test]
async fn tomcat_behind_it_reads_what_the_operator_wrote() {
    let cluster = Cluster::new("files").await;
    let whole = whole(&cluster).await;
    let server_xml = |config_map: &str, key: &str| {
        let mut pod = whole.clone();
        let items = json!([{"key": key, "path": "server.xml"}]);
        push(
            &mut pod["spec"]["volumes"],
            json!({"name": names::SERVER_XML_VOLUME, "configMap": {"name": config_map, "items": items}}),
        );
        pod
    };
    let slips = [
        (
            "a valve of somebody's own",
            changed(&whole, |pod| volume(pod, names::VALVE_VOLUME)["configMap"]["name"] = json!("forged")),
        ),
        (
            "something else as the valve",
            changed(&whole, |pod| {
                volume(pod, names::VALVE_VOLUME)["configMap"]["items"][0]["key"] = json!("config.json");
            }),
        ),
        (
            "an empty valve",
            changed(&whole, |pod| {
                *volume(pod, names::VALVE_VOLUME) = json!({"name": names::VALVE_VOLUME, "emptyDir": {}});
            }),
        ),
        ("a server.xml of somebody's own", server_xml("forged", "server-1.xml")),
        ("something else as server.xml", server_xml("restward-wiki", "config.json")),
    ];
    all_refused(&cluster, &slips).await;
    all_allowed(&cluster, &[("a derived server.xml", server_xml("restward-wiki", "server-1.xml"))]).await;
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_label_is_of_this_policy_or_of_an_older_one() {
    let cluster = Cluster::new("seniority").await;
    for (name, labels) in [("first", json!({"app": "wiki"})), ("second", json!({"tier": "prod"}))] {
        cluster.create(name, json!({"selector": {"matchLabels": labels}})).await.unwrap();
        cluster.reconcile(name).await.unwrap();
    }
    remove_webhooks(&cluster).await;
    let of = async |policy: &str| {
        let pod = confluence("wiki-0", json!({"app": "wiki", "tier": "prod"}));
        injected(pod, &programmed(&cluster, policy).await, &cluster)
    };
    let (by_first, by_second) = (of("first").await, of("second").await);
    let mut by_nobody = by_first.clone();
    by_nobody["metadata"]["labels"][names::LABEL_INJECTED] = json!("99999999-0000-4000-8000-000000000000");
    // The keys are told by the label too, and that policy would refuse as well.
    *volume(&mut by_nobody, names::CONFIG_VOLUME) = json!({"name": names::CONFIG_VOLUME, "emptyDir": {}});
    for (what, pod) in [("the younger one's sidecar", by_second), ("nobody's", by_nobody)] {
        refused(what, MISSING, async || try_pod(&cluster.somebody, &cluster.namespace, &pod).await).await;
    }
    allowed("the older one's", async || try_pod(&cluster.somebody, &cluster.namespace, &by_first).await)
        .await;
    cluster.clean_up().await;
}
