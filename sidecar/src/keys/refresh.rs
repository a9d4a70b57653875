//! When to ask for keys, and what to hold meanwhile. Good keys stay until a good answer replaces them; a failed
//! refresh changes nothing but the report. A known key never waits for the identity provider.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use futures::future::join_all;
use restward_crds::{
    condition::ProviderReason,
    sidecar::{
        Settings,
        settings::{IssuerSettings, IssuerSource},
        status::Report,
    },
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    discovery,
    fetch::{ClientError, Failure, Fetcher},
    snapshot::{IssuerKeys, Snapshot, usable_keys},
};
use crate::metrics::Fetches;

/// Between two good background refreshes.
const REFRESH_EVERY: Duration = Duration::from_mins(5);
/// After a failed one, while there are keys.
const RETRY_STALE: Duration = Duration::from_mins(1);
/// After a failed one, while there are none.
const RETRY_ABSENT: Duration = Duration::from_secs(10);
/// After a realm did not say since when its tokens count.
const RETRY_NOT_BEFORE: Duration = Duration::from_secs(1);
/// How long keys count that were found in another way (at another host or back channel, or trusted by another authority) while
/// the provider does not answer where it is asked now. Whoever keeps it from answering must not keep keys alive whose
/// origin is not trusted any more.
const FOUND_OTHERWISE: Duration = Duration::from_mins(5);
/// Tokens with unknown keys cause at most one request in this time, for each issuer.
const UNKNOWN_KEY_WINDOW: Duration = Duration::from_secs(10);

/// Why a configuration's keys cannot be managed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The configuration wants its own certificate authorities and has none.
    #[error(
        "an issuer wants its own certificate authorities, but there is no CA file beside the configuration"
    )]
    CaMissing,
    /// There is no HTTP client for this configuration.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Whether the issuer could be asked for an unknown key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It answered within the last ten seconds.
    Answered,
    /// It did not.
    Failed,
}

/// The keys of all issuers of a configuration. Clones share everything.
#[derive(Clone)]
pub struct Keys {
    shared: Arc<Shared>,
}

struct Shared {
    issuers: Vec<IssuerSettings>,
    ca_pem: Option<Vec<u8>>,
    fetchers: Vec<Fetcher>,
    snapshot: ArcSwap<Snapshot>,
    /// Serialises the change of one snapshot into the next.
    publish: Mutex<()>,
    reports: Vec<ArcSwap<Report<ProviderReason>>>,
    /// One request at a time for each issuer, and when the last one ended with what.
    asking: Vec<tokio::sync::Mutex<Option<(Instant, Asked)>>>,
    fetches: Fetches,
    /// How often realms are asked for their `tokens-not-before`.
    revocation_poll: Option<Duration>,
}

impl Keys {
    /// Seeds the keys with what the operator last saw, so that a start works while the identity provider is down.
    ///
    /// # Errors
    /// The certificate authorities that the configuration wants are not there or unreadable.
    pub fn new(settings: &Settings, ca_pem: Option<&[u8]>, counter: Fetches) -> Result<Self, KeysError> {
        let issuers = settings.issuers.clone();
        let mut fetchers = Vec::new();
        for issuer in &issuers {
            let ca = if issuer.own_ca { Some(ca_pem.ok_or(KeysError::CaMissing)?) } else { None };
            fetchers.push(Fetcher::new(ca)?);
        }
        let pending = || Report {
            reason: ProviderReason::Pending,
            message: "The identity provider was not asked yet.".into(),
        };
        Ok(Self {
            shared: Arc::new(Shared {
                ca_pem: ca_pem.map(<[u8]>::to_vec),
                fetchers,
                snapshot: ArcSwap::from_pointee(Snapshot::new(issuers.iter().map(seed).collect())),
                publish: Mutex::new(()),
                reports: issuers.iter().map(|_| ArcSwap::from_pointee(pending())).collect(),
                asking: issuers.iter().map(|_| tokio::sync::Mutex::new(None)).collect(),
                fetches: counter,
                revocation_poll: settings.tokens.revocation_poll,
                issuers,
            }),
        })
    }

    /// Whether these keys are those of this configuration too, so that they can be kept over a reload.
    pub fn fits(&self, settings: &Settings, ca_pem: Option<&[u8]>) -> bool {
        // What the operator last saw changes with every rotation and is only a seed.
        let comparable = |issuer: &IssuerSettings| IssuerSettings { last_known: None, ..issuer.clone() };
        self.shared.ca_pem.as_deref() == ca_pem
            && self.shared.revocation_poll == settings.tokens.revocation_poll
            && self.shared.issuers.iter().map(comparable).eq(settings.issuers.iter().map(comparable))
    }

    /// Takes over what is known of the issuers that `previous` had too: a change of policy while the identity provider is away
    /// must cost neither their keys nor what they have revoked. Where a provider is asked in another way from now on, that
    /// counts until it answers there, so that no call fails meanwhile, and for five minutes at most.
    pub fn inherit(&self, previous: &Self) {
        let known = previous.snapshot();
        let _one_at_a_time = self.shared.publish.lock().unwrap_or_else(PoisonError::into_inner);
        let mut snapshot = Snapshot::clone(&self.snapshot());
        for (here, issuer) in self.shared.issuers.iter().enumerate() {
            // Everything by which keys are found and trusted.
            let is_same_way = |other: &IssuerSettings| {
                other.source == issuer.source
                    && other.backchannel == issuer.backchannel
                    && other.own_ca == issuer.own_ca
                    && (!issuer.own_ca || previous.shared.ca_pem == self.shared.ca_pem)
            };
            let mut others = previous.shared.issuers.iter().enumerate();
            let same = others.find_map(|(there, other)| {
                is_same_provider(issuer, other).then_some(())?;
                Some((there, other, names_that_stay(issuer, known.names(there))?))
            });
            if let Some((there, other, names)) = same {
                let until = (!is_same_way(other)).then(|| Instant::now() + FOUND_OTHERWISE);
                snapshot = snapshot.with_that_of(here, &known, there, names, until);
            }
        }
        self.shared.snapshot.store(Arc::new(snapshot));
    }

    /// The keys as of now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    /// For each issuer by name: how long ago its keys were fetched.
    pub fn ages(&self) -> Vec<(String, Duration)> {
        let snapshot = self.snapshot();
        let age = |(index, issuer): (usize, &IssuerSettings)| {
            let name = snapshot.names(index).first().map_or_else(|| issuer.source.name(), String::as_str);
            Some((name.to_owned(), snapshot.fetched(index)?.elapsed()))
        };
        self.shared.issuers.iter().enumerate().filter_map(age).collect()
    }

    /// The HTTP client for an issuer.
    pub fn fetcher(&self, issuer: usize) -> Option<&Fetcher> {
        self.shared.fetchers.get(issuer)
    }

    /// The state of the first issuer that has a problem, else of the first.
    pub fn report(&self) -> Report<ProviderReason> {
        let reports = || self.shared.reports.iter().map(ArcSwap::load);
        reports()
            .find(|report| report.reason != ProviderReason::Reachable)
            .or_else(|| reports().next())
            .map_or_else(
                || Report { reason: ProviderReason::Pending, message: String::new() },
                |report| Report::clone(&report),
            )
    }

    /// Keeps every issuer's keys fresh until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let issuers = 0..self.shared.issuers.len();
        let keys = join_all(issuers.clone().map(|issuer| self.keep_fresh(issuer)));
        let revocation = async {
            if let Some(every) = self.shared.revocation_poll {
                join_all(issuers.map(|issuer| self.follow_revocation(issuer, every))).await;
            }
        };
        shutdown.run_until_cancelled(async { tokio::join!(keys, revocation) }).await;
    }

    /// Asks the realm since when its tokens count. While it does not answer, what it said last holds.
    async fn follow_revocation(&self, issuer: usize, every: Duration) {
        loop {
            let asked = self.ask_not_before(issuer).await;
            tokio::time::sleep(if asked { every } else { every.min(RETRY_NOT_BEFORE) }).await;
        }
    }

    /// Whether the realm could be asked and said something.
    async fn ask_not_before(&self, issuer: usize) -> bool {
        let realm = self.snapshot().endpoints(issuer).and_then(|endpoints| endpoints.realm.clone());
        let (Some(realm), Some(fetcher)) = (realm, self.fetcher(issuer)) else { return false };
        let Ok(second) = fetcher.not_before(&realm).await else { return false };
        let _one_at_a_time = self.shared.publish.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(changed) = self.snapshot().with_not_before(issuer, second) {
            tracing::info!(idp.not_before = second, "the realm has revoked older tokens");
            self.shared.snapshot.store(Arc::new(changed));
        }
        true
    }

    async fn keep_fresh(&self, issuer: usize) {
        loop {
            let pause = match self.ask(issuer, Duration::ZERO).await {
                Asked::Answered => REFRESH_EVERY,
                Asked::Failed if self.has_own_keys(issuer) => RETRY_STALE,
                Asked::Failed => RETRY_ABSENT,
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Whether there are keys that were found where the issuer is asked now.
    fn has_own_keys(&self, issuer: usize) -> bool {
        let snapshot = self.snapshot();
        snapshot.has_keys(issuer) && snapshot.until(issuer).is_none()
    }

    /// Asks the issuer for keys because a token names an unknown one; whoever comes while it is being asked, or within
    /// ten seconds after, shares the answer.
    pub async fn refresh_unknown_kid(&self, issuer: usize) -> Asked {
        self.ask(issuer, UNKNOWN_KEY_WINDOW).await
    }

    async fn ask(&self, issuer: usize, not_within: Duration) -> Asked {
        let shared = &self.shared;
        let (Some(settings), Some(fetcher), Some(asking)) =
            (shared.issuers.get(issuer), shared.fetchers.get(issuer), shared.asking.get(issuer))
        else {
            return Asked::Failed;
        };
        let mut last = asking.lock().await;
        if let Some((when, asked)) = *last
            && when.elapsed() < not_within
        {
            return asked;
        }
        let outcome = fetcher.keys_of(settings).await;
        shared.fetches.count(outcome.is_ok());
        let asked = if outcome.is_ok() { Asked::Answered } else { Asked::Failed };
        self.publish(issuer, outcome);
        *last = Some((Instant::now(), asked));
        asked
    }

    fn store(&self, issuer: usize, state: IssuerKeys) {
        let _one_at_a_time = self.shared.publish.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.snapshot.store(Arc::new(self.shared.snapshot.load().with(issuer, state)));
    }

    /// Replaces the keys by a good answer: keys that are gone from it stop working now.
    fn publish(&self, issuer: usize, outcome: Result<IssuerKeys, Failure>) {
        let shared = &self.shared;
        let (Some(slot), Some(settings)) = (shared.reports.get(issuer), shared.issuers.get(issuer)) else {
            return;
        };
        if outcome.is_err() && self.snapshot().until(issuer).is_some_and(|end| end <= Instant::now()) {
            tracing::warn!(
                idp.address = settings.source.address(),
                "keys that were found elsewhere are dropped"
            );
            self.store(issuer, seed(settings));
        }
        let report = match outcome {
            Ok(keys) => {
                let message = format!("{} keys of {}.", keys.keys.len(), keys.names.join(", "));
                self.store(issuer, keys);
                Report { reason: ProviderReason::Reachable, message }
            }
            Err(failure) if self.snapshot().has_keys(issuer) => Report {
                reason: ProviderReason::Degraded,
                message: format!("Known keys serve, but the last refresh failed: {}", failure.message),
            },
            Err(failure) => Report { reason: failure.reason, message: failure.message },
        };
        let before = slot.swap(Arc::new(report.clone()));
        if *before != report {
            let reason = report.reason.as_str();
            tracing::info!(idp.reason = reason, idp.message = report.message, "identity provider");
        }
    }
}

/// Whether both are one provider: wherever it is asked, and whoever vouches for its certificate. At another host it is the same
/// only by a list of names, which says so.
fn is_same_provider(a: &IssuerSettings, b: &IssuerSettings) -> bool {
    match (&a.source, &b.source) {
        (IssuerSource::Keycloak { realm, .. }, IssuerSource::Keycloak { realm: other, .. }) => {
            let is_listed = !a.accepted_issuers.is_empty() && a.accepted_issuers == b.accepted_issuers;
            realm == other && (a.source == b.source || is_listed)
        }
        (IssuerSource::OpenId { issuer, .. }, IssuerSource::OpenId { issuer: other, .. }) => issuer == other,
        _ => false,
    }
}

/// The names under which tokens of a provider are accepted that had the names `before`, until it is asked. `None`: they have
/// nothing in common, so that it counts as another. Without a list of its own no name is accepted that was not before.
fn names_that_stay(issuer: &IssuerSettings, before: &[String]) -> Option<Vec<String>> {
    let expected = discovery::expected_names(issuer);
    let common: Vec<_> = expected.iter().filter(|name| before.contains(name)).cloned().collect();
    if common.is_empty() {
        return None;
    }
    Some(if issuer.accepted_issuers.is_empty() { common } else { expected })
}

/// What is known of an issuer before it was asked.
fn seed(issuer: &IssuerSettings) -> IssuerKeys {
    let expected = || IssuerKeys {
        names: discovery::expected_names(issuer),
        keys: Vec::new(),
        endpoints: None,
        fetched: None,
        until: None,
    };
    let Some(known) = &issuer.last_known else { return expected() };
    match (discovery::accepted_names(issuer, &known.issuer), usable_keys(&known.jwks)) {
        (Ok(names), Some(keys)) if !keys.is_empty() => {
            IssuerKeys { names, keys, endpoints: None, fetched: None, until: None }
        }
        _ => expected(),
    }
}

#[cfg(test)]
mod tests;
