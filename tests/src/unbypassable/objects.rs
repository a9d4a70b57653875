//! What the operator wrote for the policy: who may change it, and what comes of that.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{
    attempt::{pod_refused, refused},
    site::{self, CONFIG_MAP, NAMESPACE, POLICY},
};
use crate::{
    command::{kubectl, kubectl_json},
    table::Table,
    wait::{QUICK, eventually},
};

pub(super) async fn of_the_policy(table: &mut Table) -> Result<()> {
    table.section("What the operator wrote, changed by an administrator of the cluster");
    are_fenced(table, "").await;
    let [webhook, binding] = site::enforcement().await?;
    let ignore = r#"[{"op":"replace","path":"/webhooks/0/failurePolicy","value":"Ignore"},
        {"op":"add","path":"/webhooks/0/namespaceSelector","value":{"matchLabels":{"none":"such"}}}]"#;
    is_restored(
        table,
        "the webhook configuration edited",
        &webhook,
        &["patch", &webhook, "--type=json", "-p", ignore],
    )
    .await?;
    is_restored(table, "the webhook configuration deleted", &webhook, &["delete", &webhook]).await?;
    is_restored(table, "the binding of the backstop deleted", &binding, &["delete", &binding]).await
}

/// ConfigMap, keys and status cannot be changed at all; `when` says what is away meanwhile.
pub(super) async fn are_fenced(table: &mut Table, when: &str) {
    let owned = "are the operator's alone";
    let edit = r#"{"data":{"config.json":"{}"}}"#;
    let unlabel = r#"{"metadata":{"labels":{"restward.io/managed":null}}}"#;
    let status = r#"{"status":{"inForce":null}}"#;
    for (what, arguments) in [
        ("the rendered ConfigMap edited", vec!["patch", "configmap", CONFIG_MAP, "-p", edit]),
        ("the rendered ConfigMap deleted", vec!["delete", "configmap", CONFIG_MAP]),
        ("the rendered ConfigMap's label taken away", vec!["patch", "configmap", CONFIG_MAP, "-p", unlabel]),
        (
            "restward-keys edited",
            vec!["patch", "secret", "restward-keys", "-p", r#"{"stringData":{"x":"y"}}"#],
        ),
        ("restward-keys deleted", vec!["delete", "secret", "restward-keys"]),
        (
            "status.inForce of the policy edited",
            vec!["patch", "restapiauthpolicy", POLICY, "--subresource=status", "--type=merge", "-p", status],
        ),
    ] {
        refused(table, &format!("{when}{what}"), owned, &[&arguments[..], &["-n", NAMESPACE]].concat(), None)
            .await;
    }
    let prepared = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "restward-keys", "namespace": "default"}});
    pod_refused(table, &format!("{when}restward-keys made beforehand"), owned, &prepared).await;
}

/// The API server lets nobody fence its own admission objects, so they can be changed; the operator restores them.
async fn is_restored(table: &mut Table, what: &str, object: &str, change: &[&str]) -> Result<()> {
    let before = rules(object).await?;
    kubectl(change).await?;
    eventually(&format!("{what}: restored"), QUICK, || async {
        let now = rules(object).await?;
        ensure!(now == before, "{now}");
        Ok(())
    })
    .await?;
    table.add(what, "restored", "restored", true);
    Ok(())
}

/// What an admission object says, without what each write changes.
async fn rules(object: &str) -> Result<Value> {
    let mut found = kubectl_json(&["get", object]).await?;
    let members = found.as_object_mut().context("no object")?;
    members.remove("metadata");
    Ok(found)
}
