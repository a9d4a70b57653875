//! To Tomcat's own port over the network: from wherever a call can come, by whatever address.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use super::{
    attempt::{Attempt, FRONT, TOMCAT, exec, marked_path},
    site::{self, NAMESPACE, NEIGHBOUR, NODE, POD, WORKLOAD},
};
use crate::{
    command::{apply, kubectl, run_refused},
    table::Table,
    wait::{QUICK, eventually},
};

/// Confluence's container.
const INSIDE: &str = "way-confluence-0/confluence";
/// What comes of a call without a credential when the sidecar answers it.
const SIDECAR: &str = "401";

pub(super) async fn from_everywhere(table: &mut Table) -> Result<()> {
    table.section("The network");
    let address = site::address().await?;
    let what = "the front: pod address:8090 without a credential";
    Attempt::from(NEIGHBOUR, &address, FRONT).await?.is_closed(table, what).await?;
    let what = "the front: pod address:8090 by a password that the policy allows";
    let by_password = Attempt::with(NEIGHBOUR, &address, FRONT, &["--user", "alice:alice-password"]).await?;
    by_password.is_at_confluence_as(table, what, "alice").await?;

    to_tomcat(table, &address, "").await?;
    by_forwarding(table).await?;
    every_open_port(table, &address).await?;
    on_loopback(table).await
}

/// The same with a Tomcat that listens everywhere, so that nothing but the valve refuses.
pub(super) async fn to_the_valve(table: &mut Table) -> Result<()> {
    table.section("The network, with loopbackBind: Off");
    let address = site::address().await?;
    let answered = Attempt::from(NEIGHBOUR, &address, TOMCAT).await?;
    ensure!(answered.status() == "403", "{answered:?}");
    to_tomcat(table, &address, "loopbackBind: Off, ").await
}

async fn to_tomcat(table: &mut Table, address: &str, when: &str) -> Result<()> {
    for (place, what) in [
        (NEIGHBOUR, "pod address:18090 from another pod, as if from 127.0.0.1"),
        (NODE, "pod address:18090 from a pod on the node's network"),
        (INSIDE, "pod address:18090 from the same pod, as if from 127.0.0.1"),
    ] {
        Attempt::from(place, address, TOMCAT).await?.is_closed(table, &format!("{when}{what}")).await?;
    }
    over_ipv6(table, when).await?;
    by_services(table, when).await?;
    by_the_api_server(table, when).await
}

/// The test cluster gives pods no IPv6 addresses; the kernel does, on the link.
async fn over_ipv6(table: &mut Table, when: &str) -> Result<()> {
    let what = &format!("{when}pod's IPv6 address on the link, port 18090, from another pod");
    // Address without colons, index, prefix length, scope, flags, device.
    let addresses = exec(INSIDE, &["cat", "/proc/net/if_inet6"]).await?;
    let on_the_link = addresses.lines().find(|line| line.starts_with("fe80") && line.ends_with("eth0"));
    let Some(digits) = on_the_link.and_then(|line| line.get(..32)) else {
        table.add(what, "not at Confluence", "pods have no IPv6 here", true);
        return Ok(());
    };
    let groups: Vec<&str> = (0..8).filter_map(|group| digits.get(group * 4..group * 4 + 4)).collect();
    let host = format!("[{}%25eth0]", groups.join(":"));
    Attempt::from(NEIGHBOUR, &host, TOMCAT).await?.is_closed(table, what).await
}

/// Services are anybody's who may edit them: where they lead is no protection, and need be none.
async fn by_services(table: &mut Table, when: &str) -> Result<()> {
    let host = cluster_ip(WORKLOAD).await?;
    leads(WORKLOAD, "18090").await?;
    let edited = through(&host, 80, |status| status != SIDECAR).await;
    leads(WORKLOAD, "\"http\"").await?;
    edited?.is_closed(table, &format!("{when}the Service edited to targetPort 18090")).await?;

    let by_node = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "by-node", "namespace": NAMESPACE},
        "spec": {"type": "NodePort", "selector": site::labels(), "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}});
    apply(&by_node.to_string()).await?;
    let port = ["get", "service", "by-node", "-n", NAMESPACE, "-o", "jsonpath={.spec.ports[0].nodePort}"];
    let port = kubectl(&port).await?.parse()?;
    let host = kubectl(&["get", "pod", NODE, "-n", NAMESPACE, "-o", "jsonpath={.status.hostIP}"]).await?;
    through(&host, port, |status| status == SIDECAR).await?;
    leads("by-node", "18090").await?;
    let edited = through(&host, port, |status| status != SIDECAR).await;
    kubectl(&["delete", "service", "by-node", "-n", NAMESPACE]).await?;
    edited?.is_closed(table, &format!("{when}a NodePort to targetPort 18090")).await
}

async fn leads(service: &str, port: &str) -> Result<()> {
    let patch = format!(r#"{{"spec":{{"ports":[{{"name":"http","port":80,"targetPort":{port}}}]}}}}"#);
    kubectl(&["patch", "service", service, "-n", NAMESPACE, "-p", &patch]).await.map(drop)
}

async fn cluster_ip(service: &str) -> Result<String> {
    kubectl(&["get", "service", service, "-n", NAMESPACE, "-o", "jsonpath={.spec.clusterIP}"]).await
}

/// The first call with such a status, as Services change a moment after they are edited.
async fn through(host: &str, port: u16, is_meant: fn(&str) -> bool) -> Result<Attempt> {
    eventually("the Service is as it was edited", QUICK, || async {
        let attempt = Attempt::from(NEIGHBOUR, host, port).await?;
        ensure!(is_meant(attempt.status()), "{attempt:?}");
        Ok(attempt)
    })
    .await
}

async fn by_the_api_server(table: &mut Table, when: &str) -> Result<()> {
    let (path, marker) = marked_path();
    let proxied = format!("/api/v1/namespaces/{NAMESPACE}/pods/{POD}:{TOMCAT}/proxy{path}");
    let status = match run_refused("kubectl", &["get", "--raw", &proxied], None).await {
        Ok(_) => "refused",
        Err(_) => "200",
    };
    let what = format!("{when}the API server's proxy (pods/proxy) to port 18090");
    Attempt::made(marker, status).is_closed(table, &what).await
}

async fn by_forwarding(table: &mut Table) -> Result<()> {
    let what = "kubectl port-forward to port 8090";
    forwarded(FRONT).await?.is_closed(table, what).await?;
    let what = "trusted: kubectl port-forward to port 18090 ends on the pod's loopback";
    forwarded(TOMCAT).await?.is_at_confluence_as(table, what, "nobody").await
}

/// A call from this machine through `kubectl port-forward`.
async fn forwarded(port: u16) -> Result<Attempt> {
    let (path, marker) = marked_path();
    let mut forward = Command::new("kubectl")
        .args(["port-forward", POD, "-n", NAMESPACE, &format!(":{port}")])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    // "Forwarding from 127.0.0.1:43210 -> 18090"
    let mut lines = BufReader::new(forward.stdout.take().context("no output")?).lines();
    let line = lines.next_line().await?.context("kubectl port-forward said nothing")?;
    let local = line.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).context(line.clone())?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let answer = client.get(format!("http://{local}{path}")).send().await?;
    Ok(Attempt::made(marker, answer.status().as_str()))
}

/// Ports of the pod on which something listens.
pub(super) async fn listening() -> Result<Vec<u16>> {
    const LISTEN: &str = "0A";
    let sockets = exec(INSIDE, &["cat", "/proc/net/tcp", "/proc/net/tcp6"]).await?;
    let mut ports: Vec<u16> = sockets
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|columns| columns.get(3) == Some(&LISTEN))
        .filter_map(|columns| u16::from_str_radix(columns.get(1)?.rsplit_once(':')?.1, 16).ok())
        .collect();
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

async fn every_open_port(table: &mut Table, address: &str) -> Result<()> {
    let ports = listening().await?;
    ensure!(ports.contains(&TOMCAT) && ports.contains(&FRONT), "{ports:?}");
    for port in ports.into_iter().filter(|port| ![TOMCAT, FRONT].contains(port)) {
        let what =
            if port == 19090 { "the sidecar's admin port 19090" } else { "another open port of the pod" };
        Attempt::from(NEIGHBOUR, address, port).await?.is_closed(table, what).await?;
    }
    Ok(())
}

/// What the valve lets in, and who may run something there is trusted.
async fn on_loopback(table: &mut Table) -> Result<()> {
    let what = "trusted: kubectl exec in the Confluence container, 127.0.0.1:18090";
    Attempt::from(INSIDE, "127.0.0.1", TOMCAT).await?.is_at_confluence_as(table, what, "nobody").await?;
    let what = "kubectl exec in the Confluence container, [::1]:18090";
    Attempt::from(INSIDE, "[::1]", TOMCAT).await?.is_closed(table, what).await
}
