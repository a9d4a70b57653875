//! Things go wrong with the operator, the webhook and the API server, while pods are made and the wiki is called all the time.
//! Whatever happens, no pod comes without the sidecar, no valid call fails, nothing is lost, and it settles.
//!
//! - [`admissions`]: pods that are made all the time, as dry runs
//! - [`process`]: the operator's and the API server's processes on this node
//! - [`operator`]: the operator's Deployment, its leader and its certificate authority

mod admissions;
mod operator;
mod process;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::{
    caller::Caller,
    command::{kubectl, run},
    policy::{self, until},
    table::Table,
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, ECHO, get},
    world::{WIKI_NAMESPACE, World},
};
use admissions::{Admissions, Tally};
use process::{Process, cluster_script};

/// Everything that is tried; the wiki's policy is Ready before and after.
///
/// # Errors
/// When the cluster does not answer, or does not settle.
pub async fn run_all(world: &World) -> Result<Table> {
    let mut table = Table::default();
    operator::complete().await?;
    settled().await?;
    let caller = Caller::start(world, "wiki-rest", 100);
    upgrade(&mut table).await?;
    authority(&mut table).await?;
    leader_killed(&mut table).await?;
    if cluster_is_ours() {
        leader_paused(&mut table).await?;
        all_paused(&mut table).await?;
        api_server_killed(&mut table).await?;
    } else {
        table.section("Processes paused and killed: not tried, as the cluster is not the tests' own");
    }
    flipped(world, &mut table).await?;
    let seen = caller.stop().await?;
    table.add("a caller with a token, all the while", "200 each time", seen.to_string(), seen.is_clean());
    settled().await?;
    Ok(table)
}

fn cluster_is_ours() -> bool {
    !std::env::var("RESTWARD_USE_KUBECONFIG").is_ok_and(|value| value == "1")
}

async fn settled() -> Result<()> {
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.map(drop)
}

/// Nothing may be refused.
fn without_a_refusal(table: &mut Table, what: &str, tally: &Tally) {
    table.add(
        what,
        "each pod injected",
        tally.shown(),
        tally.nothing_came_through() && tally.refused() == 0 && tally.injected() > 0,
    );
}

/// Refusals are allowed, a pod without the sidecar is not.
fn closed(table: &mut Table, what: &str, tally: &Tally) {
    table.add(what, "no pod without the sidecar", tally.shown(), tally.nothing_came_through());
}

async fn upgrade(table: &mut Table) -> Result<()> {
    table.section("The operator is upgraded");
    let admissions = Admissions::start().await?;
    operator::restart().await?;
    without_a_refusal(table, "all replicas replaced, one after another", &admissions.stop().await?);
    settled().await
}

async fn authority(table: &mut Table) -> Result<()> {
    table.section("The webhook's certificate authority is replaced");
    let before = operator::trusted().await?;
    operator::one_more().await?;
    let admissions = Admissions::start().await?;
    operator::replace_authority().await?;
    eventually("another authority signs, and the one before is trusted", QUICK, || async {
        let now = operator::trusted().await?;
        ensure!(
            now.len() == 2 && now.first() != before.first() && now.get(1) == before.first(),
            "{} certificates",
            now.len()
        );
        Ok(())
    })
    .await?;
    // Each replica has a leaf of it by now, or shows one that is trusted still.
    operator::restart().await?;
    operator::end_the_authority_before().await?;
    eventually("only the new authority is trusted", QUICK, || async {
        let now = operator::trusted().await?;
        ensure!(now.len() == 1 && now != before, "{} certificates", now.len());
        Ok(())
    })
    .await?;
    without_a_refusal(
        table,
        "announced to three replicas, promoted, and the one before forgotten",
        &admissions.stop().await?,
    );
    operator::one_less().await
}

async fn leader_killed(table: &mut Table) -> Result<()> {
    table.section("The leader is killed");
    let leader = operator::leader().await?;
    let admissions = Admissions::start().await?;
    kubectl(&["delete", "pod", &leader, "-n", operator::NAMESPACE, "--grace-period=0", "--force"]).await?;
    let next = operator::another_leads_than(&leader).await?;
    a_change_is_programmed("killed").await?;
    table.add("another replica leads", "another", &next, next != leader);
    closed(table, "pods meanwhile", &admissions.stop().await?);
    operator::complete().await
}

/// As when a node stops for a while: the replica leads by its own belief, and wakes in the middle of what it did.
async fn leader_paused(table: &mut Table) -> Result<()> {
    table.section("The leader is paused until another leads");
    let leader = operator::leader().await?;
    let restarts = operator::restarts(&leader).await?;
    let process = Process::of_operator(&leader).await?;
    let admissions = Admissions::start().await?;
    process.pause().await?;
    let next = operator::another_leads_than(&leader).await?;
    a_change_is_programmed("paused").await?;
    let programmed = operator::configuration().await?;
    process.go_on().await?;
    eventually("the one that was paused ends", QUICK, || async {
        let now = operator::restarts(&leader).await?;
        ensure!(now > restarts, "{now} restarts");
        Ok(())
    })
    .await?;
    let now = operator::configuration().await?;
    table.add(
        "what the next leader wrote, when the one before wakes",
        "as it was",
        if now == programmed { "as it was" } else { "changed" },
        now == programmed,
    );
    let leads = operator::leader().await?;
    table.add("who leads then", &next, &leads, leads == next);
    closed(table, "pods meanwhile", &admissions.stop().await?);
    operator::complete().await
}

/// The webhook accepts connections and never answers.
async fn all_paused(table: &mut Table) -> Result<()> {
    table.section("The webhook does not answer");
    let mut processes = Vec::new();
    for pod in operator::pods().await? {
        processes.push(Process::of_operator(&pod).await?);
    }
    let admissions = Admissions::start().await?;
    for process in &processes {
        process.pause().await?;
    }
    let refused = admissions.until_refused().await;
    for process in &processes {
        process.go_on().await?;
    }
    refused?;
    admissions.until_injected().await?;
    closed(table, "pods before, meanwhile and after", &admissions.stop().await?);
    operator::complete().await?;
    settled().await
}

async fn api_server_killed(table: &mut Table) -> Result<()> {
    table.section("The API server is killed");
    let admissions = Admissions::start().await?;
    let server = Process::of_daemon("kube-apiserver").await?;
    server.kill().await?;
    run(&cluster_script("up"), &[], None).await?;
    admissions.until_injected().await?;
    a_change_is_programmed("away").await?;
    closed(table, "pods before and after", &admissions.stop().await?);
    Ok(())
}

/// The last word counts, in the sidecar too.
async fn flipped(world: &World, table: &mut Table) -> Result<()> {
    table.section("The policy is changed every second");
    for turn in 0..20 {
        let mode = if turn % 2 == 0 { "Allow" } else { "Deny" };
        policy::patch(&json!({"spec": {"basicAuth": {"mode": mode}}}).to_string()).await?;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    until(WIKI_NAMESPACE, policy::NAME, "ConfigCurrent", "True", "Current", QUICK).await?;
    let answer = get(world, ECHO, &Auth::Basic("alice", "alice-password")).await?;
    table.refused("a password, as the last change denies it", 401, "basic_denied", &answer);
    policy::create().await?;
    settled().await
}

/// Changes the policy, and waits for it to be in the pods.
async fn a_change_is_programmed(name: &str) -> Result<()> {
    policy::patch(&json!({"spec": {"deniedUsers": [name]}}).to_string()).await?;
    until(WIKI_NAMESPACE, policy::NAME, "ConfigCurrent", "True", "Current", QUICK).await?;
    policy::patch(r#"{"spec":{"deniedUsers":null}}"#).await?;
    until(WIKI_NAMESPACE, policy::NAME, "ConfigCurrent", "True", "Current", QUICK).await.map(drop)
}
