//! The operator uninstalled by force, and the policy deleted: what runs goes on enforcing.

use anyhow::{Context as _, Result, ensure};

use super::{
    attempt::{Attempt, FRONT, TOMCAT, pod_refused, refused},
    operator, pods,
    site::{self, NAMESPACE, NEIGHBOUR, POLICY},
};
use crate::{
    command::{kubectl, kubectl_json},
    policy::condition,
    table::Table,
    wait::{QUICK, eventually},
};

/// That the hook refuses an uninstall while policies exist is shown by the suite `uninstall`.
pub(super) async fn operator(table: &mut Table) -> Result<()> {
    table.section("The operator uninstalled without hooks");
    let bare = site::bare("by-hand").await?;
    let values = operator::uninstall_by_force().await?;
    pod_refused(table, "uninstalled by force: a selected pod", "failed calling webhook", &bare).await;
    goes_on(table, "uninstalled by force: ").await?;

    operator::install(&values, &["--set=protectedPods.ephemeralContainers=Deny"]).await?;
    site::verified().await?;
    let again = eventually("pods are injected again", QUICK, || pods::admitted(&bare)).await?;
    let back = super::forged::sidecar(&again).is_some();
    table.add(
        "installed again: a selected pod",
        "the operator's sidecar",
        if back { "the operator's sidecar" } else { "none" },
        back,
    );
    let debug = pods::debug_container("refused", serde_json::json!({}));
    let what = "an ephemeral container, where the chart says Deny";
    refused(table, what, "protectedPods.ephemeralContainers is Deny", &pods::add(&debug), None).await;
    operator::install(&values, &[]).await
}

/// Ends the suite's policy.
pub(super) async fn policy(table: &mut Table) -> Result<()> {
    table.section("The policy deleted");
    kubectl(&["delete", "restapiauthpolicy", POLICY, "-n", NAMESPACE, "--wait=false"]).await?;
    eventually("status tells that the policy is being deleted", QUICK, || async {
        let policy = kubectl_json(&["get", "restapiauthpolicy", POLICY, "-n", NAMESPACE]).await?;
        let (_, reason, message) = condition(&policy, "Injected").context("no condition")?;
        ensure!(reason == "RestartRequired" && message.contains("being deleted"), "{reason}: {message}");
        Ok(())
    })
    .await?;
    goes_on(table, "the policy deleted, the pod not yet restarted: ").await
}

async fn goes_on(table: &mut Table, when: &str) -> Result<()> {
    let address = site::address().await?;
    for port in [FRONT, TOMCAT] {
        let what = format!("{when}pod address:{port}");
        Attempt::from(NEIGHBOUR, &address, port).await?.is_closed(table, &what).await?;
    }
    Ok(())
}
