//! Applying, patching and reading the policy.

use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use serde_json::Value;

use crate::{
    argo_cd,
    command::{apply, kubectl, kubectl_json},
    table::Table,
    wait::{SLOW, eventually},
    world::WIKI_NAMESPACE,
};

/// Name of the demo's policy.
pub const NAME: &str = "wiki";

/// The demo's policy, as a file that a user would write.
pub const YAML: &str = include_str!("../demo/policy.yaml");

/// Applies the demo's policy.
///
/// # Errors
/// When the API server refuses it.
pub async fn create() -> Result<()> {
    apply(YAML).await.map(drop)
}

/// The policy as it is.
///
/// # Errors
/// When it does not exist.
pub async fn read() -> Result<Value> {
    kubectl_json(&["get", "restapiauthpolicy", NAME, "-n", WIKI_NAMESPACE]).await
}

/// Whether it exists.
///
/// # Errors
/// When the API server cannot be asked.
pub async fn exists() -> Result<bool> {
    let found = kubectl(&[
        "get",
        "restapiauthpolicy",
        NAME,
        "-n",
        WIKI_NAMESPACE,
        "--ignore-not-found",
        "-o",
        "name",
    ])
    .await?;
    Ok(!found.is_empty())
}

/// Merges `patch` into the policy.
///
/// # Errors
/// When the API server refuses it.
pub async fn patch(patch: &str) -> Result<()> {
    kubectl(&["patch", "restapiauthpolicy", NAME, "-n", WIKI_NAMESPACE, "--type=merge", "-p", patch])
        .await
        .map(drop)
}

/// One condition of a policy's status: status, reason, message.
pub fn condition<'a>(policy: &'a Value, kind: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let condition =
        policy["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)?;
    Some((condition["status"].as_str()?, condition["reason"].as_str()?, condition["message"].as_str()?))
}

/// What Argo CD shows of the demo's policy, by the health check of the pages.
///
/// # Errors
/// When the policy cannot be read, or the check fails.
pub async fn is_shown_as(table: &mut Table, health: &str) -> Result<()> {
    let (seen, _) = argo_cd::health(&read().await?)?;
    table.add("health in Argo CD", health, &seen, seen == health);
    Ok(())
}

/// Waits until a condition of the named policy has this status and reason, for the current generation; gives its message.
///
/// # Errors
/// When it does not come.
pub async fn until(
    namespace: &str,
    name: &str,
    kind: &str,
    status: &str,
    reason: &str,
    patience: Duration,
) -> Result<String> {
    eventually(&format!("{kind}={status}/{reason} of policy {namespace}/{name}"), patience, || async {
        let policy = kubectl_json(&["get", "restapiauthpolicy", name, "-n", namespace]).await?;
        let (is, why, message) = condition(&policy, kind).ok_or_else(|| anyhow!("no such condition yet"))?;
        if policy["status"]["observedGeneration"] != policy["metadata"]["generation"] {
            bail!("status is of an older generation");
        }
        if (is, why) != (status, reason) {
            bail!("{kind}={is}/{why}: {message}");
        }
        Ok(message.to_owned())
    })
    .await
}

/// Waits until the demo's policy is advised of something in a sentence that begins with `advice` and holds `what`, or is not any more.
///
/// # Errors
/// When that does not come.
pub async fn until_advised(advice: &str, what: &str, wanted: bool) -> Result<()> {
    eventually(&format!("advisory {advice} with '{what}': {wanted}"), SLOW, || async {
        let advisories = read().await?["status"]["advisories"].clone();
        let mut said = advisories.as_array().into_iter().flatten().filter_map(Value::as_str);
        let is_said = said.any(|said| said.starts_with(&format!("{advice}: ")) && said.contains(what));
        ensure!(is_said == wanted, "{advisories}");
        Ok(())
    })
    .await
}
