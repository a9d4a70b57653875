//! Finds out in the background whether Confluence takes the sidecar's assertions, and as what URL it knows itself.
//! A signed call for a user that cannot exist must not be refused for its signature, and the same call with one bit
//! changed must be: else Confluence does not look at signatures at all. Readiness never waits for any of this.
//!
//! - [`candidates`]: the URLs to try
//! - [`verdict`]: what an answer says

pub mod candidates;
pub mod verdict;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use http::HeaderValue;
use restward_crds::{
    condition::UpstreamReason,
    sidecar::{PodSettings, Settings, status::Report},
    text::Username,
};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

pub use candidates::context_path;
pub use verdict::oauth_problem;

use crate::{
    identity::{Identity, Origin, Outgoing},
    loopback::{Answer, Client},
    random,
    refusal::Deny,
    time::UnixTime,
};
use verdict::Finding;

/// Between two calibrations until Confluence trusts the sidecar: an application link that was just made works at once.
const EVERY_UNTRUSTED: Duration = Duration::from_secs(15);
/// Between two calibrations after that.
const EVERY_TRUSTED: Duration = Duration::from_hours(1);
/// Shortest time between two calibrations, however often one is asked for.
const AT_LEAST: Duration = Duration::from_secs(5);
/// For one call.
const DEADLINE: Duration = Duration::from_secs(5);

/// The result of the latest calibration. Clones share it.
#[derive(Clone)]
pub struct Calibration {
    shared: Arc<Shared>,
}

struct Shared {
    identity: Arc<Identity>,
    client: Client,
    candidates: Vec<Origin>,
    context_path: String,
    nobody: Option<Username>,
    state: ArcSwap<State>,
    wake: Notify,
    /// Set by the first poke after a calibration began, so that a flood of them is one.
    poked: AtomicBool,
}

struct State {
    /// What Confluence knows itself as; `None`: not trusted.
    origin: Option<Origin>,
    report: Report<UpstreamReason>,
}

impl Calibration {
    /// Nothing is known until [`Self::run`] has asked.
    pub fn new(identity: Arc<Identity>, client: Client, settings: &Settings, pod: &PodSettings) -> Self {
        let report = Report {
            reason: UpstreamReason::Pending,
            message: "Confluence has not answered yet.".to_owned(),
        };
        Self {
            shared: Arc::new(Shared {
                identity,
                client,
                candidates: candidates::origins(settings, pod),
                context_path: context_path(settings, pod).to_owned(),
                nobody: impossible_user(),
                state: ArcSwap::from_pointee(State { origin: None, report }),
                wake: Notify::new(),
                poked: AtomicBool::new(false),
            }),
        }
    }

    /// The URL to sign for.
    ///
    /// # Errors
    /// Confluence does not trust the sidecar (yet): no user can be asserted.
    pub fn origin(&self) -> Result<Origin, Deny> {
        let state = self.shared.state.load();
        state.origin.clone().ok_or_else(|| verdict::deny(state.report.reason).into())
    }

    /// For status.
    pub fn report(&self) -> Report<UpstreamReason> {
        self.shared.state.load().report.clone()
    }

    /// Asks for a calibration soon, because an asserted request was refused as such.
    pub fn poke(&self) {
        if !self.shared.poked.swap(true, Ordering::Relaxed) {
            self.shared.wake.notify_one();
        }
    }

    /// Calibrates until `shutdown`: every 15 s until trusted, then every hour, and when poked.
    pub async fn run(&self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.calibrate_forever()).await;
    }

    async fn calibrate_forever(&self) {
        loop {
            self.shared.poked.store(false, Ordering::Relaxed);
            let begun = Instant::now();
            self.calibrate().await;
            let pause = if self.origin().is_ok() { EVERY_TRUSTED } else { EVERY_UNTRUSTED };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shared.wake.notified() => tokio::time::sleep_until(begun + AT_LEAST).await,
            }
        }
    }

    /// One calibration.
    pub async fn calibrate(&self) {
        let before = self.shared.state.load_full();
        let (finding, origin) = self.find().await;
        // A Confluence that restarts has not changed its mind.
        let origin = if finding.is_inconclusive() { before.origin.clone() } else { origin };
        let report = verdict::report(&finding, origin.as_ref(), &self.shared.candidates);
        if report != before.report {
            let reason = report.reason.as_str();
            tracing::info!(upstream.reason = reason, upstream.message = report.message, "calibration");
        }
        self.shared.state.store(Arc::new(State { origin, report }));
    }

    /// Tries the candidates until one is not refused for its signature.
    async fn find(&self) -> (Finding, Option<Origin>) {
        if !self.is_running().await {
            return (Finding::NotRunning, None);
        }
        for origin in &self.shared.candidates {
            match verdict::of_good_signature(self.ask(origin, Signature::Good).await.as_ref()) {
                Finding::SignatureInvalid => {}
                Finding::Trusted => {
                    return match verdict::of_bad_signature(
                        self.ask(origin, Signature::Damaged).await.as_ref(),
                    ) {
                        Finding::Trusted => (Finding::Trusted, Some(origin.clone())),
                        other => (other, None),
                    };
                }
                other => return (other, None),
            }
        }
        (Finding::SignatureInvalid, None)
    }

    async fn is_running(&self) -> bool {
        let Some(host) = self.host() else { return false };
        let request = Outgoing::get(format!("{}/status", self.shared.context_path), host);
        let answer = self.shared.client.send(request, DEADLINE).await;
        answer.is_ok_and(|answer| verdict::says_running(answer.status, &answer.body))
    }

    /// A signed call for nobody. `None`: no answer.
    async fn ask(&self, origin: &Origin, signature: Signature) -> Option<Answer> {
        let target = format!("{}/rest/api/user/current", self.shared.context_path);
        let mut request = Outgoing::get(target, self.host()?);
        let nobody = self.shared.nobody.as_ref()?;
        self.shared.identity.assert(origin, nobody, UnixTime::now(), &mut request).ok()?;
        if signature == Signature::Damaged {
            self.shared.identity.damage(&mut request).ok()?;
        }
        self.shared.client.send(request, DEADLINE).await.ok()
    }

    /// Any host will do where Tomcat takes it from the header; this one cannot be mistaken for a `proxyName`.
    fn host(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("127.0.0.1:{}", self.shared.client.port())).ok()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Signature {
    Good,
    Damaged,
}

/// A user name with 128 random bits: nobody has it, and nobody can take it.
fn impossible_user() -> Option<Username> {
    format!("restward-calibration-{}", random::hex_128()?).parse().ok()
}

#[cfg(test)]
mod tests;
