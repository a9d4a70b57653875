//! The node restarts: the kubelet alone, and everything, as when the power fails.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::{
    attempt::{FRONT, TOMCAT},
    hammer::Hammer,
    site::{self, NAMESPACE, POD},
};
use crate::{
    command::{kubectl, run},
    table::Table,
    wait::{SLOW, eventually},
    world::{KEYCLOAK, WIKI_NAMESPACE},
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
    restarted(table, what, &[], |now| now != before).await?;
    // What the other suites need.
    for (workload, namespace) in
        [("deployment/keycloak", KEYCLOAK), ("statefulset/wiki-confluence", WIKI_NAMESPACE)]
    {
        kubectl(&["rollout", "status", workload, "-n", namespace, "--timeout=300s"]).await?;
    }
    Ok(())
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
