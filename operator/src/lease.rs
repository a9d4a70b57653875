//! Leader election by Lease: one replica writes, all serve admission. What the leader writes goes through a [`Fence`].

pub mod busy;
pub mod fence;

use std::time::{Instant, SystemTime};

use anyhow::{Context as _, bail};
use futures::StreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    client::ClientBuilder,
    runtime::{WatchStreamExt as _, watcher},
};
use kube_lease_manager::{LeaseCreateMode, LeaseManagerBuilder};
use tokio::sync::watch;
use tower::util::MapResultLayer;

use crate::args::RunArgs;
use fence::Fence;

/// How long a leader may be silent before another replica takes over, in seconds.
const DURATION: u64 = 20;
/// How long before the end of that time the leader renews, in seconds.
const GRACE: u64 = 5;

/// Holds the place of this replica in the queue.
pub struct Leadership {
    leads: watch::Receiver<bool>,
}

impl Leadership {
    /// Starts to stand for election.
    ///
    /// # Errors
    /// The Lease cannot be used.
    pub async fn stand(client: Client, args: &RunArgs) -> anyhow::Result<Self> {
        let manager = LeaseManagerBuilder::new(client, &args.lease)
            .with_namespace(&args.namespace)
            .with_identity(&args.pod_name)
            .with_create_mode(LeaseCreateMode::AutoCreate)
            .with_duration(DURATION)
            .with_grace(GRACE)
            .build()
            .await
            .context("the Lease of the leader election cannot be used")?;
        let (leads, _task) = manager.watch().await;
        Ok(Self { leads })
    }

    /// Ends when this replica becomes the leader.
    ///
    /// # Errors
    /// The election broke.
    pub async fn won(&mut self) -> anyhow::Result<()> {
        self.leads.wait_for(|leads| *leads).await.context("the leader election ended")?;
        Ok(())
    }

    /// Ends, with an error, when this replica is no longer the leader: the process must end, so that there are never
    /// two that write.
    ///
    /// # Errors
    /// Always.
    pub async fn lost(&mut self) -> anyhow::Result<()> {
        self.leads.wait_for(|leads| !*leads).await.context("the leader election ended")?;
        bail!("another replica leads now")
    }
}

/// Clients of the leader, which write only while it leads. What fails for the moment (429, an API server that is away) is not
/// sent again by them: that would happen behind the fence, up to minutes after it was asked whether this replica leads, and
/// hold its policy up for as long. The controller tries again instead.
///
/// # Errors
/// The configuration is not one that a client can be made of.
pub fn fenced(mut config: kube::Config, fence: &Fence) -> kube::Result<Client> {
    config.default_retry = false;
    let client = ClientBuilder::try_from(config)?;
    Ok(client.with_layer(&MapResultLayer::new(busy::told)).with_layer(fence).build())
}

/// Keeps the fence as the Lease stands. Ends only with an error.
///
/// # Errors
/// The watch ended.
pub async fn keep(fence: Fence, leases: Api<Lease>, name: &str, identity: &str) -> anyhow::Result<()> {
    let mut events = std::pin::pin!(watcher::watch_object(leases, name).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(lease) => {
                let (now, clock) = (Instant::now(), SystemTime::now());
                fence.open_until(fence::held_until(lease.as_ref(), identity, now, clock));
            }
            // What is known of the lease ends by itself.
            Err(error) => tracing::warn!(%error, "the Lease cannot be watched"),
        }
    }
    bail!("the watch of the Lease ended")
}

#[cfg(test)]
mod tests {
    use std::{
        future::ready,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use axum::{Router, http::StatusCode};
    use k8s_openapi::api::core::v1::ConfigMap;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_was_refused_for_the_moment_is_not_sent_again_behind_the_fence_and_told_with_its_time() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let answer = move || {
            count.fetch_add(1, Ordering::Relaxed);
            ready((
                StatusCode::TOO_MANY_REQUESTS,
                [("retry-after", "7")],
                "Too many requests, please try again later.",
            ))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
        let client = fenced(kube::Config::new(url.parse().unwrap()), &Fence::default()).unwrap();
        // Reads pass the fence also while it is closed.
        let maps: Api<ConfigMap> = Api::namespaced(client, "atlassian");
        let answer = tokio::time::timeout(Duration::from_secs(2), maps.get("wiki")).await;
        assert_eq!(sent.load(Ordering::Relaxed), 1);
        let told = answer.expect("it is told at once").unwrap_err();
        assert_eq!(busy::asked_to_wait(&told), Some(Duration::from_secs(7)), "{told:?}");
    }
}
