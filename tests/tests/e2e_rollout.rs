//! `rollout.strategy: Automatic`. Runs after the guide, which leaves the wiki's policy Ready, and leaves it so.
#![cfg(feature = "cluster-tests")]

use anyhow::{Result, ensure};
use restward_tests::{
    command::kubectl,
    keycloak::user_token,
    policy::{self, until},
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, ECHO, get},
    world::{WIKI, WIKI_NAMESPACE, WIKI_POD, World},
};
use serde_json::{Value, json};

const MARK: &str = "restward.io/injection-hash";

async fn of(kind: &str, name: &str, path: &str) -> Result<String> {
    let path = format!("jsonpath={path}");
    kubectl(&["get", kind, name, "-n", WIKI_NAMESPACE, "-o", &path]).await
}

async fn pod_uid() -> Result<String> {
    of("pod", WIKI_POD, "{.metadata.uid}").await
}

/// What the pod was injected with, and what the template says.
async fn hashes() -> Result<(String, String)> {
    let annotation = |name: &str| name.replace('.', "\\.");
    let pod = format!("{{.metadata.annotations.{}}}", annotation("restward.io/injected-hash"));
    let template = format!("{{.spec.template.metadata.annotations.{}}}", annotation(MARK));
    Ok((of("pod", WIKI_POD, &pod).await?, of("statefulset", WIKI, &template).await?))
}

async fn change_set(change: &Value) -> Result<()> {
    let change = change.to_string();
    let patch = ["patch", "statefulset", WIKI, "-n", WIKI_NAMESPACE, "--type=merge", "-p", &change];
    kubectl(&patch).await.map(drop)
}

async fn injected(status: &str, reason: &str) -> Result<String> {
    until(WIKI_NAMESPACE, policy::NAME, "Injected", status, reason, SLOW).await
}

/// Changes the policy, and waits for what comes of it.
async fn changes(world: &World, change: &Value) -> Result<String> {
    let old = pod_uid().await?;
    policy::patch(&json!({"spec": change}).to_string()).await?;
    eventually("another pod comes by itself", SLOW, || async {
        let now = pod_uid().await?;
        ensure!(now != old, "it is the same pod");
        Ok(())
    })
    .await?;
    injected("True", "Injected").await?;
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await?;
    let (pod, template) = hashes().await?;
    ensure!(pod == template, "the pod has {pod}, the template {template}");
    let token = Auth::Bearer(user_token(world, "alice").await?);
    eventually("a token names its user", SLOW, || async {
        let answer = get(world, ECHO, &token).await?;
        ensure!(answer.echoed_user().as_deref() == Some("alice"), "{} {:?}", answer.status, answer.reason());
        Ok(())
    })
    .await?;
    Ok(template)
}

/// One test, as all of it changes the same workload.
#[tokio::test]
async fn a_change_of_the_policy_reaches_its_pods_by_itself() {
    let world = World::find().await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
    nothing_restarts_without_a_reason().await.unwrap();
    let off = changes(&world, &json!({"loopbackBind": "Off"})).await.unwrap();
    let auto = changes(&world, &json!({"loopbackBind": null})).await.unwrap();
    assert_ne!(off, auto);
    what_is_taken_back_is_told().await.unwrap();
    policy::patch(r#"{"spec":{"rollout":null}}"#).await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
}

async fn nothing_restarts_without_a_reason() -> Result<()> {
    let old = pod_uid().await?;
    policy::patch(r#"{"spec":{"rollout":{"strategy":"Automatic"}}}"#).await?;
    injected("True", "Injected").await?;
    policy::patch(r#"{"spec":{"deniedUsers":["nobody"]}}"#).await?;
    until(WIKI_NAMESPACE, policy::NAME, "ConfigCurrent", "True", "Current", QUICK).await?;
    policy::patch(r#"{"spec":{"deniedUsers":null}}"#).await?;
    injected("True", "Injected").await?;
    ensure!(pod_uid().await? == old, "the pod was restarted");
    Ok(())
}

/// With a partition, so that the pod stays as it is until somebody deletes it.
async fn what_is_taken_back_is_told() -> Result<()> {
    let partition =
        |number: u32| json!({"spec": {"updateStrategy": {"rollingUpdate": {"partition": number}}}});
    change_set(&partition(1)).await?;
    policy::patch(r#"{"spec":{"loopbackBind":"Off"}}"#).await?;
    eventually("the partition is told", SLOW, || async {
        let said = injected("True", "RolloutBlocked").await?;
        ensure!(said.contains("keeps pods below partition 1"), "{said}");
        Ok(())
    })
    .await?;
    change_set(&json!({"spec": {"template": {"metadata": {"annotations": {MARK: null}}}}})).await?;
    eventually("it is told that somebody took it back", QUICK, || async {
        let said = injected("True", "RolloutBlocked").await?;
        ensure!(said.contains("ignoreDifferences"), "{said}");
        Ok(())
    })
    .await?;
    let (_, template) = hashes().await?;
    ensure!(template.is_empty(), "it was put there again: {template}");
    // The pod was never touched, so it is right again; only now may its controller have it.
    policy::patch(r#"{"spec":{"loopbackBind":null}}"#).await?;
    injected("True", "Injected").await?;
    change_set(&partition(0)).await?;
    let workload = format!("statefulset/{WIKI}");
    kubectl(&["rollout", "status", &workload, "-n", WIKI_NAMESPACE, "--timeout=300s"]).await.map(drop)
}
