//! Finds out in the background whether Confluence takes the sidecar's assertions, and as what URL it knows itself.
//! A signed call for a user that cannot exist must not be refused for its signature, and the same call with one bit
//! changed must be: else Confluence does not look at signatures at all. Where a header names users, such a call must be
//! nobody's, and the first user who is known shows that the header is believed. A call without any credential shows
//! whether the wiki is public. Readiness never waits for any of this.
//!
//! - [`candidates`]: the URLs to try
//! - [`verdict`]: what an answer to a signed call says
//! - `keys`: which of the consumer's keys Confluence takes
//! - [`header`]: what answers say where a header names users
//! - [`visitors`]: what they say about visitors

pub mod candidates;
pub mod header;
mod keys;
pub mod verdict;
pub mod visitors;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use restward_crds::{
    condition::UpstreamReason,
    reason::Reason,
    sidecar::{PodSettings, Settings, status::Report},
    text::Username,
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

pub use candidates::context_path;
pub use verdict::oauth_problem;

use crate::{
    current_user,
    identity::{Header, Identity, Key, Origin, Outgoing, oauth1},
    link::Keeper,
    loopback::{Answer, Client},
    random,
    refusal::Deny,
    time::UnixTime,
};
use header::{Proof, Ran};
use verdict::Finding;
use visitors::Visitors;

/// Between two calibrations until users can be asserted, and while Confluence does not take the newest key: an application
/// link that was just made or changed works at once.
const EVERY_UNTRUSTED: Duration = Duration::from_secs(15);
/// Between two calibrations after that.
const EVERY_TRUSTED: Duration = Duration::from_hours(1);
/// Shortest time between two calibrations, however often one is asked for.
const AT_LEAST: Duration = Duration::from_secs(5);
/// The same while nothing is known of Confluence yet, and callers wait for it.
const AT_LEAST_UNKNOWN: Duration = Duration::from_secs(1);
/// How long a caller waits for a calibration.
const CALLERS_WAIT: Duration = Duration::from_secs(3);
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
    /// Keeps the application link, where the policy wants that.
    keeper: Option<Keeper>,
    candidates: Vec<Origin>,
    context_path: String,
    nobody: Option<Username>,
    /// What user checks have shown where a header names users.
    proof: Mutex<Proof>,
    state: ArcSwap<State>,
    wake: Notify,
    /// Told of the end of each calibration.
    ended: watch::Sender<()>,
    /// Set by the first poke after a calibration began, so that a flood of them is one.
    poked: AtomicBool,
}

#[derive(Clone)]
struct State {
    /// What Confluence knows itself as; `None`: nobody may be asserted.
    origin: Option<Origin>,
    report: Report<UpstreamReason>,
    visitors: Visitors,
}

impl Calibration {
    /// Nothing is known until [`Self::run`] has asked.
    pub fn new(identity: Arc<Identity>, client: Client, settings: &Settings, pod: &PodSettings) -> Self {
        Self::keeping(identity, client, settings, pod, None)
    }

    /// The same where the application link is kept.
    pub fn keeping(
        identity: Arc<Identity>,
        client: Client,
        settings: &Settings,
        pod: &PodSettings,
        keeper: Option<Keeper>,
    ) -> Self {
        let report = Report {
            reason: UpstreamReason::Pending,
            message: "Confluence has not answered yet.".to_owned(),
        };
        Self {
            shared: Arc::new(Shared {
                identity,
                client,
                keeper,
                candidates: candidates::origins(settings, pod),
                context_path: context_path(settings, pod).to_owned(),
                nobody: impossible_user(),
                proof: Mutex::default(),
                state: ArcSwap::from_pointee(State { origin: None, report, visitors: Visitors::Unknown }),
                wake: Notify::new(),
                ended: watch::Sender::default(),
                poked: AtomicBool::new(false),
            }),
        }
    }

    /// The URL to sign for; where nothing is signed, the likeliest.
    ///
    /// # Errors
    /// No user can be asserted (yet): Confluence does not accept signed calls, or takes somebody for somebody else.
    pub fn origin(&self) -> Result<Origin, Deny> {
        let state = self.shared.state.load();
        state.origin.clone().ok_or_else(|| verdict::deny(state.report.reason).into())
    }

    /// The same, but where nothing is known yet the end of a calibration is waited for: Confluence takes calls as soon as it
    /// runs, which may be long before the next one is due.
    ///
    /// # Errors
    /// As [`Self::origin`].
    pub async fn origin_awaited(&self) -> Result<Origin, Deny> {
        if self.is_unknown() {
            let mut ended = self.shared.ended.subscribe();
            self.poke();
            // Whether it ended or not: what is known then counts.
            let _ = tokio::time::timeout(CALLERS_WAIT, ended.changed()).await;
        }
        self.origin()
    }

    fn is_unknown(&self) -> bool {
        let state = self.shared.state.load();
        state.origin.is_none() && state.report.reason == UpstreamReason::Pending
    }

    /// For status.
    pub fn report(&self) -> Report<UpstreamReason> {
        self.shared.state.load().report.clone()
    }

    /// Whether Confluence serves visitors.
    pub fn visitors(&self) -> Visitors {
        self.shared.state.load().visitors
    }

    /// Whether Confluence takes assertions, as far as was seen.
    pub fn is_trusted(&self) -> bool {
        self.shared.state.load().report.reason == UpstreamReason::Trusted
    }

    /// Takes in what the check of a user has shown. Only that shows whether a header is believed.
    pub fn learn(&self, user: &Username, answered: Result<(), Reason>) {
        if matches!(*self.shared.identity, Identity::Header(_)) && self.proof(|it| it.learn(user, answered)) {
            self.poke();
        }
    }

    fn proof<T>(&self, with: impl FnOnce(&mut Proof) -> T) -> T {
        with(&mut self.shared.proof.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks for a calibration soon, because an asserted request was not taken as one.
    pub fn poke(&self) {
        if !self.shared.poked.swap(true, Ordering::Relaxed) {
            self.shared.wake.notify_one();
        }
    }

    /// Calibrates until `shutdown`: every 15 s until users can be asserted, then every hour, and when poked.
    pub async fn run(&self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(self.calibrate_forever()).await;
    }

    async fn calibrate_forever(&self) {
        loop {
            self.shared.poked.store(false, Ordering::Relaxed);
            let begun = Instant::now();
            self.calibrate().await;
            let takes_newest = self.keyring().is_none_or(|it| it.all().first() == Some(&it.taken()));
            let is_settled = self.origin().is_ok() && takes_newest;
            let pause = if is_settled { EVERY_TRUSTED } else { EVERY_UNTRUSTED };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shared.wake.notified() => {
                    let pause = if self.is_unknown() { AT_LEAST_UNKNOWN } else { AT_LEAST };
                    tokio::time::sleep_until(begun + pause).await;
                }
            }
        }
    }

    /// One calibration.
    pub async fn calibrate(&self) {
        let before = self.shared.state.load_full();
        let is_running = self.is_running().await;
        let visit = if is_running { self.answer_to(None).await } else { None };
        let state = match &*self.shared.identity {
            Identity::OAuth1(_) => self.by_signature(is_running, visit.as_ref(), &before).await,
            Identity::Header(mode) => {
                self.by_header(mode, is_running.then(|| Ran::of(visit.as_ref())), &before).await
            }
        };
        let state = State { visitors: before.visitors.after(visit.as_ref()), ..state };
        if state.report != before.report {
            let reason = state.report.reason.as_str();
            tracing::info!(upstream.reason = reason, upstream.message = state.report.message, "calibration");
        }
        self.shared.state.store(Arc::new(state));
        self.shared.ended.send_replace(());
    }

    async fn by_signature(&self, is_running: bool, visit: Option<&Answer>, before: &State) -> State {
        let (finding, origin) = if is_running {
            self.find_and_keep(visit, before.origin.as_ref()).await
        } else {
            (Finding::NotRunning, None)
        };
        // A Confluence that restarts has not changed its mind.
        let origin = if finding.is_inconclusive() { before.origin.clone() } else { origin };
        let mut report = verdict::report(&finding, origin.as_ref(), &self.shared.candidates);
        if let (None, Some(trouble)) = (&origin, self.kept().and_then(|kept| kept.trouble)) {
            report.message = format!("{} The sidecar could not put it right: {trouble}.", report.message);
        }
        State { origin, report, ..before.clone() }
    }

    /// `without`: as whom a call without the header ran; `None`: Confluence does not run.
    async fn by_header(&self, mode: &Header, without: Option<Ran>, before: &State) -> State {
        let finding = if let Some(without) = without {
            let invented = match &self.shared.nobody {
                Some(nobody) => self.run_as(nobody).await,
                None => Ran::Unknown,
            };
            header::judge(&without, &invented)
        } else {
            header::Finding::Inconclusive
        };
        let origin = match finding {
            // The same here.
            header::Finding::Inconclusive if before.origin.is_some() => return before.clone(),
            header::Finding::Sound { .. } => self.shared.candidates.first().cloned(),
            _ => None,
        };
        if origin.is_some() {
            self.ask_the_witness().await;
        }
        let report = self.proof(|proof| header::report(mode.name(), &finding, proof));
        State { origin, report, ..before.clone() }
    }

    /// A header that was believed may not be any more.
    async fn ask_the_witness(&self) {
        let Proof::Witness(witness) = self.proof(|proof| proof.clone()) else { return };
        let ran = self.run_as(&witness).await;
        let reconsidered = header::reconsider(&witness, &ran);
        self.proof(|proof| {
            // Meanwhile there may be another witness.
            if *proof == Proof::Witness(witness) {
                *proof = reconsidered;
            }
        });
    }

    /// As whom a call for this user runs.
    async fn run_as(&self, user: &Username) -> Ran {
        Ran::of(self.answer_to(Some(user)).await.as_ref())
    }

    /// The answer to a call that names this user, or to one without any credential.
    async fn answer_to(&self, user: Option<&Username>) -> Option<Answer> {
        let mut request = self.request(current_user::PATH)?;
        if let Some(user) = user {
            let origin = self.shared.candidates.first()?;
            self.shared.identity.assert(origin, user, UnixTime::now(), &mut request).ok()?;
        }
        self.shared.client.send(request, DEADLINE).await.ok()
    }

    /// Looks again when something was put right about the application link.
    async fn find_and_keep(
        &self,
        visit: Option<&Answer>,
        before: Option<&Origin>,
    ) -> (Finding, Option<Origin>) {
        let mut found = self.find(visit, before).await;
        if let (Some(keeper), Some(keyring)) = (&self.shared.keeper, self.keyring())
            && keeper.keep(&found.0, keyring).await
        {
            found = self.find(visit, before).await;
            keeper.keep(&found.0, keyring).await;
        }
        found
    }

    /// Tries candidates and keys until one is not refused for its signature.
    async fn find(&self, visit: Option<&Answer>, before: Option<&Origin>) -> (Finding, Option<Origin>) {
        let Some(keyring) = self.keyring() else { return (Finding::NotRunning, None) };
        for (origin, key) in candidates::attempts(&self.shared.candidates, before, keyring.all()) {
            let answer = self.ask(&origin, key, Signature::Good).await;
            match verdict::of_good_signature(answer.as_ref(), visit) {
                Finding::SignatureInvalid => {}
                Finding::Trusted => {
                    let answer = self.ask(&origin, key, Signature::Damaged).await;
                    return match verdict::of_bad_signature(answer.as_ref()) {
                        Finding::Trusted => {
                            keyring.take(key);
                            (Finding::Trusted, Some(origin))
                        }
                        other => (other, None),
                    };
                }
                other => return (other, None),
            }
        }
        (Finding::SignatureInvalid, None)
    }

    async fn is_running(&self) -> bool {
        let Some(request) = self.request("/status") else { return false };
        let answer = self.shared.client.send(request, DEADLINE).await;
        answer.is_ok_and(|answer| verdict::says_running(answer.status, &answer.body))
    }

    /// A signed call for nobody. `None`: no answer.
    async fn ask(&self, origin: &Origin, key: Key, signature: Signature) -> Option<Answer> {
        let mut request = self.request(current_user::PATH)?;
        let nobody = self.shared.nobody.as_ref()?;
        self.shared.identity.assert_with(key, origin, nobody, UnixTime::now(), &mut request).ok()?;
        if signature == Signature::Damaged {
            oauth1::damage(&mut request.headers)?;
        }
        self.shared.client.send(request, DEADLINE).await.ok()
    }

    /// A call of this path. Any host will do where Tomcat takes it from the header; this one cannot be mistaken for a
    /// `proxyName`.
    fn request(&self, path: &str) -> Option<Outgoing> {
        Some(Outgoing::get(format!("{}{path}", self.shared.context_path), self.shared.client.host()?))
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
