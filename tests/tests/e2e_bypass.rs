//! Ways to Confluence around the sidecar, opened in a pod that runs: status names them, the pod is not ready, and both
//! end with the way. Runs after the guide, which leaves the wiki's policy Ready.
#![cfg(feature = "cluster-tests")]

use anyhow::{Result, ensure};
use restward_tests::{
    command::kubectl,
    policy::{self, until},
    wait::{QUICK, SLOW, eventually},
    way,
    world::{WIKI_NAMESPACE, WIKI_POD},
};
use serde_json::Value;

/// Where Tomcat is behind the sidecar.
const TOMCAT: u16 = 18090;

async fn pod_becomes_ready(ready: bool) -> Result<()> {
    let condition = format!("--for=condition=Ready={ready}");
    let pod = format!("pod/{WIKI_POD}");
    kubectl(&["wait", &condition, &pod, "-n", WIKI_NAMESPACE, "--timeout=120s"]).await.map(drop)
}

async fn becomes(kind: &str, status: &str, reason: &str) -> Result<String> {
    until(WIKI_NAMESPACE, policy::NAME, kind, status, reason, QUICK).await
}

/// One test, as both parts change the same pod and policy.
#[tokio::test]
async fn ways_around_are_found_while_the_pod_runs() {
    shuts_the_pod_until_it_is_closed().await.unwrap();
    elsewhere_is_only_advised_about().await.unwrap();
}

async fn shuts_the_pod_until_it_is_closed() -> Result<()> {
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await?;
    becomes("Enforced", "True", "Verified").await?;

    way::open(9000, TOMCAT).await?;
    let message = becomes("Enforced", "False", "BypassDetected").await?;
    ensure!(message.contains(&format!("pod {WIKI_POD}, port 9000: ")), "{message}");
    ensure!(message.contains("not ready (spec.onBypass: Block)"), "{message}");
    pod_becomes_ready(false).await?;
    becomes("Ready", "False", "NotReady").await?;
    let events =
        kubectl(&["get", "events", "-n", WIKI_NAMESPACE, "--field-selector", "reason=BypassDetected"]);
    ensure!(events.await?.contains("port 9000"), "no Event names the port");
    let shown = kubectl(&["get", "restapiauthpolicy", policy::NAME, "-n", WIKI_NAMESPACE]).await?;
    ensure!(shown.contains("ENFORCED"), "{shown}");

    policy::patch(r#"{"spec":{"onBypass":"Report"}}"#).await?;
    pod_becomes_ready(true).await?;
    let message = becomes("Enforced", "False", "BypassDetected").await?;
    ensure!(message.contains("stay ready (spec.onBypass: Report)"), "{message}");

    policy::patch(r#"{"spec":{"onBypass":null}}"#).await?;
    pod_becomes_ready(false).await?;
    way::close(9000).await?;
    pod_becomes_ready(true).await?;
    becomes("Enforced", "True", "Verified").await?;
    becomes("Ready", "True", "Ready").await.map(drop)
}

async fn elsewhere_is_only_advised_about() -> Result<()> {
    let advised = |expected: bool| async move {
        eventually("the advisory", QUICK, || async {
            let advisories =
                policy::read().await?.pointer("/status/advisories").map(Value::to_string).unwrap_or_default();
            let is_so = advisories.contains("UnknownListener") && advisories.contains("9001");
            ensure!(is_so == expected, "{advisories}");
            Ok(())
        })
        .await
    };
    // Nobody is at port 1, so whoever connects is hung up on.
    way::open(9001, 1).await?;
    advised(true).await?;
    policy::patch(r#"{"spec":{"allowedListeners":[{"port":9001,"reason":"test"}]}}"#).await?;
    advised(false).await?;
    policy::patch(r#"{"spec":{"allowedListeners":null}}"#).await?;
    way::close(9001).await?;
    becomes("Ready", "True", "Ready").await.map(drop)
}
