//! A Confluence of two pods under a Deployment: injection, changes, another sidecar and the policy's end all come by
//! themselves. Runs after the guide, beside the wiki's policy, and leaves nothing.
#![cfg(feature = "cluster-tests")]
#![allow(clippy::indexing_slicing, reason = "indexing a JSON value by a name gives Null, it does not panic")]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use restward_tests::{
    caller::{Caller, Seen},
    command::kubectl,
    handbook::{self, NAME, REPLICAS},
    policy::until,
    release::{self, TAGS, image},
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, CONTENT, ECHO, get, token_names_its_user},
    world::{OPERATOR, World},
};
use serde_json::{Value, json};

const SIDECAR: &str = "restward-proxy";
const CLIENT: &str = "wiki-rest";
const ROUNDS_PER_TOKEN: u32 = 250;

/// Connections that the caller may have kept to one pod.
const KEPT: usize = 3;

/// One test, as all of it changes the same workload.
#[tokio::test(flavor = "multi_thread")]
async fn two_pods_of_a_deployment_follow_their_policy() {
    let demo = World::find().await.unwrap();
    handbook::create().await.unwrap();
    let (world, _way) = handbook::world(&demo).await.unwrap();
    is_open(&world).await.unwrap();

    handbook::create_policy().await.unwrap();
    every_pod_enforces().await.unwrap();
    is_enforced(&world).await.unwrap();
    let change = json!({"spec": {"loopbackBind": "Off"}});
    let seen = makes_new_pods_once(&world, &change, async { Ok(()) }).await.unwrap();
    println!("while pods were made anew a caller saw {seen}");
    let change = json!({"spec": {"loopbackBind": null}});
    let seen = makes_new_pods_once(&world, &change, kill_the_operator()).await.unwrap();
    println!("the same, and the operator was killed: {seen}");
    another_change_makes_none(&world).await.unwrap();
    let seen = another_sidecar_comes_to_one_pod_after_the_other(&world).await.unwrap();
    println!("while sidecars were replaced a caller saw {seen}");

    kubectl(&["delete", "restapiauthpolicy", NAME, "-n", NAME, "--timeout=360s"]).await.unwrap();
    nothing_is_left(&world).await.unwrap();
    kubectl(&["delete", "namespace", NAME, "--timeout=300s"]).await.unwrap();
}

async fn is(kind: &str, reason: &str, patience: Duration) -> Result<String> {
    until(NAME, NAME, kind, "True", reason, patience).await
}

/// Status counts the pods, and says that all is well.
async fn every_pod_enforces() -> Result<()> {
    eventually("both pods enforce the policy", SLOW, || async {
        let workload = handbook::policy().await?["status"]["workloads"][0].clone();
        let counts = ["pods", "injected", "current", "enforced", "imageCurrent"];
        let all = counts.iter().all(|count| workload[count] == REPLICAS);
        ensure!(all && workload["kind"] == "Deployment", "{workload}");
        Ok(())
    })
    .await?;
    is("Injected", "Injected", SLOW).await?;
    is("ConfigCurrent", "Current", QUICK).await?;
    is("Ready", "Ready", SLOW).await.map(drop)
}

/// What is not Confluence's own answer has a reason.
async fn is_enforced(world: &World) -> Result<()> {
    let anonymous = get(world, CONTENT, &Auth::None).await?;
    ensure!(anonymous.status == 401 && anonymous.reason().is_some(), "{anonymous:?}");
    token_names_its_user(world, SLOW).await
}

/// Confluence answers by itself: a token is nothing to it, a password is.
async fn is_open(world: &World) -> Result<()> {
    let anonymous = get(world, CONTENT, &Auth::None).await?;
    ensure!(anonymous.reason().is_none(), "{anonymous:?}");
    let answer = get(world, ECHO, &Auth::Basic("alice", "alice-password")).await?;
    ensure!(answer.echoed_user().as_deref() == Some("alice"), "{answer:?}");
    Ok(())
}

/// Nobody is taken for somebody else or nobody. A connection that is kept to a pod that ends finds Confluence away there, once.
async fn stop(mut caller: Caller) -> Result<Seen> {
    caller.goes_on(100).await?;
    let seen = caller.stop().await?;
    let is_away =
        |what: &String| ["502 upstream_unreachable", "503 user_check_unavailable"].contains(&what.as_str());
    ensure!(seen.other.keys().all(is_away), "a valid token was refused: {seen:?}");
    Ok(seen)
}

async fn names() -> Result<Vec<String>> {
    let pods = handbook::pods().await?;
    let mut names: Vec<String> = pods.iter().map(|pod| pod["metadata"]["name"].to_string()).collect();
    names.sort();
    Ok(names)
}

/// Changes what pods are injected with; does something else as soon as the first of the new pods is asked for.
async fn makes_new_pods_once(
    world: &World,
    change: &Value,
    meanwhile: impl Future<Output = Result<()>>,
) -> Result<Seen> {
    let (before, revision) = (names().await?, handbook::revision().await?);
    let caller = Caller::start(world, CLIENT, ROUNDS_PER_TOKEN);
    handbook::patch(change).await?;
    eventually("the Deployment is rolled out", QUICK, || async {
        ensure!(handbook::revision().await? > revision);
        Ok(())
    })
    .await?;
    meanwhile.await?;
    eventually("other pods come by themselves", SLOW, || async {
        let now = names().await?;
        ensure!(now.len() == REPLICAS && now.iter().all(|pod| !before.contains(pod)), "{now:?}");
        Ok(())
    })
    .await?;
    every_pod_enforces().await?;
    // A connection may be kept to one of them as long as it ends.
    eventually("those before are gone", SLOW, || async {
        let left = handbook::pods_and_ending().await?.len();
        ensure!(left == REPLICAS, "{left} pods");
        Ok(())
    })
    .await?;
    let seen = stop(caller).await?;
    let failed: u64 = seen.other.values().sum();
    ensure!(
        seen.lost.is_empty() && failed <= (KEPT * REPLICAS) as u64,
        "pods that ended went on answering: {seen:?}"
    );
    ensure!(handbook::revision().await? == revision + 1, "it was rolled out more than once");
    is_enforced(world).await?;
    Ok(seen)
}

/// Both replicas at once, without a word: the webhook is away as well until the next ones are there.
async fn kill_the_operator() -> Result<()> {
    let of_the_operator = ["-n", OPERATOR, "-l", "app.kubernetes.io/component=operator"];
    let killed = [&["delete", "pods", "--force", "--grace-period=0"], &of_the_operator[..]].concat();
    kubectl(&killed).await?;
    let deployment = format!("deployment/{OPERATOR}");
    kubectl(&["rollout", "status", &deployment, "-n", OPERATOR, "--timeout=180s"]).await.map(drop)
}

/// It is live in both pods, and they are the same.
async fn another_change_makes_none(world: &World) -> Result<()> {
    let (before, revision) = (names().await?, handbook::revision().await?);
    let caller = Caller::start(world, CLIENT, ROUNDS_PER_TOKEN);
    handbook::patch(&json!({"spec": {"deniedUsers": ["nobody"]}})).await?;
    every_pod_enforces().await?;
    handbook::patch(&json!({"spec": {"deniedUsers": null}})).await?;
    every_pod_enforces().await?;
    caller.stop_clean().await?;
    ensure!(names().await? == before && handbook::revision().await? == revision, "pods were made anew");
    Ok(())
}

async fn another_sidecar_comes_to_one_pod_after_the_other(world: &World) -> Result<Seen> {
    let [dev, again] = TAGS;
    let (before, revision) = (names().await?, handbook::revision().await?);
    release::tag_again().await?;
    let caller = Caller::start(world, CLIENT, ROUNDS_PER_TOKEN);
    release::set_sidecar(again).await?;
    run_sidecar(again).await?;
    let seen = stop(caller).await?;
    one_came_after_the_other(&handbook::pods().await?)?;
    release::set_sidecar(dev).await?;
    run_sidecar(dev).await?;
    one_came_after_the_other(&handbook::pods().await?)?;
    ensure!(names().await? == before && handbook::revision().await? == revision, "pods were made anew");
    is_enforced(world).await?;
    Ok(seen)
}

fn of_the_name<'a>(list: &'a Value, name: &str) -> Result<&'a Value> {
    list.as_array()
        .and_then(|list| list.iter().find(|item| item["name"] == name))
        .context("no such container")
}

async fn run_sidecar(tag: &str) -> Result<()> {
    eventually(&format!("both pods run the sidecar {tag}"), SLOW, || async {
        for pod in handbook::pods().await? {
            let sidecar = of_the_name(&pod["spec"]["initContainers"], SIDECAR)?;
            ensure!(sidecar["image"] == image(tag), "{}", sidecar["image"]);
            let note = &pod["metadata"]["annotations"]["restward.io/replaced-container"];
            ensure!(note.is_null(), "it is not well with it yet: {note}");
        }
        Ok(())
    })
    .await?;
    every_pod_enforces().await
}

/// The second sidecar was started when the first one's pod took calls again.
fn one_came_after_the_other(pods: &[Value]) -> Result<()> {
    let mut times = Vec::new();
    for pod in pods {
        let sidecar = of_the_name(&pod["status"]["initContainerStatuses"], SIDECAR)?;
        let started = sidecar["state"]["running"]["startedAt"].as_str().context("it does not run")?;
        let conditions = pod["status"]["conditions"].as_array().context("no conditions")?;
        let ready = conditions.iter().find(|condition| condition["type"] == "Ready").context("not Ready")?;
        times.push((started, ready["lastTransitionTime"].as_str().context("no time")?));
    }
    // RFC 3339 in UTC, to the second: the order of texts is that of times.
    times.sort_unstable();
    let is_in_order = times.windows(2).all(|two| two[0].0 <= two[0].1 && two[0].1 <= two[1].0);
    ensure!(times.len() == REPLICAS && is_in_order, "sidecars started and pods were ready at {times:?}");
    Ok(())
}

/// No sidecar, no configuration, no keys, and Confluence answers by itself.
async fn nothing_is_left(world: &World) -> Result<()> {
    handbook::until_rolled_out().await?;
    for pod in handbook::pods().await? {
        let containers = pod["spec"]["initContainers"].to_string();
        ensure!(!containers.contains(SIDECAR), "a pod has the sidecar still: {containers}");
    }
    let left = kubectl(&["get", "configmaps,secrets", "-n", NAME, "-o", "name"]).await?;
    ensure!(!left.contains("restward"), "{left}");
    eventually("it is open again", QUICK, || is_open(world)).await
}
