//! Is this token valid, and whose is it? Everything below [`authenticate`] is pure: settings, keys, token and time in,
//! a [`Permit`] or a refusal out. [`Authenticator`] adds the cache of verdicts and asks for unknown keys.
//!
//! - [`token`]: the token as text, and what kind of credential its shape says it is
//! - [`jws`]: its three parts, the rules of its header, and its signature
//! - [`json`]: JSON without repeated members
//! - [`claims`]: the claims with their types checked
//! - [`grants`]: scopes, roles and groups in them
//! - [`checks`]: the ordered list of what must hold for the claims
//! - [`dpop`]: proofs of the key that a token is bound to
//! - [`possession`]: what a client has shown to have beside a token
//! - [`permit`]: the proof that all of it held

pub mod authenticator;
pub mod checks;
pub mod claims;
pub mod dpop;
pub mod grants;
pub mod json;
pub mod jws;
pub mod permit;
pub mod possession;
pub mod token;

use restward_crds::{reason::Reason, sidecar::Settings};

pub use authenticator::Authenticator;
pub use permit::Permit;
pub use possession::Possession;
pub use token::{RawToken, Shape};

use crate::{
    keys::{Selection, Snapshot},
    refusal::Deny,
    time::UnixTime,
};
use checks::Input;
use claims::Claims;
use jws::Jws;

/// Why a token gives no permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// For good.
    Deny(Deny),
    /// Unless the issuer of this index (in `Settings::issuers`) publishes the key by now.
    UnknownKey {
        /// Index into `Settings::issuers`.
        issuer: usize,
    },
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::Deny(reason.into())
    }
}

impl From<Deny> for Refusal {
    fn from(deny: Deny) -> Self {
        Self::Deny(deny)
    }
}

/// Checks a Bearer token against settings and keys, with its own claims deciding what it grants.
///
/// # Errors
/// The first thing that is wrong with the token.
pub fn authenticate(
    settings: &Settings,
    keys: &Snapshot,
    token: &RawToken,
    now: UnixTime,
) -> Result<Permit, Refusal> {
    Ok(verify(settings, keys, token, Possession::default(), now)?.permit(settings, keys, now)?)
}

/// Checks that a token was signed by its issuer, is an access token and lives; not yet for whom it is and what it grants.
///
/// The issuer's name is read before the signature is checked, only to choose whose keys must have signed; a lie in it
/// leads to keys that do not fit.
///
/// # Errors
/// The first thing that is wrong with the token.
pub fn verify(
    settings: &Settings,
    keys: &Snapshot,
    token: &RawToken,
    possession: Possession,
    now: UnixTime,
) -> Result<Verified, Refusal> {
    let verified = signed(settings, keys, token, possession)?;
    verified.check(checks::OF_THE_TOKEN, settings, keys, now)?;
    Ok(verified)
}

/// Checks the signature, and of the claims nothing yet.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn signed(
    settings: &Settings,
    keys: &Snapshot,
    token: &RawToken,
    possession: Possession,
) -> Result<Verified, Refusal> {
    let jws = Jws::parse(token)?;
    let claims = Claims::parse(&jws.payload)?;
    // Keycloak signs refresh and offline tokens with HMAC: said by name, as "algorithm" would help nobody.
    let algorithm = jws.algorithm().map_err(|reason| match checks::kind::named(&claims) {
        Some(named) => named,
        None => reason,
    })?;
    if !settings.tokens.algorithms.contains(&algorithm) {
        return Err(Reason::AlgorithmNotAllowed.into());
    }
    let issuer = keys.issuer_of(&claims.iss).ok_or(Reason::IssuerMismatch)?;
    let key = match keys.select(issuer, jws.kid.as_deref(), algorithm) {
        Selection::Key(key) => key,
        Selection::Unknown => return Err(Refusal::UnknownKey { issuer }),
        Selection::OtherAlgorithm => return Err(Reason::AlgorithmNotAllowed.into()),
        Selection::Ambiguous => return Err(Reason::KeyUnknown.into()),
    };
    if !jws.is_signed_by(key) {
        return Err(Reason::SignatureInvalid.into());
    }
    Ok(Verified { claims, issuer, says_access_token: jws.says_access_token, possession })
}

/// A token with a good signature, and claims about it: its own, or what the provider says about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    claims: Claims,
    issuer: usize,
    says_access_token: bool,
    possession: Possession,
}

impl Verified {
    /// Index of the issuer in `Settings::issuers`.
    pub fn issuer(&self) -> usize {
        self.issuer
    }

    /// The claims. What they grant is not checked yet.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Whether it came with a proof of its key, which was made for this request and cannot be shown to anybody else.
    pub fn is_proven(&self) -> bool {
        self.possession.key.is_some()
    }

    /// Whether Keycloak marks it as lightweight: it names no user then, unless a mapper says otherwise.
    pub fn is_lightweight(&self) -> bool {
        self.claims.is_lightweight()
    }

    /// The same token with what the provider says about it.
    #[must_use]
    pub fn with_claims(&self, claims: Claims) -> Self {
        Self { claims, ..self.clone() }
    }

    /// The permit, when the claims pass all checks.
    ///
    /// # Errors
    /// The first that fails.
    pub fn permit(self, settings: &Settings, keys: &Snapshot, now: UnixTime) -> Result<Permit, Deny> {
        self.check(checks::OF_THE_TOKEN, settings, keys, now)?;
        self.check(checks::OF_ITS_GRANTS, settings, keys, now)?;
        Ok(Permit::new(self.claims, self.issuer))
    }

    /// What each check says, also behind one that failed.
    pub fn outcomes(
        &self,
        settings: &Settings,
        keys: &Snapshot,
        now: UnixTime,
    ) -> Vec<(&'static str, Result<(), Deny>)> {
        let outcome = |check: checks::Check| self.check(&[check], settings, keys, now);
        checks::NAMED.iter().map(|(name, check)| (*name, outcome(*check))).collect()
    }

    fn check(
        &self,
        list: &[checks::Check],
        settings: &Settings,
        keys: &Snapshot,
        now: UnixTime,
    ) -> Result<(), Deny> {
        let Some(issuer) = settings.issuers.get(self.issuer) else {
            return Err(Reason::IssuerMismatch.into());
        };
        let input = Input {
            claims: &self.claims,
            issuer,
            issuer_names: keys.names(self.issuer),
            not_before: keys.not_before(self.issuer),
            possession: &self.possession,
            tokens: &settings.tokens,
            says_access_token: self.says_access_token,
            now,
        };
        list.iter().try_for_each(|check| check(&input))
    }
}

#[cfg(test)]
pub(crate) mod forge;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof;
