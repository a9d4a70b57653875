//! Pods of the wiki that are made all the time, as dry runs, by several clients.

use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinSet,
};

use crate::{
    command::kubectl_json,
    wait::{QUICK, eventually},
    world::{WIKI, WIKI_NAMESPACE},
};

const CLIENTS: usize = 3;
/// Between two pods of one client.
const PAUSE: Duration = Duration::from_millis(50);

/// What the API server said to a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Injected,
    WithoutSidecar,
    Refused(String),
    ApiServerAway,
}

/// What was said, and how often.
#[derive(Debug, Default, Clone)]
pub(super) struct Tally(BTreeMap<Seen, u64>);

impl Tally {
    /// No pod came without the sidecar.
    pub(super) fn nothing_came_through(&self) -> bool {
        !self.0.contains_key(&Seen::WithoutSidecar)
    }

    pub(super) fn injected(&self) -> u64 {
        self.0.get(&Seen::Injected).copied().unwrap_or_default()
    }

    pub(super) fn refused(&self) -> u64 {
        self.0.iter().filter(|(seen, _)| matches!(seen, Seen::Refused(_))).map(|(_, times)| times).sum()
    }

    pub(super) fn shown(&self) -> String {
        let shown = self.0.iter().map(|(seen, times)| match seen {
            Seen::Injected => format!("injected {times}×"),
            Seen::WithoutSidecar => format!("WITHOUT SIDECAR {times}×"),
            Seen::Refused(why) => format!("refused {times}× ({why})"),
            Seen::ApiServerAway => format!("API server away {times}×"),
        });
        shown.collect::<Vec<_>>().join(", ")
    }
}

/// The clients, at work.
pub(super) struct Admissions {
    stop: watch::Sender<bool>,
    tally: Arc<Mutex<Tally>>,
    tasks: JoinSet<()>,
    _proxy: Child,
}

impl Admissions {
    pub(super) async fn start() -> Result<Self> {
        let pod = pod().await?;
        let (proxy, address) = proxy().await?;
        let url = format!("http://{address}/api/v1/namespaces/{WIKI_NAMESPACE}/pods?dryRun=All");
        // Longer than the API server waits for a webhook.
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(35)).build()?;
        let (stop, stopped) = watch::channel(false);
        let tally = Arc::new(Mutex::new(Tally::default()));
        let mut tasks = JoinSet::new();
        for _ in 0..CLIENTS {
            let (client, url, pod) = (client.clone(), url.clone(), pod.clone());
            let (tally, stopped) = (Arc::clone(&tally), stopped.clone());
            tasks.spawn(async move {
                while !*stopped.borrow() {
                    let seen = make(&client, &url, &pod).await;
                    *tally.lock().unwrap_or_else(PoisonError::into_inner).0.entry(seen).or_default() += 1;
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        let admissions = Self { stop, tally, tasks, _proxy: proxy };
        admissions.until_injected().await?;
        Ok(admissions)
    }

    fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for one more pod to be injected.
    pub(super) async fn until_injected(&self) -> Result<()> {
        self.until_more("a pod is injected", Tally::injected).await
    }

    /// Waits for one more pod to be refused.
    pub(super) async fn until_refused(&self) -> Result<()> {
        self.until_more("a pod is refused", Tally::refused).await
    }

    async fn until_more(&self, what: &str, count: fn(&Tally) -> u64) -> Result<()> {
        let before = count(&self.tally());
        eventually(what, QUICK, || async {
            ensure!(count(&self.tally()) > before, "{}", self.tally().shown());
            Ok(())
        })
        .await
    }

    /// Ends, and tells.
    pub(super) async fn stop(mut self) -> Result<Tally> {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended?;
        }
        Ok(self.tally())
    }
}

async fn make(client: &Client, url: &str, pod: &Value) -> Seen {
    let Ok(answer) = client.post(url).json(pod).send().await else { return Seen::ApiServerAway };
    let status = answer.status();
    let Ok(body) = answer.json::<Value>().await else { return Seen::ApiServerAway };
    if status.is_success() {
        let containers = body["spec"]["initContainers"].as_array();
        let has_it = containers.is_some_and(|all| all.iter().any(|one| one["name"] == "restward-proxy"));
        return if has_it { Seen::Injected } else { Seen::WithoutSidecar };
    }
    // `kubectl proxy` answers 502 itself when the API server does not.
    match body["message"].as_str() {
        Some(message) if status != 502 => Seen::Refused(tail(message)),
        _ => Seen::ApiServerAway,
    }
}

/// A pod as the wiki's StatefulSet makes it, under another name.
async fn pod() -> Result<Value> {
    let set = kubectl_json(&["get", "statefulset", WIKI, "-n", WIKI_NAMESPACE]).await?;
    let template = &set["spec"]["template"];
    Ok(json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "chaos", "labels": template["metadata"]["labels"]}, "spec": template["spec"]}))
}

/// `kubectl proxy` on a port of its own choice: connections are kept, which a `kubectl` for each pod could not.
async fn proxy() -> Result<(Child, String)> {
    let mut child = Command::new("kubectl")
        .args(["proxy", "--port=0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // It tells of every call while the API server is away.
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().context("kubectl proxy has no output")?;
    let line = BufReader::new(output).lines().next_line().await?.context("kubectl proxy ended")?;
    let address = line.rsplit(' ').next().context(line.clone())?.to_owned();
    Ok((child, address))
}

/// The end of a message says why.
fn tail(message: &str) -> String {
    let start = message.char_indices().rev().nth(160).map_or(0, |(at, _)| at);
    message.get(start..).unwrap_or_default().to_owned()
}
