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
    let sandbox = sandbox().await?;
    restarted(table, "the kubelet restarted", &["kubelet"]).await?;
    ensure!(
        self::sandbox().await? == sandbox,
        "the pod got another sandbox although only the kubelet was restarted"
    );
    restarted(table, "the node restarted: every process killed, every sandbox new", &[]).await?;
    ensure!(self::sandbox().await? != sandbox, "the pod has the sandbox from before the node's restart");
    Ok(())
}

async fn restarted(table: &mut Table, what: &str, arguments: &[&str]) -> Result<()> {
    let hammer = Hammer::start(&[FRONT, TOMCAT]).await?;
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cluster/restart");
    run(&script.to_string_lossy(), arguments, None).await?;
    let sandbox = sandbox().await?;
    eventually("the pod is ready, as the kubelet found it", SLOW, || async {
        ensure!(!sandbox.is_empty());
        site::ready(POD).await
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
