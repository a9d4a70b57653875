//! The node restarts: the kubelet alone, and everything, as when the power fails.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{
    attempt::{FRONT, TOMCAT},
    hammer::Hammer,
    site::{self, NAMESPACE, POD},
};
use crate::{
    command::{kubectl, kubectl_json, run},
    table::Table,
    wait::{SLOW, eventually},
};

pub(super) async fn restarts(table: &mut Table) -> Result<()> {
    table.section("The node");
    if std::env::var("RESTWARD_USE_KUBECONFIG").is_ok_and(|value| value == "1") {
        table.add(
            "a restart of the node",
            "never at Confluence",
            "not tried: the cluster is not the tests' own",
            true,
        );
        return Ok(());
    }
    let before = sandbox().await?;
    restarted(table, "the kubelet restarted", &["kubelet"], |now| now == before).await?;
    let what = "the node restarted: every process killed, every sandbox new";
    let killed = containers().await?;
    restarted(table, what, &[], |now| now != before).await?;
    everything_is_back(&killed).await
}

/// What this suite goes on with, and what the others need: until the kubelet has looked at a pod, status is from before.
async fn everything_is_back(killed: &BTreeSet<String>) -> Result<()> {
    eventually("all pods run anew and are ready", SLOW, || async {
        let pods = kubectl_json(&["get", "pods", "--all-namespaces", RUNS]).await?;
        for pod in pods["items"].as_array().into_iter().flatten() {
            let is_ready = conditions(pod).any(|one| one["type"] == "Ready" && one["status"] == "True");
            ensure!(is_ready, "{} is not ready", pod["metadata"]["name"]);
        }
        ensure!(containers().await?.is_disjoint(killed), "some containers are said to be those from before");
        Ok(())
    })
    .await
}

fn conditions(pod: &Value) -> impl Iterator<Item = &Value> {
    pod["status"]["conditions"].as_array().into_iter().flatten()
}

/// Not those that have done their work.
const RUNS: &str = "--field-selector=status.phase!=Succeeded";

/// Containers of all pods, by the kubelet's word.
async fn containers() -> Result<BTreeSet<String>> {
    let every = "jsonpath={.items[*].status.containerStatuses[*].containerID}";
    let found = kubectl(&["get", "pods", "--all-namespaces", RUNS, "-o", every]).await?;
    Ok(found.split_whitespace().map(Into::into).collect())
}

/// `is_meant` is asked about the sandbox: until the kubelet has looked, status is from before.
async fn restarted(
    table: &mut Table,
    what: &str,
    arguments: &[&str],
    is_meant: impl Fn(&str) -> bool,
) -> Result<()> {
    let hammer = Hammer::start(&[FRONT, TOMCAT]).await?;
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cluster/restart");
    run(&script.to_string_lossy(), arguments, None).await?;
    eventually("the pod has the sandbox that it should have", SLOW, || async {
        let now = sandbox().await?;
        ensure!(!now.is_empty() && is_meant(&now), "{now}");
        Ok(())
    })
    .await?;
    site::verified().await?;
    let tally = hammer.stop().await?;
    let tried = tally.count("8090: 401") > 0 && tally.has_tried(TOMCAT);
    table.add(what, "never at Confluence", tally.shown(), tried && tally.is_clean());
    Ok(())
}

/// What tells one sandbox from the next: Confluence's container.
async fn sandbox() -> Result<String> {
    kubectl(&[
        "get",
        "pod",
        POD,
        "-n",
        NAMESPACE,
        "-o",
        "jsonpath={.status.containerStatuses[0].containerID}",
    ])
    .await
}
