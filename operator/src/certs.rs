//! The webhook's certificates. The certificate authority lives in one Secret, which every replica watches; each replica
//! signs its own leaf and keeps it in memory only. So replicas never fight, and no leaf is ever written down.
//!
//! The Secret is read by watch and not by mount, as a mount lags behind by up to a minute.
//!
//! - [`plan`]: what to do about the Secret as it stands, and the phases of a rotation (pure)
//! - [`issue`]: making authority and leaf
//! - [`stored`]: the members of the Secret
//! - [`store`]: the Secret
//! - [`resolver`]: the leaf that is served

mod issue;
mod plan;
mod resolver;
mod store;
mod stored;

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;
use aws_lc_rs::hmac;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    ResourceExt as _,
    runtime::{WatchStreamExt as _, watcher},
};
use restward_crds::names;
use rustls::server::ResolvesServerCert;
use tokio::sync::watch;

use crate::keys::to_hex;
use plan::{Authorities, Plan, Step};
use resolver::Resolver;
use store::Store;

/// How often the clock is looked at: often, as a machine may have slept.
const CHECK: Duration = Duration::from_mins(1);
/// The same while there is no certificate to serve, or an authority is being replaced.
const RETRY: Duration = Duration::from_secs(5);
/// How long every webhook has carried the next authority before it signs: API servers hear of webhooks by a watch.
pub const SETTLE: Duration = Duration::from_secs(30);

/// Where the Secret is and who is certified.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Namespace of the operator.
    pub namespace: String,
    /// Name of the Secret with the certificate authority.
    pub ca_secret: String,
    /// Name of the webhook's Service.
    pub service: String,
    /// How long every webhook has carried the next authority before it signs: [`SETTLE`].
    pub settle: Duration,
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
    authority_ends: watch::Receiver<Option<SystemTime>>,
    secret_path: watch::Receiver<Option<String>>,
    resolver: Arc<Resolver>,
}

impl Handle {
    /// The certificates (PEM) that a client must trust; `None` until the Secret was read.
    pub fn ca_bundle(&self) -> watch::Receiver<Option<String>> {
        self.bundle.clone()
    }

    /// What only replicas know, and the API server by the webhook configurations that they write: part of the path of a
    /// webhook that must not be called by anybody else. Another with each certificate authority; `None` until the Secret
    /// was read.
    pub fn secret_path(&self) -> watch::Receiver<Option<String>> {
        self.secret_path.clone()
    }

    /// The leaf for the TLS server; connections fail until there is one.
    pub fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::clone(&self.resolver) as Arc<dyn ResolvesServerCert>
    }

    /// When the leaf that is served ends.
    pub fn leaf_ends(&self) -> Option<SystemTime> {
        self.resolver.not_after()
    }

    /// When the authority that signs ends.
    pub fn authority_ends(&self) -> Option<SystemTime> {
        *self.authority_ends.borrow()
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
    let (publish_end, authority_ends) = watch::channel(None);
    let (publish_path, secret_path) = watch::channel(None);
    let handle = Handle { bundle, authority_ends, secret_path, resolver: Arc::clone(&resolver) };
    let keeper = Keeper {
        dns_names: settings.dns_names(),
        settle: settings.settle,
        store: Store::new(client, settings),
        resolver,
        publish,
        publish_end,
        trusted: None,
        is_rotating: false,
        publish_path,
    };
    (handle, keeper.run())
}

/// Keeps Secret, leaf and bundle as they should be.
struct Keeper {
    store: Store,
    dns_names: Vec<String>,
    settle: Duration,
    resolver: Arc<Resolver>,
    publish: watch::Sender<Option<String>>,
    publish_end: watch::Sender<Option<SystemTime>>,
    /// The next authority's certificate, and since when every webhook was seen to carry it.
    trusted: Option<(String, Instant)>,
    is_rotating: bool,
    publish_path: watch::Sender<Option<String>>,
}

impl Keeper {
    async fn run(mut self) -> anyhow::Result<()> {
        let events = watcher::watch_object(self.store.api(), self.store.name()).default_backoff();
        futures::pin_mut!(events);
        let mut current: Option<Option<Secret>> = None;
        loop {
            let is_well = self.resolver.is_valid(SystemTime::now()) && !self.is_rotating;
            let pause = if is_well { CHECK } else { RETRY.min(self.settle) };
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
    async fn keep(&mut self, secret: Option<&Secret>, now: SystemTime) -> anyhow::Result<()> {
        let request = secret.and_then(|secret| secret.annotations().get(names::ANNOTATION_ROTATE_CA));
        let request = request.map(String::as_str);
        let first = || anyhow::Ok(Authorities::first(issue::authority(now)?, request));
        let stood = match plan::plan(now, secret) {
            Plan::Create => return self.store.write(secret, &first()?).await,
            Plan::Replace(why) => {
                tracing::warn!(why, "the webhook's certificate authority is replaced");
                return self.store.write(secret, &first()?).await;
            }
            Plan::Use(stood) => *stood,
        };
        if self.resolver.is_due(&stood.signing, now) {
            match issue::leaf(&stood.signing, &self.dns_names, now) {
                Ok(leaf) => self.resolver.serve(leaf),
                Err(issue::Error::NotAPair) => {
                    tracing::warn!("key and certificate in the CA Secret do not fit; it is replaced");
                    return self.store.write(secret, &first()?).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.publish_end.send_replace(Some(stood.signing.not_after));
        send_news(&self.publish_path, secret_path(&stood.signing.key));
        send_news(&self.publish, stood.bundle());
        self.rotate(secret, stood, request, now).await
    }

    /// One step of a rotation, where one is to be made.
    async fn rotate(
        &mut self,
        secret: Option<&Secret>,
        stood: Authorities,
        request: Option<&str>,
        now: SystemTime,
    ) -> anyhow::Result<()> {
        self.is_rotating = stood.next.is_some();
        let is_trusted = match &stood.next {
            Some(next) => self.has_settled(&next.certificate).await?,
            None => false,
        };
        let Some(step) = plan::step(now, &stood, request, is_trusted) else { return Ok(()) };
        match step {
            Step::Announce(why) => tracing::info!(why, "another certificate authority is announced"),
            Step::Promote => {
                tracing::info!("every webhook trusts the next certificate authority; it signs now");
            }
            Step::Forget => {
                tracing::info!("the certificate authority before this one is not trusted any more");
            }
        }
        let stepped = step.take(stood, request, now, || issue::authority(now))?;
        self.store.write(secret, &stepped).await
    }

    /// Whether every webhook has carried this certificate for long enough, as far as this replica has seen.
    async fn has_settled(&mut self, certificate: &str) -> anyhow::Result<bool> {
        if !self.store.is_trusted(certificate).await? {
            self.trusted = None;
            return Ok(false);
        }
        let is_known = self.trusted.as_ref().is_some_and(|(known, _)| known == certificate);
        if !is_known {
            self.trusted = Some((certificate.to_owned(), Instant::now()));
        }
        Ok(self.trusted.as_ref().is_some_and(|(_, since)| since.elapsed() >= self.settle))
    }
}

/// Derived one way, as whoever reads webhook configurations may know the path and must not learn the key.
fn secret_path(key: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    to_hex(hmac::sign(&key, b"path of webhooks").as_ref())
}

fn send_news(to: &watch::Sender<Option<String>>, value: String) {
    to.send_if_modified(|known| {
        let is_news = known.as_ref() != Some(&value);
        *known = Some(value);
        is_news
    });
}
