//! A member of `breakGlass.groups` does what is refused to everybody else, and is told of. Runs after the guide, which leaves the
//! wiki's policy Ready; its advisory stays for a day.
#![cfg(feature = "cluster-tests")]
#![allow(clippy::indexing_slicing, reason = "indexing a JSON value by a name gives Null, it does not panic")]

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, ensure};
use restward_tests::{
    command::{kubectl, kubectl_json, run, run_refused},
    policy::{self, until},
    wait::{QUICK, SLOW, eventually},
    world::{OPERATOR, WIKI_NAMESPACE},
};

const MEMBERS: &str = "restward-test-oncall";
const OTHERS: &str = "restward-test-others";
const USER: &str = "olga@example.test";
const BINDING: &str = "restward-test-glass";

/// One test, as all of it changes the same release.
#[tokio::test]
async fn the_glass_breaks_for_members_only_and_is_told_of() {
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
    let groups = [MEMBERS, OTHERS].map(|group| format!("--group={group}"));
    let bind = ["create", "rolebinding", BINDING, "-n", WIKI_NAMESPACE, "--clusterrole=edit"];
    kubectl(&[&bind[..], &groups.each_ref().map(String::as_str)].concat()).await.unwrap();
    let seen = broken().await;
    kubectl(&["delete", "rolebinding", BINDING, "-n", WIKI_NAMESPACE]).await.unwrap();
    chart_says("[]").await.unwrap();
    seen.unwrap();
}

async fn chart_says(groups: &str) -> Result<()> {
    let value = format!("breakGlass.groups={groups}");
    let upgrade = ["upgrade", OPERATOR, "../charts/restward", "-n", OPERATOR, "--reuse-values", "--wait"];
    run("helm", &[&upgrade[..], &["--timeout=5m", "--set-json", &value]].concat(), None).await.map(drop)
}

/// The arguments of a change of the policy's ConfigMap as a member of `group`.
fn change<'a>(object: &'a str, note: &'a str, group: &'a str) -> [&'a str; 9] {
    ["label", object, note, "-n", WIKI_NAMESPACE, "--overwrite", "--as", USER, group]
}

async fn broken() -> Result<()> {
    let (members, others) = (format!("--as-group={MEMBERS}"), format!("--as-group={OTHERS}"));
    let listed =
        kubectl(&["get", "configmap", "-n", WIKI_NAMESPACE, "-l", "restward.io/managed=true", "-o", "name"]);
    let object = listed.await?.lines().next().context("no ConfigMap of Restward")?.to_owned();
    let refused = run_refused("kubectl", &change(&object, "example.test/a=refused", &members), None).await?;
    ensure!(refused.contains("restward"), "refused by somebody else: {refused}");

    chart_says(&format!("[\"{MEMBERS}\"]")).await?;
    // Once more each time: until the operator has filled in the new webhook configuration nobody is told.
    let uses = AtomicU32::new(0);
    eventually("the glass breaks and is told of", QUICK, || async {
        let note = format!("example.test/a=b-{}", uses.fetch_add(1, Ordering::Relaxed));
        kubectl(&change(&object, &note, &members)).await?;
        told(&object).await
    })
    .await?;
    run_refused("kubectl", &change(&object, "example.test/a=refused", &others), None).await?;

    let before = policy::read().await?["status"]["breakGlass"]["time"].clone();
    kubectl(&change(&object, "example.test/a-", &members)).await?;
    eventually("the next use is told of", QUICK, || async {
        let now = policy::read().await?["status"]["breakGlass"]["time"].clone();
        ensure!(now != before, "{now}");
        Ok(())
    })
    .await
}

async fn told(object: &str) -> Result<()> {
    let status = policy::read().await?["status"].clone();
    let (_, name) = object.split_once('/').context("no name")?;
    ensure!(status["breakGlass"]["what"] == "ManagedObjectChanged", "{}", status["breakGlass"]);
    ensure!(status["breakGlass"]["object"] == format!("ConfigMap {name}"), "{}", status["breakGlass"]);
    ensure!(status["advisories"].to_string().contains("BreakGlass: "), "{}", status["advisories"]);
    ensure!(!status.to_string().contains(USER), "status names the user");
    let events = ["get", "events", "-n", WIKI_NAMESPACE, "--field-selector", "reason=BreakGlassUsed"];
    let events = kubectl_json(&events).await?;
    let kinds: Vec<_> = events["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|event| event["message"].as_str().is_some_and(|note| note.contains(USER)))
        .filter_map(|event| event["involvedObject"]["kind"].as_str())
        .collect();
    ensure!(kinds.contains(&"ConfigMap") && kinds.contains(&"RestApiAuthPolicy"), "{kinds:?}");
    Ok(())
}
