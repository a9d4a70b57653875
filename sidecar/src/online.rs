//! What the identity provider itself says about a token: asked once for all who present it at the same time, and
//! remembered for a short while. Only tokens with a good signature come here, so that made-up ones cost the provider nothing.
//!
//! - [`client`]: as whom it is asked
//! - [`introspection`], [`userinfo`]: the two questions, each with what follows from the answer; pure

pub mod client;
pub mod introspection;
pub mod userinfo;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use restward_crds::{
    condition::ProviderReason,
    reason::Reason,
    sidecar::{Settings, config::OwnClient, settings::IssuerSettings, status::Report, tokens::Validation},
};
use tokio::{sync::Semaphore, time::Instant};
use url::Url;

use crate::{
    advice::{Advice, Advices},
    auth::{Permit, RawToken, Verified, checks::lifetime, claims::Claims},
    bounded::Bounded,
    flights::Flights,
    keys::{
        Keys,
        fetch::{Call, Reply},
        snapshot::Endpoints,
    },
    refusal::Deny,
    time::UnixTime,
};
use client::{Client, Credentials};

/// How long "valid" counts: the longest that a revoked token is still accepted.
const YES_FOR: Duration = Duration::from_secs(30);
/// How long "not valid" counts: a user who was enabled again is let in soon.
const NO_FOR: Duration = Duration::from_secs(10);
/// A provider that did not answer is not asked again for so long.
const PAUSE: Duration = Duration::from_secs(2);
/// Half of the number of answers that are remembered.
const REMEMBERED: usize = 4096;
/// Questions under way at the same time.
const AT_ONCE: usize = 32;
/// Longest wait for a place among them.
const PATIENCE: Duration = Duration::from_secs(5);

/// What has to be asked about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Question {
    /// RFC 7662.
    Introspection,
    /// OpenID Connect Core, section 5.3.
    UserInfo,
}

impl Question {
    /// What the settings want asked about this token; `None`: its own claims decide.
    pub fn about(settings: &Settings, token: &Verified) -> Option<Self> {
        let has_client =
            settings.issuers.get(token.issuer()).is_some_and(|issuer| issuer.own_client.is_some());
        match settings.tokens.validation {
            Validation::Local => None,
            Validation::Auto => (has_client && token.is_lightweight()).then_some(Self::Introspection),
            Validation::Introspection => Some(Self::Introspection),
            Validation::UserInfo => Some(Self::UserInfo),
        }
    }
}

/// The answer about one token.
type Answer = Result<Arc<Permit>, Deny>;
/// What the provider says of a token's claims; the outer error is that it could not be asked.
type Told = Result<Result<Claims, Refused>, Deny>;
/// SHA-256 of a token.
type Hash = [u8; 32];

/// Asks and remembers. Lives as long as one configuration. Clones share everything.
#[derive(Clone)]
pub struct Online {
    shared: Arc<Shared>,
    flights: Flights<Hash, Answer>,
}

struct Shared {
    settings: Arc<Settings>,
    keys: Keys,
    credentials: Option<Credentials>,
    answers: Mutex<Bounded<Hash, (Answer, Instant)>>,
    places: Semaphore,
    /// Until when nobody is asked, as somebody has just not answered.
    pause: Mutex<Option<Instant>>,
    advices: Advices,
}

impl Online {
    /// For this configuration after `previous`, with the client's credentials if there are any.
    pub fn new(settings: Arc<Settings>, keys: Keys, client: Option<Client>, previous: Option<&Self>) -> Self {
        let before = previous.and_then(|previous| previous.shared.credentials.as_ref());
        let shared = Shared {
            settings,
            keys,
            credentials: client.map(|client| Credentials::new(client, before)),
            answers: Mutex::new(Bounded::new(REMEMBERED)),
            places: Semaphore::new(AT_ONCE),
            pause: Mutex::new(None),
            advices: Advices::default(),
        };
        Self { shared: Arc::new(shared), flights: Flights::default() }
    }

    /// How many answers are remembered.
    pub fn remembered(&self) -> usize {
        self.shared.answers.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The permit of a token whose signature is good, according to the provider.
    ///
    /// # Errors
    /// It is not accepted, or the provider cannot be asked.
    pub async fn confirm(
        &self,
        question: Question,
        token: &RawToken,
        verified: &Arc<Verified>,
        hash: Hash,
        now: UnixTime,
    ) -> Answer {
        let answer = if let Some(answer) = self.shared.remembered(&hash) {
            answer
        } else {
            let (shared, token, verified) = (Arc::clone(&self.shared), token.clone(), Arc::clone(verified));
            let asked = self.flights.join(hash, async move {
                let answer = shared.ask(question, &token, &verified, now).await;
                shared.remember(hash, &answer);
                answer
            });
            asked.await.unwrap_or_else(|| Err(Reason::ValidationUnavailable.into()))
        };
        let permit = answer?;
        // An answer never outlives the token.
        lifetime::within(permit.claims(), self.shared.settings.tokens.clock_skew, now)?;
        Ok(permit)
    }

    /// Notes what the administrator should know about a token whose own claims were refused.
    pub fn note(&self, advice: Advice) {
        self.shared.advices.note(advice);
    }

    /// Why no token can be accepted: each has to be asked about, and the sidecar may not ask.
    pub fn report(&self) -> Option<Report<ProviderReason>> {
        let Shared { settings, credentials, advices, .. } = &*self.shared;
        let cause = match credentials {
            _ if settings.tokens.validation != Validation::Introspection => None,
            None => settings.issuers.iter().find_map(missing_client),
            Some(_) => Some(Advice::ClientRejected).filter(|advice| advices.is_noted(*advice)),
        }?;
        Some(Report { reason: ProviderReason::ClientNotAccepted, message: cause.sentence() })
    }

    /// What the administrator should know.
    pub fn advisories(&self) -> Vec<String> {
        let missing = self.shared.settings.issuers.iter().find_map(missing_client);
        if let (Some(advice), None) = (missing, &self.shared.credentials) {
            self.shared.advices.note(advice);
        }
        self.shared.advices.sentences()
    }
}

impl Shared {
    fn remembered(&self, hash: &Hash) -> Option<Answer> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (answer, until) = answers.get(hash)?;
        if Instant::now() < until {
            return Some(answer);
        }
        answers.remove(hash);
        None
    }

    /// What the provider said is remembered, not that it could not be asked.
    fn remember(&self, hash: Hash, answer: &Answer) {
        let lifetime = match answer {
            Ok(_) => YES_FOR,
            Err(deny) if deny.reason == Reason::ValidationUnavailable => return,
            Err(_) => NO_FOR,
        };
        let until = Instant::now() + lifetime;
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(hash, (answer.clone(), until));
    }

    async fn ask(&self, question: Question, token: &RawToken, verified: &Verified, now: UnixTime) -> Answer {
        let claims = match (question, &self.credentials) {
            (Question::UserInfo, _) => self.userinfo(token, verified).await?,
            (Question::Introspection, Some(credentials)) => {
                self.introspect(credentials, token, verified).await?
            }
            (Question::Introspection, None) => return Err(Reason::ValidationUnavailable.into()),
        };
        if claims != Err(Refused::ClientRejected) {
            self.advices.clear(Advice::ClientRejected);
        }
        let claims = claims.map_err(|refused| self.explain(refused, verified))?;
        let keys = self.keys.snapshot();
        let permit = verified.with_claims(claims).permit(&self.settings, &keys, now);
        Ok(Arc::new(permit.inspect_err(|deny| {
            if deny.reason == Reason::AudienceMismatch {
                self.advices.note(Advice::AudienceMissing);
            }
        })?))
    }

    /// As the client that the provider takes: as it is now, else as it was before. The provider may hear of the new secret
    /// between the two.
    async fn introspect(&self, credentials: &Credentials, token: &RawToken, verified: &Verified) -> Told {
        let ask = async |client: &Client| -> Told {
            let url = self.endpoint(verified, |endpoints| endpoints.introspection.clone())?;
            let reply = self.send(verified.issuer(), introspection::call(url, client, token)).await?;
            Ok(introspection::read(&reply, verified.claims()))
        };
        let mut told = ask(credentials.now()).await?;
        if told == Err(Refused::ClientRejected)
            && let Some(before) = credentials.before()
        {
            let told_before = ask(&before).await?;
            if told_before != Err(Refused::ClientRejected) {
                self.advices.note(Advice::ClientSecretNotTaken);
                return Ok(told_before);
            }
            told = ask(credentials.now()).await?;
        }
        if told != Err(Refused::ClientRejected) {
            credentials.taken();
            self.advices.clear(Advice::ClientSecretNotTaken);
        }
        Ok(told)
    }

    async fn userinfo(&self, token: &RawToken, verified: &Verified) -> Told {
        if verified.is_proven() {
            self.advices.note(Advice::UserInfoWithDpop);
            return Err(Reason::ValidationUnavailable.into());
        }
        let url = self.endpoint(verified, |endpoints| endpoints.userinfo.clone())?;
        let call = userinfo::call(url, token).ok_or(Reason::TokenMalformed)?;
        let reply = self.send(verified.issuer(), call).await?;
        Ok(userinfo::read(&reply, verified.claims()))
    }

    fn endpoint(
        &self,
        verified: &Verified,
        which: impl Fn(&Endpoints) -> Option<Url>,
    ) -> Result<Url, Reason> {
        let snapshot = self.keys.snapshot();
        let endpoints = snapshot.endpoints(verified.issuer()).ok_or(Reason::ValidationUnavailable)?;
        which(endpoints).ok_or_else(|| {
            self.advices.note(Advice::NoEndpoint);
            Reason::ValidationUnavailable
        })
    }

    async fn send(&self, issuer: usize, call: Call) -> Result<Reply, Deny> {
        let unavailable = || Deny::from(Reason::ValidationUnavailable);
        let is_pausing = || {
            let pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
            pause.is_some_and(|until| Instant::now() < until)
        };
        let place = tokio::time::timeout(PATIENCE, self.places.acquire()).await;
        let Ok(Ok(_place)) = place else { return Err(unavailable()) };
        if is_pausing() {
            return Err(unavailable());
        }
        let fetcher = self.keys.fetcher(issuer).ok_or_else(unavailable)?;
        match fetcher.exchange(call).await {
            Ok(reply) if !reply.status.is_server_error() => Ok(reply),
            _ => {
                self.advices.note(Advice::NotAnswering);
                let until = Instant::now() + PAUSE;
                *self.pause.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
                Err(unavailable())
            }
        }
    }

    /// The refusal for the caller; notes what the administrator should know about it.
    fn explain(&self, refused: Refused, verified: &Verified) -> Deny {
        let (advice, reason) = match refused {
            Refused::Inactive => {
                let asks_about_others = self.credentials.as_ref().is_some_and(|credentials| {
                    let id = credentials.now().id();
                    !verified.is_lightweight() && !verified.claims().aud.iter().any(|aud| aud == id)
                });
                (asks_about_others.then_some(Advice::ClientNotInAudience), Reason::TokenInactive)
            }
            Refused::OpenidMissing => (Some(Advice::OpenidMissing), Reason::OpenidScopeMissing),
            Refused::ClientRejected => (Some(Advice::ClientRejected), Reason::ValidationUnavailable),
            Refused::Unexpected => (Some(Advice::UnexpectedAnswer), Reason::ValidationUnavailable),
        };
        if let Some(advice) = advice {
            self.advices.note(advice);
        }
        reason.into()
    }
}

/// What to say when the files of the sidecar's client at this issuer are not there.
fn missing_client(issuer: &IssuerSettings) -> Option<Advice> {
    issuer.own_client.as_ref().map(|client| match client {
        OwnClient::Secret => Advice::ClientSecretMissing,
        OwnClient::Assertion(_) => Advice::ClientAssertionMissing,
    })
}

/// Why an answer gives no claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The provider says that the token is not valid.
    Inactive,
    /// The provider says nothing without the scope `openid`.
    OpenidMissing,
    /// The provider does not accept the sidecar's own credentials.
    ClientRejected,
    /// The answer is not what the protocol says, or is about another token.
    Unexpected,
}

#[cfg(test)]
mod tests;
