//! Pods that say they are injected: what the webhook made, with one thing changed. The API server's own policies are all that
//! looks at them.

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    attempt::pod_refused,
    pods::{self, admitted},
    site,
};
use crate::table::Table;

/// The container of the operator in a pod.
pub(super) fn sidecar(pod: &Value) -> Option<Value> {
    let all = pod["spec"]["initContainers"].as_array()?;
    all.iter().find(|container| container["name"] == "restward-proxy").cloned()
}

/// A pod as the webhook makes it, to be changed.
pub(super) async fn whole() -> Result<Value> {
    let mut pod = admitted(&site::bare("by-hand").await?).await?;
    let metadata = &pod["metadata"];
    pod["metadata"] = json!({"name": "by-hand", "namespace": metadata["namespace"], "labels": metadata["labels"],
        "annotations": metadata["annotations"]});
    Ok(pod)
}

fn member<'a>(list: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    list.as_array_mut()?.iter_mut().find(|one| one["name"] == name)
}

/// Puts one more into a list.
pub(super) fn push(list: &mut Value, member: Value) {
    if let Some(list) = list.as_array_mut() {
        list.push(member);
    }
}

/// A container that has a mark of Confluence and is none.
pub(super) fn dummy() -> Value {
    json!({"name": "dummy", "image": "localhost/none", "env": site::marks()["env"]})
}

fn volume(pod: &mut Value, name: &str, source: Value) {
    if let Some(volume) = member(&mut pod["spec"]["volumes"], name) {
        *volume = source;
        volume["name"] = json!(name);
    }
}

fn in_sidecar(pod: &mut Value, key: &str, value: Value) {
    if let Some(container) = member(&mut pod["spec"]["initContainers"], "restward-proxy") {
        container[key] = value;
    }
}

const MISSING: &str = "has no sidecar in front of Confluence";
const IMAGE: &str = "does not run the image";
const SOURCES: &str = "would read something else than ConfigMap restward-way";
const KEYS: &str = "is for the container restward-proxy of injected pods only";

/// What was changed in the pod, which policy refuses it, and the change.
type Slip = (&'static str, &'static str, fn(&mut Value));

const SLIPS: &[Slip] = &[
    ("without the webhook: another image under the name restward-proxy", IMAGE, |pod| {
        in_sidecar(pod, "image", json!("localhost/evil"));
    }),
    ("without the webhook: another command of the sidecar", IMAGE, |pod| {
        in_sidecar(pod, "command", json!(["sleep"]));
    }),
    ("without the webhook: Tomcat not moved", MISSING, |pod| {
        if let Some(port) = member(&mut pod["spec"]["containers"][0]["env"], "ATL_TOMCAT_PORT") {
            port["value"] = json!("8090");
        }
    }),
    ("without the webhook: no valve", MISSING, |pod| {
        if let Some(mounts) = pod["spec"]["containers"][0]["volumeMounts"].as_array_mut() {
            mounts.retain(|mount| mount["name"] != "restward-valve");
        }
    }),
    ("without the webhook: a valve out of another ConfigMap", SOURCES, |pod| {
        volume(pod, "restward-valve", json!({"configMap": {"name": "forged"}}));
    }),
    ("without the webhook: an empty valve", SOURCES, |pod| {
        volume(pod, "restward-valve", json!({"emptyDir": {}}));
    }),
    ("without the webhook: a configuration out of another ConfigMap", SOURCES, |pod| {
        let items = json!([{"key": "config.json", "path": "config.json"}]);
        volume(
            pod,
            "restward-config",
            json!({"projected": {"sources": [{"configMap": {"name": "forged", "items": items}}]}}),
        );
    }),
    ("without the webhook: the keys in another container", KEYS, |pod| {
        let mount = json!({"name": "restward-config", "mountPath": "/keys"});
        push(&mut pod["spec"]["containers"][0]["volumeMounts"], mount);
    }),
    ("without the webhook: a second container with Confluence's marks", MISSING, |pod| {
        push(&mut pod["spec"]["containers"], dummy());
    }),
    ("without the webhook: the tunnel connector", MISSING, |pod| {
        push(&mut pod["spec"]["containers"][0]["env"], json!({"name": pods::TUNNEL, "value": "8093"}));
    }),
    ("without the webhook: markup in a variable that the image renders", MISSING, |pod| {
        let markup = json!({"name": "ATL_TOMCAT_REDIRECTPORT", "value": "1\"/><Connector port=\"8093"});
        push(&mut pod["spec"]["containers"][0]["env"], markup);
    }),
    ("without the webhook: a pod on the node's network", MISSING, |pod| {
        pod["spec"]["hostNetwork"] = json!(true);
    }),
];

/// Each must be refused, and so must a pod without any of it.
pub(super) async fn all_refused(table: &mut Table, whole: &Value) -> Result<()> {
    let mut bare = site::bare("by-hand").await?;
    pod_refused(table, "without the webhook: a bare pod with the labels", MISSING, &bare).await;
    bare["metadata"]["annotations"] = json!({"restward.io/injected-hash": "0", "restward.io/policy": "way"});
    pod_refused(table, "without the webhook: a forged injected-hash and no sidecar", MISSING, &bare).await;
    for (what, part, change) in SLIPS {
        let mut pod = whole.clone();
        change(&mut pod);
        pod_refused(table, what, part, &pod).await;
    }
    Ok(())
}
