//! Is this token valid, and whose is it? Everything below [`authenticate`] is pure: settings, keys, token and time in,
//! a [`Permit`] or a refusal out. [`Authenticator`] adds the cache of verdicts and asks for unknown keys.
//!
//! - [`token`]: the token as text, and what kind of credential its shape says it is
//! - [`jws`]: its three parts, the rules of its header, and its signature
//! - [`json`]: JSON without repeated members
//! - [`claims`]: the claims with their types checked
//! - [`grants`]: scopes, roles and groups in them
//! - [`checks`]: the ordered list of what must hold for the claims
//! - [`permit`]: the proof that all of it held

pub mod authenticator;
pub mod checks;
pub mod claims;
pub mod grants;
pub mod json;
pub mod jws;
pub mod permit;
pub mod token;

use restward_crds::{reason::Reason, sidecar::Settings};

pub use authenticator::Authenticator;
pub use permit::Permit;
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

/// Checks a token against settings and keys.
///
/// The issuer's name is read before the signature is checked, only to choose whose keys must have signed; a lie in it
/// leads to keys that do not fit.
///
/// # Errors
/// The first thing that is wrong with the token.
pub fn authenticate(
    settings: &Settings,
    keys: &Snapshot,
    token: &RawToken,
    now: UnixTime,
) -> Result<Permit, Refusal> {
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
    let Some(issuer_settings) = settings.issuers.get(issuer) else {
        return Err(Reason::IssuerMismatch.into());
    };
    let input = Input {
        claims: &claims,
        issuer: issuer_settings,
        issuer_names: keys.names(issuer),
        tokens: &settings.tokens,
        says_access_token: jws.says_access_token,
        now,
    };
    checks::run(&input)?;
    Ok(Permit::new(claims, issuer))
}

#[cfg(test)]
pub(crate) mod forge;
#[cfg(test)]
mod tests;
