//! What must hold for the claims of a token with a good signature: an ordered list, the first failure is the answer.
//! A new check is a file below and a line in [`CHECKS`].

pub mod audience;
pub mod issuer;
pub mod kind;
pub mod lifetime;
pub mod party;
pub mod proof;

use restward_crds::{reason::Reason, sidecar::settings::IssuerSettings};

use super::claims::Claims;
use crate::time::UnixTime;

/// What a check may look at.
pub struct Input<'a> {
    /// The claims.
    pub claims: &'a Claims,
    /// Settings of the issuer whose key signed.
    pub issuer: &'a IssuerSettings,
    /// The `iss` values of this issuer.
    pub issuer_names: &'a [String],
    /// Whether the token's header says that it is an access token (RFC 9068).
    pub says_access_token: bool,
    /// The time.
    pub now: UnixTime,
}

/// One check.
pub type Check = fn(&Input<'_>) -> Result<(), Reason>;

/// All checks, in order: whose token, what kind of token, when, for whom.
pub const CHECKS: &[Check] =
    &[issuer::check, kind::check, proof::check, lifetime::check, audience::check, party::check];

/// Runs all checks.
///
/// # Errors
/// The reason of the first that fails.
pub fn run(input: &Input<'_>) -> Result<(), Reason> {
    CHECKS.iter().try_for_each(|check| check(input))
}

#[cfg(test)]
pub(crate) mod testing {
    //! Builds the input of a check from claims as JSON.
    use super::*;
    use restward_crds::sidecar::settings::IssuerSettings;
    use serde_json::{Value, json};

    pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_764_000_000);

    pub(crate) fn issuer_settings() -> IssuerSettings {
        IssuerSettings {
            base: "https://sso.example.com".parse().unwrap(),
            realm: "wiki".into(),
            backchannel: None,
            accepted_issuers: Vec::new(),
            audiences: Vec::new(),
            authorized_parties: Vec::new(),
            own_ca: false,
            last_known: None,
        }
    }

    /// Claims that pass every check, with `changes` laid over them; a `null` removes a member.
    pub(crate) fn claims_json(changes: Value) -> Value {
        let mut claims = json!({
            "iss": "https://sso.example.com/realms/wiki", "typ": "Bearer", "exp": NOW.secs() + 300, "iat": NOW.secs(),
            "aud": "account", "azp": "app", "sub": "s-1", "jti": "t-1", "preferred_username": "alice",
        });
        let Value::Object(changes) = changes else { panic!("changes must be an object") };
        let members = claims.as_object_mut().unwrap();
        for (name, value) in changes {
            if value.is_null() {
                members.remove(&name)
            } else {
                members.insert(name, value)
            };
        }
        claims
    }

    pub(crate) fn check_with(
        check: Check,
        changes: Value,
        adjust: impl FnOnce(&mut IssuerSettings, &mut bool),
    ) -> Result<(), Reason> {
        let claims = Claims::parse(claims_json(changes).to_string().as_bytes())?;
        let mut issuer = issuer_settings();
        let mut says_access_token = false;
        adjust(&mut issuer, &mut says_access_token);
        let names = vec!["https://sso.example.com/realms/wiki".to_owned()];
        check(&Input { claims: &claims, issuer: &issuer, issuer_names: &names, says_access_token, now: NOW })
    }
}
