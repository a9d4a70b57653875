//! Tomcat on a Unix socket only. Runs after the guide, which leaves the wiki's policy Ready, and leaves it so.
#![cfg(feature = "cluster-tests")]

use anyhow::{Context as _, Result, ensure};
use restward_tests::{
    command::kubectl,
    policy::{self, until},
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, CONTENT, get, in_confluence, token_names_its_user},
    world::{WIKI, WIKI_NAMESPACE, WIKI_POD, World},
};

const SOCKET: &str = "/run/restward/tomcat/tomcat.sock";
/// 18090, and that a socket listens, as the kernel shows them.
const TOMCAT_PORT: &str = ":46AA";
const LISTENS: &str = "0A";

async fn of_pod(path: &str) -> Result<String> {
    let path = format!("jsonpath={path}");
    kubectl(&["get", "pod", WIKI_POD, "-n", WIKI_NAMESPACE, "-o", &path]).await
}

/// Changes the policy, and makes the pods anew.
async fn intercept(by: &str) -> Result<()> {
    policy::patch(&format!(r#"{{"spec":{{"interception":{by}}}}}"#)).await?;
    until(WIKI_NAMESPACE, policy::NAME, "Accepted", "True", "Accepted", QUICK).await?;
    let workload = format!("statefulset/{WIKI}");
    // The operator programs the change within seconds; a pod of before would be as it was.
    eventually("pods come as the policy says", SLOW, || async {
        kubectl(&["rollout", "restart", &workload, "-n", WIKI_NAMESPACE]).await?;
        kubectl(&["rollout", "status", &workload, "-n", WIKI_NAMESPACE, "--timeout=300s"]).await?;
        let volumes = of_pod("{.spec.volumes[*].name}").await?;
        ensure!(volumes.contains("restward-socket") == (by != "null"), "{volumes}");
        Ok(())
    })
    .await?;
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.map(drop)
}

/// One test, as all of it changes the same workload.
#[tokio::test]
async fn tomcat_has_no_port_but_a_unix_socket() {
    let world = World::find().await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
    intercept("\"UnixSocket\"").await.unwrap();
    there_is_no_port(&world).await.unwrap();
    a_killed_tomcat_comes_back(&world).await.unwrap();
    intercept("null").await.unwrap();
}

async fn there_is_no_port(world: &World) -> Result<()> {
    let file = in_confluence(&["stat", "-c", "%A %u %g", SOCKET]).await?;
    ensure!(file.trim() == "srw-rw---- 2002 2002", "{file}");
    let sockets = in_confluence(&["cat", "/proc/net/tcp", "/proc/net/tcp6"]).await?;
    let is_tomcat = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns.get(1).is_some_and(|address| address.ends_with(TOMCAT_PORT))
            && columns.get(3) == Some(&LISTENS)
    };
    ensure!(!sockets.lines().any(is_tomcat), "something listens on port 18090: {sockets}");
    is_served(world).await
}

async fn is_served(world: &World) -> Result<()> {
    until(WIKI_NAMESPACE, policy::NAME, "Enforced", "True", "Verified", SLOW).await?;
    ensure!(get(world, CONTENT, &Auth::None).await?.status == 401, "anonymous");
    token_names_its_user(world, SLOW).await
}

/// Its socket's file stays, on which the next one could not listen; the sidecar removes it. The kernel kills process 1 for a
/// signal only when that asks for it, as the JVM does for this one.
async fn a_killed_tomcat_comes_back(world: &World) -> Result<()> {
    let restarts = || async {
        let count = of_pod("{.status.containerStatuses[?(@.name==\"confluence\")].restartCount}").await?;
        count.parse::<u32>().context("a count")
    };
    let before = restarts().await?;
    in_confluence(&["sh", "-c", "kill -SEGV 1"]).await?;
    eventually("the container starts again", SLOW, || async {
        let now = restarts().await?;
        ensure!(now > before, "{now} restarts");
        Ok(())
    })
    .await?;
    is_served(world).await
}
