//! Confluence as it is without Restward, then the policy and the restart that it asks for.

use anyhow::Result;
use reqwest::Method;

use crate::{
    command::{follow, kubectl},
    policy,
    table::Table,
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, CONTENT, call, get},
    world::{WIKI, WIKI_NAMESPACE, World},
};

pub(super) async fn without_a_policy(world: &World, table: &mut Table) -> Result<()> {
    table.section("Confluence without Restward");
    let answer = get(world, CONTENT, &Auth::Basic("alice", "alice-password")).await?;
    table.status("Basic login", 200, &answer);
    let answer = get(world, "/status", &Auth::None).await?;
    table.status("/status", 200, &answer);
    Ok(())
}

pub(super) async fn policy_and_restart(world: &World, table: &mut Table) -> Result<()> {
    table.section("kubectl apply of the policy");
    policy::create().await?;
    let message =
        policy::until(WIKI_NAMESPACE, policy::NAME, "Injected", "False", "RestartRequired", QUICK).await?;
    let command = format!("kubectl rollout restart statefulset/{WIKI} -n {WIKI_NAMESPACE}");
    table.add(
        "status names the command that restarts the pods",
        &command,
        message.find("kubectl ").and_then(|at| message.get(at..)).unwrap_or(&message),
        message.contains(&command),
    );

    policy::is_shown_as(table, "Suspended").await?;
    follow(&message).await?;
    kubectl(&["rollout", "status", &format!("statefulset/{WIKI}"), "-n", WIKI_NAMESPACE, "--timeout=360s"])
        .await?;
    policy::until(WIKI_NAMESPACE, policy::NAME, "Injected", "True", "Injected", SLOW).await?;
    let pods = policy::read().await?["status"]["pods"].as_str().unwrap_or_default().to_owned();
    table.add("the restarted pod has the sidecar", "1/1", &pods, pods == "1/1");

    // Through an API server (`reach`) the way ended with the pod before.
    let status = || call(world, Method::GET, "/status", &Auth::None);
    let answer = eventually("the restarted pod is reached", QUICK, status).await?;
    table.status("/status through the sidecar", 200, &answer);
    Ok(())
}
