//! Tomcat first: a pod whose sidecar cannot start, because it has no configuration or one that it does not take.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{
    attempt::{Attempt, FRONT, TOMCAT},
    site::{self, CONFIG_MAP, NAMESPACE, NEIGHBOUR},
};
use crate::{
    command::{apply, kubectl, kubectl_json, run},
    table::Table,
    wait::{QUICK, eventually},
};

const FIRST: &str = "first";

/// A pod that is injected, but not yet given to a node.
pub(super) async fn is_held_back() -> Result<()> {
    let mut pod = site::bare(FIRST).await?;
    pod["spec"]["schedulingGates"] = json!([{"name": "example.com/later"}]);
    apply(&pod.to_string()).await.map(drop)
}

/// The operator is away. Nobody but it may take its ConfigMap, so this is done in its name.
pub(super) async fn stays_away_without_a_configuration(table: &mut Table) -> Result<()> {
    let operator = site::as_operator();
    let written = kubectl_json(&["get", "configmap", CONFIG_MAP, "-n", NAMESPACE]).await?;
    kubectl(&["delete", "configmap", CONFIG_MAP, "-n", NAMESPACE, &operator]).await?;
    let ungate = r#"[{"op":"remove","path":"/spec/schedulingGates"}]"#;
    kubectl(&["patch", "pod", FIRST, "-n", NAMESPACE, "--type=json", "-p", ungate]).await?;
    event("FailedMount").await?;
    not_started(table, "Tomcat first: the sidecar has no configuration").await?;

    let mut broken = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": written["data"],
        "metadata": {"name": CONFIG_MAP, "namespace": NAMESPACE, "labels": written["metadata"]["labels"]}});
    broken["data"]["config.json"] = json!("{}");
    run("kubectl", &["create", "-f", "-", &operator], Some(broken.to_string().as_bytes())).await?;
    // The kubelet has asked it whether it has started, and it has not.
    event("Unhealthy").await?;
    let address = kubectl(&["get", "pod", FIRST, "-n", NAMESPACE, "-o", "jsonpath={.status.podIP}"]).await?;
    let (front, tomcat) =
        (Attempt::from(NEIGHBOUR, &address, FRONT).await?, Attempt::from(NEIGHBOUR, &address, TOMCAT).await?);
    ensure!(!tomcat.is_answered(), "{tomcat:?}");
    let what = "Tomcat first: port 8090 of a pod whose sidecar takes no broken configuration";
    table.add(what, "503", front.status(), front.status() == "503");
    not_started(table, "Tomcat first: the sidecar takes no broken configuration").await
}

/// The operator is back, and has written its ConfigMap anew.
pub(super) async fn comes_up(table: &mut Table) -> Result<()> {
    site::ready(FIRST).await?;
    let pod = pod().await?;
    let (sidecar, confluence) =
        (started(&pod, "initContainerStatuses")?, started(&pod, "containerStatuses")?);
    let what = "Tomcat first: with a configuration Confluence starts, behind the sidecar";
    // RFC 3339 in UTC sorts as text.
    table.add(
        what,
        "sidecar, then Confluence",
        format!("{sidecar}, then {confluence}"),
        sidecar <= confluence,
    );
    kubectl(&["delete", "pod", FIRST, "-n", NAMESPACE]).await?;
    site::verified().await
}

async fn pod() -> Result<Value> {
    kubectl_json(&["get", "pod", FIRST, "-n", NAMESPACE]).await
}

async fn event(reason: &str) -> Result<()> {
    let of = format!("involvedObject.name={FIRST},reason={reason}");
    eventually(&format!("an Event {reason} of pod {FIRST}"), QUICK, || async {
        let events =
            kubectl(&["get", "events", "-n", NAMESPACE, "--field-selector", &of, "-o", "name"]).await?;
        ensure!(!events.is_empty(), "none");
        Ok(())
    })
    .await
}

async fn not_started(table: &mut Table, what: &str) -> Result<()> {
    let pod = pod().await?;
    let confluence = &pod["status"]["containerStatuses"][0];
    let never = confluence["state"]["waiting"].is_object() && confluence["lastState"] == json!({});
    let seen = format!("Confluence: {}", confluence["state"]);
    table.add(what, "Confluence never starts", seen, never && confluence["restartCount"] == 0);
    Ok(())
}

fn started(pod: &Value, list: &str) -> Result<String> {
    let state = &pod["status"][list][0]["state"]["running"]["startedAt"];
    state.as_str().map(Into::into).with_context(|| format!("{list}: {}", pod["status"][list]))
}
