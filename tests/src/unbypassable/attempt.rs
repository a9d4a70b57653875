//! One call that should not get to Confluence, and the stand-in's word about it.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::site::{NAMESPACE, POD};
use crate::{
    command::{kubectl, run_refused},
    table::Table,
};

/// Where Tomcat is behind the sidecar.
pub(super) const TOMCAT: u16 = 18090;
/// The pod's own port, the sidecar's.
pub(super) const FRONT: u16 = 8090;
/// What somebody sends who would like to be taken for loopback, and for a user.
const SPOOFED: [&str; 5] = [
    "X-Forwarded-For: 127.0.0.1",
    "X-Real-IP: 127.0.0.1",
    "Forwarded: for=127.0.0.1",
    "X-Forwarded-User: admin",
    "X-Atlassian-Token: no-check",
];

/// A call: its number, by which it is found again, and what came back.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    marker: String,
    status: String,
}

/// Path of the echo, with a number that no other call has.
pub(super) fn marked_path() -> (String, String) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let marker = format!("way-{}-{}-", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    (format!("/confluence/rest/standin/1.0/echo?way={marker}"), marker)
}

impl Attempt {
    /// What came back of a call that was made in another way: a status, or why there is none.
    pub(super) fn made(marker: String, status: impl Into<String>) -> Self {
        Self { marker, status: status.into() }
    }

    /// With curl, out of a container (`pod` or `pod/container`).
    pub(super) async fn from(place: &str, host: &str, port: u16) -> Result<Self> {
        Self::with(place, host, port, &[]).await
    }

    /// The same with more arguments of curl.
    pub(super) async fn with(place: &str, host: &str, port: u16, more: &[&str]) -> Result<Self> {
        let (path, marker) = marked_path();
        let url = format!("http://{host}:{port}{path}");
        let mut arguments = vec![
            "--silent",
            "--globoff",
            "--max-time",
            "5",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
        ];
        arguments.extend(SPOOFED.iter().flat_map(|header| ["--header", header]));
        arguments.extend(more);
        arguments.push(&url);
        // That nobody answers is a result.
        let shown =
            exec(place, &[&["sh", "-c", "curl \"$@\" || true", "curl"], &arguments[..]].concat()).await?;
        let status = if shown.trim() == "000" { "no answer" } else { shown.trim() };
        Ok(Self::made(marker, status))
    }

    /// Whether something came back at all.
    pub(super) fn is_answered(&self) -> bool {
        self.status != "no answer"
    }

    /// The status that came back, or why there is none.
    pub(super) fn status(&self) -> &str {
        &self.status
    }

    /// As whom it got to Confluence, by the stand-in's log; `None`: not at all.
    async fn arrived(&self) -> Result<Option<String>> {
        // The variable brings an address along, where Tomcat is told one.
        let script = "curl --silent --fail http://127.0.0.1:${ATL_TOMCAT_PORT%%[!0-9]*}/confluence/rest/standin/1.0/requests";
        let log = exec(&format!("{POD}/confluence"), &["sh", "-c", script]).await?;
        let log: Value = serde_json::from_str(&log).context("the stand-in's log is no JSON")?;
        let entry = log["requests"]
            .as_array()
            .context("the stand-in's log has no requests")?
            .iter()
            .find(|entry| entry["query"].as_str().is_some_and(|query| query.contains(&self.marker)));
        Ok(entry.map(|entry| entry["user"].as_str().unwrap_or("nobody").to_owned()))
    }

    /// It must not have got there.
    pub(super) async fn is_closed(&self, table: &mut Table, what: &str) -> Result<()> {
        let arrived = self.arrived().await?;
        let refused = !self.status.starts_with('2') && !self.status.starts_with('3');
        table.add(what, "not at Confluence", self.seen(arrived.as_deref()), refused && arrived.is_none());
        Ok(())
    }

    /// It must have got there as this user.
    pub(super) async fn is_at_confluence_as(&self, table: &mut Table, what: &str, user: &str) -> Result<()> {
        let arrived = self.arrived().await?;
        let holds = self.status == "200" && arrived.as_deref() == Some(user);
        table.add(what, format!("200 as {user}"), self.seen(arrived.as_deref()), holds);
        Ok(())
    }

    fn seen(&self, arrived: Option<&str>) -> String {
        match arrived {
            Some(user) => format!("{}, at Confluence as {user}", self.status),
            None => format!("{}, not at Confluence", self.status),
        }
    }
}

/// Runs a command in a container (`pod` or `pod/container`).
pub(super) async fn exec(place: &str, command: &[&str]) -> Result<String> {
    let (pod, container) = place.split_once('/').unwrap_or((place, "shell"));
    kubectl(&[&["exec", pod, "-n", NAMESPACE, "-c", container, "--"], command].concat()).await
}

/// `kubectl` with these arguments must be refused with `part` in the message.
pub(super) async fn refused(
    table: &mut Table,
    what: &str,
    part: &str,
    arguments: &[&str],
    input: Option<&Value>,
) {
    let input = input.map(Value::to_string);
    let outcome = run_refused("kubectl", arguments, input.as_deref().map(str::as_bytes)).await;
    let (holds, said) = match outcome {
        Ok(message) => (message.contains(part), message),
        Err(error) => (false, format!("{error:#}")),
    };
    let seen = if holds { format!("refused: {part}") } else { said.chars().take(400).collect() };
    table.add(what, format!("refused: {part}"), seen, holds);
}

/// A pod must not be let in.
pub(super) async fn pod_refused(table: &mut Table, what: &str, part: &str, pod: &Value) {
    refused(table, what, part, &["create", "--dry-run=server", "-f", "-"], Some(pod)).await;
}
