//! [`super::authenticate`] with memory: verdicts of tokens seen before, and one question to the identity provider when
//! a token names an unknown key.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use restward_crds::{reason::Reason, sidecar::Settings};

use super::{Permit, RawToken, Refusal, authenticate, checks::lifetime};
use crate::{
    bounded::Bounded,
    keys::{Asked, Keys, Snapshot},
    refusal::Deny,
    time::UnixTime,
};

/// Half of the number of tokens that are remembered.
const REMEMBERED: usize = 4096;

/// Authenticates tokens under one configuration; a new configuration gets a new one, so that no verdict outlives the
/// settings it was made with.
pub struct Authenticator {
    settings: Arc<Settings>,
    keys: Keys,
    verdicts: Mutex<Verdicts>,
}

/// Permits by SHA-256 of the token, made with the keys of one snapshot. Only permits: who has no valid token cannot
/// push anybody out.
struct Verdicts {
    made_with: Arc<Snapshot>,
    permits: Bounded<[u8; 32], Arc<Permit>>,
}

impl Verdicts {
    fn new(made_with: Arc<Snapshot>) -> Self {
        Self { made_with, permits: Bounded::new(REMEMBERED) }
    }
}

impl Authenticator {
    /// An authenticator for these settings and keys.
    pub fn new(settings: Arc<Settings>, keys: Keys) -> Self {
        let verdicts = Mutex::new(Verdicts::new(keys.snapshot()));
        Self { settings, keys, verdicts }
    }

    /// The permit of a token.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn authenticate(&self, token: &RawToken, now: UnixTime) -> Result<Arc<Permit>, Deny> {
        let issuer = match self.judge(token, now) {
            Ok(permit) => return Ok(permit),
            Err(Refusal::Deny(deny)) => return Err(deny),
            Err(Refusal::UnknownKey { issuer }) => issuer,
        };
        // The identity provider may have a new key. Who cannot ask, must not say that the key does not exist.
        let without_answer = match self.keys.refresh_unknown_kid(issuer).await {
            Asked::Answered => Reason::KeyUnknown,
            Asked::Failed => Reason::KeysUnavailable,
        };
        self.judge(token, now).map_err(|refusal| match refusal {
            Refusal::Deny(deny) => deny,
            Refusal::UnknownKey { .. } => without_answer.into(),
        })
    }

    fn judge(&self, token: &RawToken, now: UnixTime) -> Result<Arc<Permit>, Refusal> {
        let keys = self.keys.snapshot();
        let hash = sha256(token.as_str().as_bytes());
        if let Some(permit) = self.remembered(&keys, &hash) {
            lifetime::within(permit.claims(), self.settings.tokens.clock_skew, now)?;
            return Ok(permit);
        }
        let permit = Arc::new(authenticate(&self.settings, &keys, token, now)?);
        let mut verdicts = self.lock();
        if Arc::ptr_eq(&verdicts.made_with, &keys) {
            verdicts.permits.insert(hash, Arc::clone(&permit));
        }
        Ok(permit)
    }

    /// A verdict made with exactly these keys; with other keys all verdicts are forgotten.
    fn remembered(&self, keys: &Arc<Snapshot>, hash: &[u8; 32]) -> Option<Arc<Permit>> {
        let mut verdicts = self.lock();
        if !Arc::ptr_eq(&verdicts.made_with, keys) {
            *verdicts = Verdicts::new(Arc::clone(keys));
        }
        verdicts.permits.get(hash)
    }

    fn lock(&self) -> MutexGuard<'_, Verdicts> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// SHA-256 of `data`.
pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, data).as_ref());
    hash
}

#[cfg(test)]
mod tests;
