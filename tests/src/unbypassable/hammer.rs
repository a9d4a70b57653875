//! A client that calls every port of the pod all the time, while something is done to the pod.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Result;
use reqwest::{Client, redirect::Policy};
use tokio::{
    net::UdpSocket,
    sync::{RwLock, watch},
    task::JoinSet,
};

use super::site;

/// On every answer of the stand-in.
const SERVED: &str = "x-standin-served";
/// Between two calls to one port: two cores have other things to do as well.
const PAUSE: Duration = Duration::from_millis(15);

/// What came back, and how often.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// Whether any call got to Confluence, or was answered as if it had.
    pub(super) fn is_clean(&self) -> bool {
        self.0
            .keys()
            .all(|seen| !seen.contains("Confluence") && !seen.contains(": 2") && !seen.contains(": 3"))
    }

    /// How often this came back.
    pub(super) fn count(&self, seen: &str) -> u64 {
        self.0.get(seen).copied().unwrap_or_default()
    }

    /// Whether this port was called, and whatever came of it.
    pub(super) fn has_tried(&self, port: u16) -> bool {
        self.0.keys().any(|seen| seen.starts_with(&format!("{port}: ")))
    }

    /// `8090: 401 812×, 18090: 403 640×`.
    pub(super) fn shown(&self) -> String {
        self.0.iter().map(|(seen, times)| format!("{seen} {times}×")).collect::<Vec<_>>().join(", ")
    }
}

/// The client, at work.
pub(super) struct Hammer {
    stop: watch::Sender<bool>,
    tasks: JoinSet<BTreeMap<String, u64>>,
}

impl Hammer {
    /// Begins with these ports, each by a task of its own, at whatever address the pod has.
    pub(super) async fn start(ports: &[u16]) -> Result<Self> {
        let address = site::address().await?;
        // Only by the way to the pods: while a restarting node has none, calls would leave the machine, and who knows who
        // answers there.
        let probe = UdpSocket::bind("0.0.0.0:0").await?;
        probe.connect((address.as_str(), 9)).await?;
        let client = Client::builder()
            .local_address(probe.local_addr()?.ip())
            .no_proxy()
            .redirect(Policy::none())
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(3))
            .build()?;
        let (stop, stopped) = watch::channel(false);
        let address = Arc::new(RwLock::new(address));
        let mut tasks = JoinSet::new();
        for port in ports.iter().copied() {
            tasks.spawn(call(client.clone(), Arc::clone(&address), port, stopped.clone()));
        }
        tasks.spawn(follow(address, stopped));
        Ok(Self { stop, tasks })
    }

    /// Ends, and tells.
    pub(super) async fn stop(mut self) -> Result<Tally> {
        self.stop.send_replace(true);
        let mut all = Tally::default();
        while let Some(tally) = self.tasks.join_next().await {
            for (seen, times) in tally? {
                *all.0.entry(seen).or_default() += times;
            }
        }
        Ok(all)
    }
}

async fn call(
    client: Client,
    address: Arc<RwLock<String>>,
    port: u16,
    stopped: watch::Receiver<bool>,
) -> BTreeMap<String, u64> {
    let mut tally = BTreeMap::<String, u64>::new();
    while !*stopped.borrow() {
        let url =
            format!("http://{}:{port}/confluence/rest/standin/1.0/echo?way=hammer", address.read().await);
        let request =
            client.get(url).header("x-forwarded-for", "127.0.0.1").header("x-forwarded-user", "admin");
        let seen = match request.send().await {
            Ok(answer) if answer.headers().contains_key(SERVED) => {
                format!("{port}: Confluence {}", answer.status())
            }
            Ok(answer) => format!("{port}: {}", answer.status().as_u16()),
            Err(_) => format!("{port}: no answer"),
        };
        *tally.entry(seen).or_default() += 1;
        tokio::time::sleep(PAUSE).await;
    }
    tally
}

/// A new sandbox has a new address; that the API server is away for the moment changes nothing.
async fn follow(address: Arc<RwLock<String>>, stopped: watch::Receiver<bool>) -> BTreeMap<String, u64> {
    while !*stopped.borrow() {
        if let Ok(new) = site::address().await {
            *address.write().await = new;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    BTreeMap::new()
}
