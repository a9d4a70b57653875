//! Another image of the sidecar in a wiki that runs. Runs after the guide, which leaves the wiki's policy Ready, and leaves it so.
#![cfg(feature = "cluster-tests")]
#![allow(clippy::indexing_slicing, reason = "indexing a JSON value by a name gives Null, it does not panic")]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use restward_tests::{
    caller::Caller,
    command::kubectl_json,
    policy::{self, until},
    release::{self, TAGS, image},
    wait::{SLOW, eventually},
    wiki::token_names_its_user,
    world::{WIKI, WIKI_NAMESPACE, WIKI_POD, World},
};
use serde_json::Value;

/// A tag that is nowhere.
const NOWHERE: &str = "dev-nowhere";
/// The sidecar ends within 20 s, by its own deadline for calls in flight, and starts in less than one; the rest is the kubelet's.
const LONGEST_GAP: Duration = Duration::from_secs(30);

async fn pod() -> Result<Value> {
    kubectl_json(&["get", "pod", WIKI_POD, "-n", WIKI_NAMESPACE]).await
}

fn of_the_name<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|container| container["name"] == name)
}

fn sidecar(pod: &Value) -> Result<(&Value, &Value)> {
    let name = "restward-proxy";
    let asked = of_the_name(&pod["spec"]["initContainers"], name).context("it has no sidecar")?;
    let status = of_the_name(&pod["status"]["initContainerStatuses"], name).context("it has no status")?;
    Ok((&asked["image"], &status["containerID"]))
}

/// The pod, what was injected, and the StatefulSet's revision.
async fn revision() -> Result<[Value; 5]> {
    let pod = pod().await?;
    let set = kubectl_json(&["get", "statefulset", WIKI, "-n", WIKI_NAMESPACE]).await?;
    Ok([
        pod["metadata"]["uid"].clone(),
        pod["metadata"]["annotations"]["restward.io/injected-hash"].clone(),
        set["metadata"]["generation"].clone(),
        set["status"]["currentRevision"].clone(),
        set["status"]["updateRevision"].clone(),
    ])
}

/// Confluence's container.
async fn confluence() -> Result<[Value; 3]> {
    let pod = pod().await?;
    let status = of_the_name(&pod["status"]["containerStatuses"], "confluence").context("no Confluence")?;
    let started = &status["state"]["running"]["startedAt"];
    Ok([status["containerID"].clone(), status["restartCount"].clone(), started.clone()])
}

/// Waits until the wiki runs this sidecar, and all is well.
async fn upgraded(tag: &str) -> Result<()> {
    eventually(&format!("the sidecar {tag} runs"), SLOW, || async {
        let (pod, policy) = (pod().await?, policy::read().await?);
        let workload = &policy["status"]["workloads"][0];
        ensure!(*sidecar(&pod)?.0 == image(tag), "it is asked for {}", sidecar(&pod)?.0);
        ensure!(workload["imageCurrent"] == 1 && workload["outdated"] == 0, "{workload}");
        let note = &pod["metadata"]["annotations"]["restward.io/replaced-container"];
        ensure!(note.is_null(), "it is not well with it yet: {note}");
        Ok(())
    })
    .await?;
    until(WIKI_NAMESPACE, policy::NAME, "Injected", "True", "Injected", SLOW).await?;
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.map(drop)
}

/// One test, as all of it changes the same release.
#[tokio::test]
async fn another_sidecar_comes_in_place_and_goes_back() {
    let world = World::find().await.unwrap();
    let [dev, again] = TAGS;
    release::tag_again().await.unwrap();
    release::set_sidecar(dev).await.unwrap();
    upgraded(dev).await.unwrap();
    token_names_its_user(&world, SLOW).await.unwrap();

    let (before, inside) = (revision().await.unwrap(), confluence().await.unwrap());
    let container = sidecar(&pod().await.unwrap()).unwrap().1.clone();
    let caller = Caller::start(&world, "wiki-rest", 250);
    release::set_sidecar(again).await.unwrap();
    upgraded(again).await.unwrap();
    token_names_its_user(&world, SLOW).await.unwrap();
    let seen = caller.stop().await.unwrap();
    println!("in the moment of the upgrade a caller saw {seen}");
    assert_eq!(confluence().await.unwrap(), inside, "Confluence was touched");
    assert_eq!(revision().await.unwrap(), before);
    assert_ne!(*sidecar(&pod().await.unwrap()).unwrap().1, container, "it is the same container");
    assert!(seen.well > 0 && seen.longest_gap < LONGEST_GAP, "{seen:?}");
    let refused = seen.other.keys().find(|what| !what.starts_with("503 "));
    assert_eq!(refused, None, "a valid token was refused: {seen:?}");

    release::set_sidecar(NOWHERE).await.unwrap();
    let said =
        until(WIKI_NAMESPACE, policy::NAME, "Injected", "False", "UpgradeStopped", SLOW).await.unwrap();
    assert!(said.contains(&format!("pod {WIKI_POD} does not come up with {}", image(NOWHERE))), "{said}");
    release::set_sidecar(dev).await.unwrap();
    upgraded(dev).await.unwrap();
    token_names_its_user(&world, SLOW).await.unwrap();
    // Confluence's own liveness probe, which goes through the sidecar, may have restarted it meanwhile.
    assert_eq!(revision().await.unwrap(), before);
}
