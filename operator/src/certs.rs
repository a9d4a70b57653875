//! The webhook's certificates. The certificate authority lives in one Secret, which every replica watches; each replica
//! signs its own leaf and keeps it in memory only. So replicas never fight, and no leaf is ever written down.
//!
//! The Secret is read by watch and not by mount, as a mount lags behind by up to a minute.
//!
//! - [`plan`]: what to do about the Secret as it stands (pure)
//! - [`issue`]: making authority and leaf
//! - [`store`]: the Secret
//! - [`resolver`]: the leaf that is served

mod issue;
mod plan;
mod resolver;
mod store;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::{WatchStreamExt as _, watcher};
use rustls::server::ResolvesServerCert;
use tokio::sync::watch;

use plan::Plan;
use resolver::Resolver;
use store::Store;

/// How often the clock is looked at: often, as a machine may have slept.
const CHECK: Duration = Duration::from_mins(1);
/// The same while there is no certificate to serve.
const RETRY: Duration = Duration::from_secs(5);

/// Where the Secret is and who is certified.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Namespace of the operator.
    pub namespace: String,
    /// Name of the Secret with the certificate authority.
    pub ca_secret: String,
    /// Name of the webhook's Service.
    pub service: String,
}

impl Settings {
    /// The names under which the API server may call the Service; the first is the one that it uses.
    fn dns_names(&self) -> Vec<String> {
        let name = format!("{}.{}.svc", self.service, self.namespace);
        vec![name.clone(), format!("{name}.cluster.local")]
    }
}

/// The rest of the operator's view of the certificates.
#[derive(Debug, Clone)]
pub struct Handle {
    bundle: watch::Receiver<Option<String>>,
    resolver: Arc<Resolver>,
}

impl Handle {
    /// The certificates (PEM) that a client must trust; `None` until the Secret was read.
    pub fn ca_bundle(&self) -> watch::Receiver<Option<String>> {
        self.bundle.clone()
    }

    /// The leaf for the TLS server; connections fail until there is one.
    pub fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::clone(&self.resolver) as Arc<dyn ResolvesServerCert>
    }

    /// Whether a leaf is served that is valid and chains to the authority in the Secret.
    pub fn is_ready(&self) -> bool {
        self.resolver.is_valid(SystemTime::now())
    }
}

/// The handle, and the task that keeps its promises. The task ends only with an error.
pub fn start(
    client: kube::Client,
    settings: Settings,
) -> (Handle, impl Future<Output = anyhow::Result<()>> + Send) {
    let resolver = Arc::new(Resolver::default());
    let (publish, bundle) = watch::channel(None);
    let handle = Handle { bundle, resolver: Arc::clone(&resolver) };
    let keeper = Keeper {
        dns_names: settings.dns_names(),
        store: Store::new(client, &settings.namespace, settings.ca_secret),
        resolver,
        publish,
    };
    (handle, keeper.run())
}

/// Keeps Secret, leaf and bundle as they should be.
struct Keeper {
    store: Store,
    dns_names: Vec<String>,
    resolver: Arc<Resolver>,
    publish: watch::Sender<Option<String>>,
}

impl Keeper {
    async fn run(self) -> anyhow::Result<()> {
        let events = watcher::watch_object(self.store.api(), self.store.name()).default_backoff();
        futures::pin_mut!(events);
        let mut current: Option<Option<Secret>> = None;
        loop {
            let pause = if self.resolver.is_valid(SystemTime::now()) { CHECK } else { RETRY };
            tokio::select! {
                event = events.next() => match event.context("the watch of the CA Secret ended")? {
                    Ok(secret) => current = Some(secret),
                    Err(error) => tracing::warn!(%error, "the CA Secret cannot be watched"),
                },
                () = tokio::time::sleep(pause) => {}
            }
            if let Some(secret) = &current
                && let Err(error) = self.keep(secret.as_ref(), SystemTime::now()).await
            {
                tracing::warn!(error = format!("{error:#}"), "the webhook's certificates are not in order");
            }
        }
    }

    /// One look at the Secret and the clock. Writes are answered by the watch, so nothing is served from here before it
    /// is stored.
    async fn keep(&self, secret: Option<&Secret>, now: SystemTime) -> anyhow::Result<()> {
        match plan::plan(now, secret) {
            Plan::Create => self.store.write(secret, &issue::authority(now)?).await,
            Plan::Replace(why) => {
                tracing::warn!(why, "the webhook's certificate authority is replaced");
                self.store.write(secret, &issue::authority(now)?).await
            }
            Plan::Use(authority) => {
                if self.resolver.is_due(&authority, now) {
                    match issue::leaf(&authority, &self.dns_names, now) {
                        Ok(leaf) => self.resolver.serve(leaf),
                        Err(issue::Error::NotAPair) => {
                            tracing::warn!("key and certificate in the CA Secret do not fit; it is replaced");
                            return self.store.write(secret, &issue::authority(now)?).await;
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                let bundle = Some(authority.certificate);
                self.publish.send_if_modified(|published| {
                    let changed = *published != bundle;
                    *published = bundle;
                    changed
                });
                Ok(())
            }
        }
    }
}
