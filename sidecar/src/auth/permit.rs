//! The proof that a token was checked.

use serde_json::Value;

use super::{claims::Claims, grants::Grants};
use crate::time::UnixTime;

/// Held only by whom [`super::authenticate`] gave it to: code that needs a valid token asks for this type.
#[derive(Debug, Clone, PartialEq)]
pub struct Permit {
    claims: Claims,
    issuer: usize,
}

impl Permit {
    pub(super) fn new(claims: Claims, issuer: usize) -> Self {
        Self { claims, issuer }
    }

    /// Index of the issuer in `Settings::issuers`.
    pub fn issuer_index(&self) -> usize {
        self.issuer
    }

    /// `iss`.
    pub fn issuer(&self) -> &str {
        &self.claims.iss
    }

    /// `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.claims.sub.as_deref()
    }

    /// The client that the token was given to (`azp`, else `client_id`).
    pub fn client(&self) -> Option<&str> {
        self.claims.party()
    }

    /// Who acts for the subject, in a delegated token: `act.sub`, else `act.client_id` or `act.azp` (RFC 8693 section 4.1).
    /// Only the outermost actor is the present one.
    pub fn actor(&self) -> Option<&str> {
        let actor = self.claims.member("act")?;
        ["sub", "client_id", "azp"].into_iter().find_map(|name| actor.get(name)?.as_str())
    }

    /// `jti`: names the token in the audit line without being one.
    pub fn token_id(&self) -> Option<&str> {
        self.claims.jti.as_deref()
    }

    /// The second in which the token expires.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lifetime check bounds exp to about a year from now"
    )]
    pub fn expires(&self) -> UnixTime {
        UnixTime::from_secs(self.claims.exp as i64)
    }

    /// Scopes, roles and groups.
    pub fn grants(&self) -> &Grants {
        &self.claims.grants
    }

    /// The top-level claim of exactly this name.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.member(name)
    }

    /// The claim at a JSON pointer (RFC 6901).
    pub fn claim_at(&self, pointer: &str) -> Option<&Value> {
        self.claims.pointer(pointer)
    }

    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }
}
