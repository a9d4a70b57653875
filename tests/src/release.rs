//! Changing the operator's Helm release as its administrator does.

use anyhow::Result;
use serde_json::Value;

use crate::{command::run, world::OPERATOR};

/// The tag of the sidecar's image in the demo, and another of the same image, once [`tag_again`] was called.
pub const TAGS: [&str; 2] = ["dev", "dev-again"];

/// The sidecar's image of this tag.
pub fn image(tag: &str) -> String {
    format!("localhost/restward-sidecar:{tag}")
}

/// Gives the demo's image of the sidecar its other tag.
///
/// # Errors
/// When the node does not have it.
pub async fn tag_again() -> Result<()> {
    let [dev, again] = TAGS;
    run("../tests/cluster/image", &["tag", &image(dev), &image(again)], None).await.map(drop)
}

/// Has new pods get the sidecar of this tag, and running ones too.
///
/// # Errors
/// When Helm fails.
pub async fn set_sidecar(tag: &str) -> Result<()> {
    set("sidecar.image.tag", &tag.into()).await
}

/// Sets one value of the chart.
///
/// # Errors
/// When Helm fails.
pub async fn set(path: &str, value: &Value) -> Result<()> {
    let value = format!("{path}={value}");
    let upgrade = ["upgrade", OPERATOR, "../charts/restward", "-n", OPERATOR, "--reuse-values", "--wait"];
    run("helm", &[&upgrade[..], &["--timeout=5m", "--set-json", &value]].concat(), None).await.map(drop)
}
