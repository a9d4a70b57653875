//! [`super::authenticate`] with memory: verdicts of tokens seen before, and one question to the identity provider when
//! a token names an unknown key.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use restward_crds::{
    condition::ProviderReason,
    reason::Reason,
    sidecar::{Settings, status::Report},
};

use super::{
    Permit, Possession, RawToken, Refusal, Verified,
    checks::lifetime,
    claims::Claims,
    dpop::{Proof, Shown, replay::Used},
    verify,
};
use crate::{
    advice::Advice,
    bounded::Bounded,
    certificate::Thumbprint,
    digest::sha256_of,
    keys::{Asked, Keys, Snapshot},
    online::{Online, Question, client::Client},
    refusal::Deny,
    time::UnixTime,
};

/// Half of the number of tokens that are remembered: some 4 KiB each, and only valid ones.
const REMEMBERED: usize = 8192;

/// Authenticates tokens under one configuration; a new configuration gets a new one, so that no verdict outlives the
/// settings it was made with.
pub struct Authenticator {
    settings: Arc<Settings>,
    keys: Keys,
    online: Online,
    used_proofs: Arc<Used>,
    verdicts: Mutex<Verdicts>,
}

/// What the keys say about a token: it was made by its issuer, and
#[derive(Clone)]
enum Verdict {
    /// its own claims pass.
    Permit(Arc<Permit>),
    /// the issuer has to be asked about it.
    Ask(Question, Arc<Verified>),
}

impl Verdict {
    fn claims(&self) -> &Claims {
        match self {
            Self::Permit(permit) => permit.claims(),
            Self::Ask(_, verified) => verified.claims(),
        }
    }
}

/// Verdicts by SHA-256 of the token, made with the keys of one snapshot. Only good ones: who has no valid token cannot
/// push anybody out.
struct Verdicts {
    made_with: Arc<Snapshot>,
    known: Bounded<[u8; 32], Verdict>,
}

impl Verdicts {
    fn new(made_with: Arc<Snapshot>) -> Self {
        Self { made_with, known: Bounded::new(REMEMBERED) }
    }
}

impl Authenticator {
    /// An authenticator for these settings and keys, with the sidecar's own credentials at the issuer if it has any. What was
    /// used of proofs stays used, whatever changes in the configuration.
    pub fn new(settings: Arc<Settings>, keys: Keys, client: Option<Client>, previous: Option<&Self>) -> Self {
        let used_proofs = previous.map(|previous| Arc::clone(&previous.used_proofs)).unwrap_or_default();
        let verdicts = Mutex::new(Verdicts::new(keys.snapshot()));
        let before = previous.map(|previous| &previous.online);
        let online = Online::new(Arc::clone(&settings), keys.clone(), client, before);
        Self { settings, keys, online, used_proofs, verdicts }
    }

    /// How many verdicts, answers of providers and proofs are remembered.
    pub fn memories(&self) -> [usize; 3] {
        [self.lock().known.len(), self.online.remembered(), self.used_proofs.count()]
    }

    /// The permit of a Bearer token that came from the holder of this certificate.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn authenticate(
        &self,
        token: &RawToken,
        certificate: Option<Thumbprint>,
        now: UnixTime,
    ) -> Result<Arc<Permit>, Deny> {
        self.accept(token, Possession::new(None, certificate), now).await
    }

    /// The permit of a token that was shown with a proof of its key (scheme `DPoP`).
    ///
    /// # Errors
    /// Why there is none.
    pub async fn authenticate_proven(
        &self,
        token: &RawToken,
        shown: Shown<'_>,
        certificate: Option<Thumbprint>,
        now: UnixTime,
    ) -> Result<Arc<Permit>, Deny> {
        let proof = Proof::check(&self.settings, token, shown, now)?;
        let permit = self.accept(token, Possession::new(Some(&proof), certificate), now).await?;
        self.used_proofs.first(&proof, now)?;
        Ok(permit)
    }

    async fn accept(
        &self,
        token: &RawToken,
        possession: Possession,
        now: UnixTime,
    ) -> Result<Arc<Permit>, Deny> {
        // What is remembered of a token counts with what it was shown with; neither it nor a thumbprint holds a blank.
        let key = possession.key.as_deref().unwrap_or_default();
        let certificate = possession.certificate().unwrap_or_default();
        let hash = sha256_of(&[token.as_str(), " ", key, " ", certificate].map(str::as_bytes));
        match self.verdict(token, &possession, hash, now).await? {
            Verdict::Permit(permit) => Ok(permit),
            Verdict::Ask(question, verified) => {
                self.online.confirm(question, token, &verified, hash, now).await
            }
        }
    }

    /// Why no token can be accepted at all although the issuer's keys are known.
    pub fn report(&self) -> Option<Report<ProviderReason>> {
        self.online.report()
    }

    /// Notes what the administrator should know about a good token that names no user.
    pub fn note_nameless(&self, permit: &Permit) {
        if permit.claims().is_lightweight() {
            self.online.note(Advice::LightweightTokens);
        }
    }

    /// What the administrator should know about the issuer.
    pub fn advisories(&self) -> Vec<String> {
        self.online.advisories()
    }

    async fn verdict(
        &self,
        token: &RawToken,
        possession: &Possession,
        hash: [u8; 32],
        now: UnixTime,
    ) -> Result<Verdict, Deny> {
        let issuer = match self.judge(token, possession, hash, now) {
            Ok(verdict) => return Ok(verdict),
            Err(Refusal::Deny(deny)) => return Err(deny),
            Err(Refusal::UnknownKey { issuer }) => issuer,
        };
        // The identity provider may have a new key. Who cannot ask, must not say that the key does not exist.
        let without_answer = match self.keys.refresh_unknown_kid(issuer).await {
            Asked::Answered => Reason::KeyUnknown,
            Asked::Failed => Reason::KeysUnavailable,
        };
        self.judge(token, possession, hash, now).map_err(|refusal| match refusal {
            Refusal::Deny(deny) => deny,
            Refusal::UnknownKey { .. } => without_answer.into(),
        })
    }

    fn judge(
        &self,
        token: &RawToken,
        possession: &Possession,
        hash: [u8; 32],
        now: UnixTime,
    ) -> Result<Verdict, Refusal> {
        let keys = self.keys.snapshot();
        if let Some(verdict) = self.remembered(&keys, &hash) {
            lifetime::within(verdict.claims(), self.settings.tokens.clock_skew, now)?;
            return Ok(verdict);
        }
        let verified = verify(&self.settings, &keys, token, possession.clone(), now)
            .inspect_err(|refusal| self.note_untimely(refusal))?;
        let verdict = match Question::about(&self.settings, &verified) {
            Some(question) => Verdict::Ask(question, Arc::new(verified)),
            None => Verdict::Permit(Arc::new(self.grant(verified, &keys, now)?)),
        };
        let mut verdicts = self.lock();
        if Arc::ptr_eq(&verdicts.made_with, &keys) {
            verdicts.known.insert(hash, verdict.clone());
        }
        Ok(verdict)
    }

    /// The signature is checked before the lifetime: nobody but the issuer can make such a token.
    fn note_untimely(&self, refusal: &Refusal) {
        if matches!(refusal, Refusal::Deny(deny) if deny.reason == Reason::TokenNotYetValid) {
            self.online.note(Advice::ClocksDiffer);
        }
    }

    fn grant(&self, verified: Verified, keys: &Snapshot, now: UnixTime) -> Result<Permit, Deny> {
        let leaves_audience_out = verified.claims().leaves_audience_out();
        verified.permit(&self.settings, keys, now).inspect_err(|deny| match deny.reason {
            Reason::AudienceMismatch if leaves_audience_out => self.online.note(Advice::LightweightTokens),
            Reason::AudienceMismatch => self.online.note(Advice::AudienceMissing),
            _ => {}
        })
    }

    /// A verdict made with exactly these keys; with other keys all verdicts are forgotten.
    fn remembered(&self, keys: &Arc<Snapshot>, hash: &[u8; 32]) -> Option<Verdict> {
        let mut verdicts = self.lock();
        if !Arc::ptr_eq(&verdicts.made_with, keys) {
            *verdicts = Verdicts::new(Arc::clone(keys));
        }
        verdicts.known.get(hash)
    }

    fn lock(&self) -> MutexGuard<'_, Verdicts> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
