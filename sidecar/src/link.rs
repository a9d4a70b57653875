//! Keeps the application link in Confluence, where the policy wants that: makes it, gives it the right key, and lets its
//! consumer name users, whenever calibration finds that one of these is not so. It calls Confluence over loopback with the
//! personal access token of a system administrator, which is mounted here and nowhere else; see
//! `docs/adr/0002-managed-link.md`.
//!
//! - [`calls`]: the REST calls as requests, and what their answers say

pub mod calls;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::HeaderValue;
use restward_crds::{
    link::{self, Call},
    sidecar::{
        Settings,
        config::ManagedLink,
        identity::IdentitySettings,
        status::{LinkReport, Repair},
    },
};
use tokio::time::Instant;

use crate::{
    calibrate::verdict::Finding,
    identity::{Key, Keyring},
    loopback::{Answer, Client},
    random,
    time::UnixTime,
};
use calls::{Consumer, Link, Trouble};

/// For one call.
const DEADLINE: Duration = Duration::from_secs(10);
/// Between two attempts at first; each that did not help doubles it.
const PAUSE: Duration = Duration::from_secs(15);
/// Between two attempts at last.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// Within which the sidecars of one Confluence make a link, in milliseconds: they find out at the same time that there is none.
const SPREAD: u64 = 2000;

/// What is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// There is no link.
    Link,
    /// Its consumer may not name users.
    Permission,
    /// It has a key that nobody has.
    Key,
    /// It has the key that is being replaced.
    NextKey,
}

impl Need {
    /// From what calibration found. `takes_wanted`: Confluence takes the key that the link is to have.
    pub fn of(finding: &Finding, takes_wanted: bool) -> Option<Self> {
        match finding {
            Finding::LinkMissing => Some(Self::Link),
            Finding::ImpersonationOff => Some(Self::Permission),
            Finding::SignatureInvalid => Some(Self::Key),
            Finding::Trusted if !takes_wanted => Some(Self::NextKey),
            Finding::Trusted
            | Finding::NotRunning
            | Finding::ClockSkew
            | Finding::NotEvaluated
            | Finding::Unexpected(_) => None,
        }
    }

    /// What was done about it.
    const fn done(self) -> &'static str {
        match self {
            Self::Link => "there was no application link: it was made",
            Self::Permission => "the application link did not let its consumer name users: it does now",
            Self::Key => "the application link held a key that is not this policy's: it was replaced",
            Self::NextKey => "the application link got the next key",
        }
    }
}

/// Keeps the link.
pub struct Keeper {
    client: Client,
    context_path: String,
    consumer: Consumer,
    /// Fingerprint of the key that the link is to have.
    wanted: String,
    token: Result<HeaderValue, Trouble>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    repair: Option<Repair>,
    trouble: Option<Trouble>,
    /// Not before then, and how long to wait the next time.
    later: Option<(Instant, Duration)>,
}

impl Keeper {
    /// `None`: the policy wants none, or no link names users. `token`: the file, if it is there.
    pub fn new(
        settings: &Settings,
        token: Option<&[u8]>,
        client: Client,
        context_path: &str,
    ) -> Option<Self> {
        let ManagedLink { key } = settings.managed_link.as_ref()?;
        let IdentitySettings::OAuth1 { consumer_key } = &settings.upstream.identity else { return None };
        Some(Self {
            client,
            context_path: context_path.to_owned(),
            consumer: Consumer::of_policy(consumer_key.clone(), &settings.policy.uid),
            wanted: key.clone(),
            token: token.ok_or(Trouble::NoToken).and_then(calls::authorization),
            state: Mutex::default(),
        })
    }

    /// For status.
    pub fn report(&self) -> LinkReport {
        self.with_state(|state| LinkReport {
            repair: state.repair.clone(),
            trouble: state.trouble.as_ref().map(ToString::to_string),
        })
    }

    fn with_state<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts right what is not. `true`: something was changed, so look again.
    pub async fn keep(&self, finding: &Finding, keyring: &Keyring) -> bool {
        let takes_wanted = keyring.fingerprint(keyring.taken()) == self.wanted;
        let Some(need) = Need::of(finding, takes_wanted) else {
            if matches!(finding, Finding::Trusted) {
                self.with_state(|state| (state.trouble, state.later) = (None, None));
            }
            return false;
        };
        // Configuration and keys may reach the pod one after the other.
        let held = keyring.all().iter().find(|key| keyring.fingerprint(**key) == self.wanted);
        let Some(key) = held.filter(|_| self.may_try(Instant::now())) else { return false };
        let outcome = self.restore(keyring, *key).await;
        match &outcome {
            Ok(()) => tracing::info!(link.repair = need.done(), "the application link was put right"),
            Err(trouble) => {
                tracing::warn!(link.trouble = %trouble, "the application link could not be put right");
            }
        }
        self.with_state(|state| {
            if outcome.is_ok() {
                state.repair = Some(Repair { at: UnixTime::now().secs(), what: need.done().to_owned() });
            }
            state.trouble = outcome.clone().err();
        });
        outcome.is_ok()
    }

    /// Whether it is time to; if so, the next time is later.
    fn may_try(&self, now: Instant) -> bool {
        self.with_state(|state| match state.later {
            Some((not_before, _)) if now < not_before => false,
            later => {
                let pause = later.map_or(PAUSE, |(_, pause)| (pause * 2).min(LONGEST_PAUSE));
                state.later = Some((now + pause, pause));
                true
            }
        })
    }

    /// All three calls: none of them changes what is right already.
    async fn restore(&self, keyring: &Keyring, key: Key) -> Result<(), Trouble> {
        let Link { id, .. } = self.find_or_make().await?;
        let public =
            keyring.public_pem(key).ok_or_else(|| Trouble::Odd("the key has no public half".into()))?;
        self.call("take the consumer's key", link::set_consumer(&id, &self.consumer.key, &public)).await?;
        self.call("let the consumer name users", link::allow(&id)).await.map(drop)
    }

    async fn find_or_make(&self) -> Result<Link, Trouble> {
        if let Some(link) = self.find().await? {
            return Ok(link);
        }
        tokio::time::sleep(jitter()).await;
        if let Some(link) = self.find().await? {
            return Ok(link);
        }
        let made = self.call("make an application link", link::create(&self.consumer)).await?;
        let link = self.find().await?.ok_or_else(|| {
            Trouble::Odd("Confluence does not list the application link that was just made".into())
        })?;
        // Another sidecar was as quick: all of them take the same one.
        if let Some(superfluous) = calls::created(&made.body).filter(|id| *id != link.id) {
            self.call("delete one of two application links", link::delete(&superfluous)).await?;
        }
        Ok(link)
    }

    async fn find(&self) -> Result<Option<Link>, Trouble> {
        let answer = self.call("list application links", link::list()).await?;
        calls::own(&answer.body, &self.consumer)
    }

    async fn call(&self, what: &str, call: Call) -> Result<Answer, Trouble> {
        let silent = || Trouble::Odd(format!("Confluence does not answer when it is to {what}"));
        let host = self.client.host().ok_or_else(silent)?;
        let mut request = calls::request(call, &self.context_path, host);
        request.headers.insert(http::header::AUTHORIZATION, self.token.clone()?);
        let answer = self.client.send(request, DEADLINE).await.map_err(|_| silent())?;
        calls::done(what, &answer)?;
        Ok(answer)
    }
}

fn jitter() -> Duration {
    let random = random::hex_128().and_then(|hex| u64::from_str_radix(hex.get(..8)?, 16).ok());
    Duration::from_millis(random.unwrap_or_default() % SPREAD)
}

#[cfg(test)]
mod tests;
