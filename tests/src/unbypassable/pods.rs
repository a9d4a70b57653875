//! Pods that were not injected, or not as the operator does it, while the webhook serves; and changes of a pod that runs.

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    attempt::{Attempt, TOMCAT, exec, pod_refused, refused},
    forged::{self, push},
    site::{self, NAMESPACE, NEIGHBOUR, POD, WORKLOAD},
};
use crate::{
    command::{kubectl, run},
    table::Table,
    wait::{QUICK, eventually},
};

/// A pod as the API server would take it, webhooks included.
pub(super) async fn admitted(pod: &Value) -> Result<Value> {
    let arguments = ["create", "--dry-run=server", "-f", "-", "-o", "json"];
    let answer = run("kubectl", &arguments, Some(pod.to_string().as_bytes())).await?;
    Ok(serde_json::from_str(&answer)?)
}

pub(super) async fn while_the_webhook_serves(table: &mut Table) -> Result<()> {
    table.section("Pods, while the webhook serves");
    let bare = site::bare("by-hand").await?;
    let changed = |change: fn(&mut Value)| {
        let mut pod = bare.clone();
        change(&mut pod);
        pod
    };
    let injected = forged::sidecar(&admitted(&bare).await?);
    for (what, pod) in [
        ("a bare pod with the labels", bare.clone()),
        (
            "a forged injected-hash and no sidecar",
            changed(|pod| {
                pod["metadata"]["annotations"] =
                    json!({"restward.io/injected-hash": "0", "restward.io/policy": "way"});
            }),
        ),
        (
            "another image under the name restward-proxy",
            changed(|pod| {
                pod["spec"]["initContainers"] =
                    json!([{"name": "restward-proxy", "image": "localhost/evil", "restartPolicy": "Always"}]);
            }),
        ),
    ] {
        let seen = forged::sidecar(&admitted(&pod).await?);
        let holds = injected.is_some() && seen == injected;
        table.add(
            what,
            "the operator's sidecar",
            if holds { "the operator's sidecar" } else { "another" },
            holds,
        );
    }
    for (what, part, pod) in [
        (
            "a pod on the node's network",
            "remove hostNetwork",
            changed(|pod| pod["spec"]["hostNetwork"] = json!(true)),
        ),
        (
            "a pod whose containers share their processes",
            "remove shareProcessNamespace",
            changed(|pod| pod["spec"]["shareProcessNamespace"] = json!(true)),
        ),
        ("a pod with the tunnel connector", "opens a second connector", changed(|pod| push_env(pod, TUNNEL))),
        (
            "a second container with Confluence's marks",
            "both have the variable ATL_TOMCAT_PORT",
            changed(|pod| {
                push(&mut pod["spec"]["containers"], forged::dummy());
            }),
        ),
    ] {
        pod_refused(table, what, part, &pod).await;
    }
    let tunnel = r#"{"spec":{"template":{"spec":{"containers":[{"name":"confluence","env":[{"name":"ATL_TOMCAT_ADDITIONAL_CONNECTOR_PORT","value":"8093"}]}]}}}}"#;
    let patch = ["patch", "statefulset", WORKLOAD, "-n", NAMESPACE, "-p", tunnel];
    refused(table, "the tunnel connector in the StatefulSet", "opens a second connector", &patch, None).await;
    Ok(())
}

/// Variable with the port of the connector for application tunnels.
pub(super) const TUNNEL: &str = "ATL_TOMCAT_ADDITIONAL_CONNECTOR_PORT";

fn push_env(pod: &mut Value, name: &str) {
    push(&mut pod["spec"]["containers"][0]["env"], json!({"name": name, "value": "8093"}));
}

pub(super) async fn that_run(table: &mut Table) -> Result<()> {
    table.section("Pods that run");
    let labels = "app.kubernetes.io/name=confluence app.kubernetes.io/instance=way";
    let label: Vec<&str> =
        ["label", "pod", NEIGHBOUR, "-n", NAMESPACE].into_iter().chain(labels.split(' ')).collect();
    let what = "a running pod that is given the labels";
    refused(table, what, "A running pod cannot be brought under a policy by its labels", &label, None).await;

    let owned = "are the operator's alone";
    let sidecar =
        |change: &str| format!(r#"{{"spec":{{"initContainers":[{{"name":"restward-proxy",{change}}}]}}}}"#);
    for (what, part, patch) in [
        ("the sidecar's image changed", owned, sidecar(r#""image":"localhost/evil""#)),
        (
            "the sidecar's variables changed",
            "pod updates may not change fields",
            sidecar(r#""env":[{"name":"RESTWARD_POD","value":"{}"}]"#),
        ),
        (
            "the sidecar's arguments changed",
            "pod updates may not change fields",
            sidecar(r#""args":["--help"]"#),
        ),
        (
            "the label of injection taken away",
            owned,
            r#"{"metadata":{"labels":{"restward.io/injected":null}}}"#.into(),
        ),
        (
            "the hash of injection changed",
            owned,
            r#"{"metadata":{"annotations":{"restward.io/injected-hash":"0"}}}"#.into(),
        ),
    ] {
        refused(table, what, part, &["patch", "pod", POD, "-n", NAMESPACE, "-p", &patch], None).await;
    }
    let status = r#"{"metadata":{"labels":{"restward.io/injected":null}}}"#;
    let patch = ["patch", "pod", POD, "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", status];
    refused(table, "the label taken away through pods/status", owned, &patch, None).await;

    let with_keys = debug_container(
        "thief",
        json!({"volumeMounts": [{"name": "restward-config", "mountPath": "/keys"}]}),
    );
    let what = "an ephemeral container that mounts the keys";
    refused(table, what, "is for the container restward-proxy", &add(&with_keys), None).await;
    let among = debug_container("thief", json!({"targetContainerName": "restward-proxy"}));
    let what = "an ephemeral container among the sidecar's processes";
    refused(table, what, "is for the container restward-proxy", &add(&among), None).await;
    from_an_ephemeral_container(table).await
}

/// The patch that adds a container to a running pod, as `kubectl debug` does.
pub(super) fn debug_container(name: &str, more: Value) -> String {
    let mut container = json!({"name": name, "image": "localhost/restward-standin-confluence:dev", "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "infinity"]});
    if let (Some(under), Value::Object(over)) = (container.as_object_mut(), more) {
        under.extend(over);
    }
    json!({"spec": {"ephemeralContainers": [container]}}).to_string()
}

/// The arguments of `kubectl` for it.
pub(super) fn add(container: &str) -> [&str; 7] {
    ["patch", "pod", POD, "--namespace=restward-ways", "--subresource=ephemeralcontainers", "-p", container]
}

async fn from_an_ephemeral_container(table: &mut Table) -> Result<()> {
    kubectl(&add(&debug_container("debug", json!({})))).await?;
    let place = format!("{POD}/debug");
    eventually("the ephemeral container runs", QUICK, || exec(&place, &["true"])).await?;
    let address = site::address().await?;
    let what = "an ephemeral container, pod address:18090";
    Attempt::from(&place, &address, TOMCAT).await?.is_closed(table, what).await?;
    let what = "trusted: an ephemeral container, 127.0.0.1:18090, where the chart allows it";
    Attempt::from(&place, "127.0.0.1", TOMCAT).await?.is_at_confluence_as(table, what, "nobody").await
}
