//! The operator is away, and somebody with every right takes the webhook configuration too, and then the binding.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{
    attempt::pod_refused,
    first, forged, objects, operator,
    site::{self, NAMESPACE},
};
use crate::{
    command::{kubectl, run, run_refused},
    table::Table,
    wait::{QUICK, eventually},
};

/// A pod that comes when nothing refuses it any more.
const SLIPPED: &str = "slipped";

pub(super) async fn of_operator_and_webhook(table: &mut Table) -> Result<()> {
    table.section("The operator is away");
    let whole = forged::whole().await?;
    let [webhook, binding] = site::enforcement().await?;
    first::is_held_back().await?;
    operator::stop().await?;
    let bare = site::bare("by-hand").await?;
    pod_refused(table, "the operator is away: a selected pod", "failed calling webhook", &bare).await;
    objects::are_fenced(table, "the operator is away: ").await;

    let ignore = r#"[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"}]"#;
    kubectl(&["patch", &webhook, "--type=json", "-p", ignore]).await?;
    until_refused_otherwise(&bare).await?;
    let what = "the operator is away and its webhook configuration edited: a selected pod";
    pod_refused(table, what, "has no sidecar in front of Confluence", &bare).await;
    kubectl(&["delete", &webhook]).await?;
    forged::all_refused(table, &whole).await?;
    first::stays_away_without_a_configuration(table).await?;

    kubectl(&["delete", &binding]).await?;
    let slipped = site::hollow(SLIPPED).to_string();
    eventually("nothing refuses pods any more", QUICK, || {
        run("kubectl", &["create", "-f", "-"], Some(slipped.as_bytes()))
    })
    .await?;
    operator::start().await?;
    is_found(table).await?;
    first::comes_up(table).await
}

/// The API server hears of a changed configuration a moment later.
async fn until_refused_otherwise(pod: &Value) -> Result<()> {
    let pod = pod.to_string();
    eventually("the API server does not ask the webhook any more", QUICK, || async {
        let arguments = ["create", "--dry-run=server", "-f", "-"];
        let said = run_refused("kubectl", &arguments, Some(pod.as_bytes())).await?;
        ensure!(!said.contains("failed calling webhook"), "{said}");
        Ok(())
    })
    .await
}

/// The pod that slipped through is told of, and the policy is not in force until it is gone.
async fn is_found(table: &mut Table) -> Result<()> {
    let what = "webhook configuration and binding both deleted while the operator is away";
    let message = site::condition("Injected", "False", "BreakGlass").await?;
    table.add(what, "False/BreakGlass", message.clone(), message.contains(SLIPPED));
    site::condition("Enforced", "False", "NotInjected").await?;
    let events = ["get", "events", "-n", NAMESPACE, "--field-selector", "reason=BreakGlass", "-o", "name"];
    ensure!(!kubectl(&events).await?.is_empty(), "no Event tells of the pod");
    let [..] = site::enforcement().await?;
    kubectl(&["delete", "pod", SLIPPED, "-n", NAMESPACE]).await?;
    Ok(())
}
