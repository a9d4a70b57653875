//! The operator, taken away and brought back.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{
    command::{kubectl, run},
    policy::{self, until},
    wait::{QUICK, SLOW, eventually},
    world::{OPERATOR, WIKI_NAMESPACE},
};

/// Release, Deployment and ServiceAccount, all named like their namespace.
pub(super) const RELEASE: &str = OPERATOR;

/// Scales it to nothing, and waits until it is gone.
pub(super) async fn stop() -> Result<()> {
    scale("0").await?;
    eventually("the operator is gone", QUICK, || async {
        let pods = kubectl(&["get", "pods", "-n", OPERATOR, "-o", "name"]).await?;
        ensure!(pods.is_empty(), "{pods}");
        Ok(())
    })
    .await
}

/// Scales it up again.
pub(super) async fn start() -> Result<()> {
    scale("2").await?;
    rolled_out().await
}

async fn scale(replicas: &str) -> Result<()> {
    let replicas = format!("--replicas={replicas}");
    kubectl(&["scale", "deployment", RELEASE, "-n", OPERATOR, &replicas]).await.map(drop)
}

async fn rolled_out() -> Result<()> {
    let deployment = format!("deployment/{RELEASE}");
    kubectl(&["rollout", "status", &deployment, "-n", OPERATOR, "--timeout=120s"]).await.map(drop)
}

/// Takes it away without the hook that refuses this while policies exist; gives the values with which it was installed.
pub(super) async fn uninstall_by_force() -> Result<String> {
    let values = values().await?;
    run("helm", &["uninstall", RELEASE, "-n", OPERATOR, "--no-hooks", "--wait", "--timeout=2m"], None)
        .await?;
    Ok(values)
}

async fn values() -> Result<String> {
    run("helm", &["get", "values", RELEASE, "-n", OPERATOR, "-o", "json"], None).await
}

/// Installs or upgrades it with these values and `more`.
pub(super) async fn install(values: &str, more: &[&str]) -> Result<()> {
    let chart = in_repository("charts/restward");
    let arguments =
        ["upgrade", "--install", RELEASE, &chart, "-n", OPERATOR, "--values=-", "--wait", "--timeout=3m"];
    run("helm", &[&arguments[..], more].concat(), Some(values.as_bytes())).await.map(drop)
}

/// Brings it back to where the demo has it, whatever a run that was broken off left, and waits for the wiki's policy.
pub(super) async fn restore() -> Result<()> {
    let installed = run("helm", &["list", "-n", OPERATOR, "--short", "--filter", "^restward$"], None).await?;
    if installed.trim().is_empty() {
        let values = std::fs::read_to_string(in_repository("tests/demo/values.yaml"))?;
        install(&values, &[]).await?;
    } else {
        let mut values: Value = serde_json::from_str(&values().await?)?;
        let of_the_suite = values.as_object_mut().and_then(|all| all.remove("protectedPods"));
        if of_the_suite.is_some() {
            install(&values.to_string(), &[]).await?;
        }
    }
    start().await?;
    if policy::exists().await? {
        until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await?;
    }
    Ok(())
}

fn in_repository(path: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path).to_string_lossy().into_owned()
}
