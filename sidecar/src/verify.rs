//! Looks in the background for ways to Confluence around the sidecar, as anybody on the network could go them: at the
//! pod's own addresses, and as a mesh proxy. A way is what answers as Confluence, and a Tomcat that answers with anything
//! but its valve's 403; that nothing listens is fine. No token and no key is sent, and no request waits for any
//! of this.
//!
//! - [`network`]: what the kernel shows of the pod's network
//! - [`plan`]: whom to ask
//! - [`probe`]: asking one of them
//! - [`verdict`]: what the answers say
//! - [`tomcat`]: whether Tomcat listens where it was told to

pub mod network;
pub mod plan;
pub mod probe;
pub mod tomcat;
pub mod verdict;

use std::{
    collections::{BTreeSet, HashMap},
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use futures::{StreamExt as _, stream};
use restward_crds::{
    condition::EnforcedReason,
    reason::Reason,
    sidecar::{enforcement::OnBypass, identity::IdentitySettings, status::Verification, terms::Mode},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Active, Store},
    metrics::Metrics,
    time::UnixTime,
};
use network::{Listener, Network};
use plan::{Plan, Target};
use probe::Prober;
use verdict::{Findings, Verdict};

/// Between two looks. The pod is unready within this and three readiness probes (5 s each).
const EVERY: Duration = Duration::from_secs(10);
/// A socket that does not speak HTTP is left alone for this long: Hazelcast, Tomcat's shutdown port and others log each
/// such connection. A new socket at the same address is asked at once.
const LEAVE_ALONE: Duration = Duration::from_hours(1);
/// For one look.
const DEADLINE: Duration = Duration::from_secs(30);
/// After this a result is too old to be believed.
const MAX_AGE: Duration = Duration::from_mins(2);
/// Most addresses that one look tries, and how many at once.
const MAX_TARGETS: usize = 128;
const AT_ONCE: usize = 8;

/// Gives the pod's network as it is at the moment; may block.
pub type NetworkSource = Arc<dyn Fn() -> io::Result<Network> + Send + Sync>;

/// The latest result, and the task that finds it.
pub struct Verifier {
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    network: NetworkSource,
    prober: Prober,
    latest: ArcSwapOption<Look>,
    /// Sockets that do not speak HTTP, until when they are left alone.
    left_alone: Mutex<HashMap<Listener, Instant>>,
    /// When Tomcat was last seen to listen; at first, when the sidecar started.
    heard: Mutex<Instant>,
}

struct Look {
    ended: Instant,
    ended_at: UnixTime,
    findings: Findings,
}

impl Look {
    fn reason(&self) -> EnforcedReason {
        let Findings { bypasses, problem, .. } = &self.findings;
        if !bypasses.is_empty() {
            EnforcedReason::BypassDetected
        } else if problem.is_some() || self.ended.elapsed() > MAX_AGE {
            EnforcedReason::Unverifiable
        } else {
            EnforcedReason::Verified
        }
    }

    fn message(&self) -> String {
        match (self.reason(), &self.findings.problem) {
            (EnforcedReason::BypassDetected, _) => describe(&self.findings.bypasses),
            (EnforcedReason::Verified, _) => "there is no way around the sidecar".to_owned(),
            (_, Some(problem)) => problem.clone(),
            (_, None) => "the latest result is too old".to_owned(),
        }
    }
}

impl Verifier {
    /// Nothing is known until [`Self::run`] has looked.
    ///
    /// # Errors
    /// No HTTP client could be made.
    pub fn new(
        store: Arc<Store>,
        metrics: Arc<Metrics>,
        network: NetworkSource,
    ) -> Result<Self, reqwest::Error> {
        let (latest, left_alone) = (ArcSwapOption::empty(), Mutex::default());
        let heard = Mutex::new(Instant::now());
        Ok(Self { store, metrics, network, prober: Prober::new()?, latest, left_alone, heard })
    }

    /// Looks until `shutdown`: every 10 s, and at once after a change of the configuration.
    pub async fn run(&self, shutdown: CancellationToken) {
        let forever = async {
            loop {
                if let Some(active) = self.store.active() {
                    self.look(&active).await;
                }
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = self.store.changed() => {}
                }
            }
        };
        shutdown.run_until_cancelled(forever).await;
    }

    /// Why the pod must not be ready. Where nothing is enforced, nothing is got around.
    pub fn blocks(&self) -> Option<String> {
        let active = self.store.active()?;
        if active.settings.mode != Mode::Enforce || active.settings.enforcement.on_bypass != OnBypass::Block {
            return None;
        }
        let Some(latest) = self.latest.load_full() else { return Some("not verified yet".to_owned()) };
        let bypasses = &latest.findings.bypasses;
        (!bypasses.is_empty()).then(|| format!("bypass_detected: {}", describe(bypasses)))
    }

    /// Whether users may be named this way now: by a header only while it is known that nobody else can set it, whatever
    /// `onBypass` and `mode` say about others.
    ///
    /// # Errors
    /// [`Reason::EnforcementUnverified`]: there is a way around, or the latest look is too old or saw too little.
    pub fn admits(&self, identity: &IdentitySettings) -> Result<(), Reason> {
        let is_verified =
            || self.latest.load().as_deref().is_some_and(|look| look.reason() == EnforcedReason::Verified);
        match identity {
            IdentitySettings::OAuth1 { .. } => Ok(()),
            IdentitySettings::Header { .. } if is_verified() => Ok(()),
            IdentitySettings::Header { .. } => Err(Reason::EnforcementUnverified),
        }
    }

    /// For status.
    pub fn report(&self) -> Verification {
        let latest = self.latest.load_full();
        let (reason, message) = match latest.as_deref() {
            None => (EnforcedReason::Pending, "the sidecar has not looked yet".to_owned()),
            Some(look) => (look.reason(), look.message()),
        };
        let findings = latest.as_deref().map(|look| &look.findings);
        Verification {
            reason,
            message,
            verified_at: latest.as_deref().map(|look| look.ended_at.secs()),
            bypass_ports: findings.map_or_else(Vec::new, |findings| {
                findings.bypasses.iter().map(|bypass| bypass.port).collect()
            }),
            warnings: findings.map_or_else(Vec::new, |findings| findings.warnings.clone()),
        }
    }

    async fn look(&self, active: &Active) {
        let before = self.latest.load_full();
        let before = before.as_deref().map(|look| look.findings.clone()).unwrap_or_default();
        let looked = tokio::time::timeout(DEADLINE, self.find(active, &before)).await;
        let findings =
            match looked.unwrap_or_else(|_| Err(format!("not done within {} s", DEADLINE.as_secs()))) {
                Ok(findings) => findings,
                // Nothing new is known, so what was found stays.
                Err(problem) => Findings { problem: Some(problem), ..before.clone() },
            };
        self.metrics.verified(&findings);
        if findings != before {
            tell(&findings);
        }
        let look = Look { ended: Instant::now(), ended_at: UnixTime::now(), findings };
        self.latest.store(Some(Arc::new(look)));
    }

    async fn find(&self, active: &Active, before: &Findings) -> Result<Findings, String> {
        let read = Arc::clone(&self.network);
        let network = tokio::task::spawn_blocking(move || read())
            .await
            .map_err(|_| "reading was interrupted".to_owned())?
            .map_err(|error| format!("the pod's network cannot be read: {error}"))?;
        let plan = plan::plan(&network, self.store.pod(), &active.settings.enforcement.allowed_ports);
        let targets = self.targets(&plan);
        if targets.len() > MAX_TARGETS {
            return Err(format!("the pod has too many open ports: {} ways to try", targets.len()));
        }
        let seen: HashMap<Target, Verdict> = stream::iter(targets)
            .map(|target| async move { (target, self.prober.ask(&target, &active.context_path).await) })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        self.leave_alone(&plan, &seen);
        // What was left alone now did not speak HTTP before.
        let verdict = |target: &Target| seen.get(target).copied().unwrap_or(Verdict::NotHttp);
        let mut findings = verdict::of_look(&plan, verdict, before);
        let quiet = self.quiet(tomcat::listens(&network, self.store.pod()));
        findings.warnings.extend(tomcat::warnings(self.store.pod(), &network, &plan, verdict, quiet));
        Ok(findings)
    }

    /// For how long Tomcat has not listened.
    fn quiet(&self, listens_now: bool) -> Duration {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if listens_now {
            *heard = Instant::now();
        }
        heard.elapsed()
    }

    fn targets(&self, plan: &Plan) -> BTreeSet<Target> {
        let left_alone = self.left_alone.lock().unwrap_or_else(PoisonError::into_inner);
        let strangers = plan.strangers.iter().filter(|one| !left_alone.contains_key(&one.listener));
        plan.tomcat.iter().chain(strangers.flat_map(|one| &one.targets)).copied().collect()
    }

    fn leave_alone(&self, plan: &Plan, seen: &HashMap<Target, Verdict>) {
        let now = Instant::now();
        let mut left_alone = self.left_alone.lock().unwrap_or_else(PoisonError::into_inner);
        left_alone.retain(|_, until| *until > now);
        for stranger in &plan.strangers {
            let verdicts: Vec<_> = stranger.targets.iter().filter_map(|target| seen.get(target)).collect();
            let speaks_otherwise = verdicts.iter().any(|verdict| **verdict == Verdict::NotHttp)
                && verdicts.iter().all(|verdict| matches!(verdict, Verdict::NotHttp | Verdict::Shut));
            if speaks_otherwise {
                left_alone.insert(stranger.listener, now + LEAVE_ALONE);
            }
        }
    }
}

fn describe(bypasses: &[verdict::Bypass]) -> String {
    let each = bypasses.iter().map(|bypass| format!("port {}: {}", bypass.port, bypass.message));
    each.collect::<Vec<_>>().join("; ")
}

fn tell(findings: &Findings) {
    let Findings { bypasses, warnings, problem } = findings;
    if !bypasses.is_empty() {
        tracing::error!(reason = describe(bypasses), "bypass_detected");
    }
    if let Some(problem) = problem {
        tracing::error!(reason = problem, "ways around the sidecar cannot be looked for");
    }
    for warning in warnings {
        tracing::warn!(warning, "verification");
    }
    if bypasses.is_empty() && problem.is_none() {
        tracing::info!("no way around the sidecar");
    }
}

#[cfg(test)]
mod tests;
