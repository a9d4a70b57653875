//! What must hold for the claims of a token with a good signature: two ordered lists, the first failure is the answer.
//! A new check is a file below and a line in [`OF_THE_TOKEN`] or [`OF_ITS_GRANTS`].

pub mod audience;
pub mod issuer;
pub mod kind;
pub mod lifetime;
pub mod party;
pub mod proof;
pub mod requirements;
pub mod revocation;

use restward_crds::sidecar::settings::{IssuerSettings, TokenSettings};

use super::{Possession, claims::Claims};
use crate::{refusal::Deny, time::UnixTime};

/// What a check may look at.
pub struct Input<'a> {
    /// The claims.
    pub claims: &'a Claims,
    /// Settings of the issuer whose key signed.
    pub issuer: &'a IssuerSettings,
    /// The `iss` values of this issuer.
    pub issuer_names: &'a [String],
    /// Tokens that this issuer issued before are revoked; 0 for none.
    pub not_before: i64,
    /// What the client has shown to have.
    pub possession: &'a Possession,
    /// What a token has to be, whoever issued it.
    pub tokens: &'a TokenSettings,
    /// Whether the token's header says that it is an access token (RFC 9068).
    pub says_access_token: bool,
    /// The time.
    pub now: UnixTime,
}

/// One check.
pub type Check = fn(&Input<'_>) -> Result<(), Deny>;

/// Whose token, what kind of token, when: asked of the token's own claims in every mode, before anybody else is asked.
pub const OF_THE_TOKEN: &[Check] =
    &[issuer::check, kind::check, proof::check, lifetime::check, revocation::check];

/// For whom it is and what it grants: asked of the claims that decide, which may be the provider's answer.
pub const OF_ITS_GRANTS: &[Check] = &[audience::check, party::check, requirements::check];

/// Every check of both lists under its name, for explanations.
pub const NAMED: &[(&str, Check)] = &[
    ("issuer", issuer::check),
    ("kind", kind::check),
    ("proof", proof::check),
    ("lifetime", lifetime::check),
    ("revocation", revocation::check),
    ("audience", audience::check),
    ("party", party::check),
    ("requirements", requirements::check),
];

#[test]
fn every_check_has_a_name() {
    assert_eq!(NAMED.len(), OF_THE_TOKEN.len() + OF_ITS_GRANTS.len());
}

#[cfg(test)]
pub(crate) mod testing {
    //! Builds the input of a check from claims as JSON.
    use super::*;
    use std::time::Duration;

    use restward_crds::{
        reason::Reason,
        sidecar::{
            settings::IssuerSource,
            tokens::{Algorithm, Required, Validation},
        },
    };
    use serde_json::{Value, json};

    /// Everything about a check's input but the claims.
    pub(crate) struct Given {
        pub(crate) issuer: IssuerSettings,
        pub(crate) tokens: TokenSettings,
        pub(crate) not_before: i64,
        pub(crate) possession: Possession,
        pub(crate) says_access_token: bool,
    }

    pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_764_000_000);

    /// The realm `wiki` of the Keycloak at this base URL.
    pub(crate) fn keycloak_at(base: &str) -> IssuerSource {
        IssuerSource::Keycloak { base: base.parse().unwrap(), realm: "wiki".into() }
    }

    pub(crate) fn issuer_settings() -> IssuerSettings {
        IssuerSettings {
            source: keycloak_at("https://sso.example.com"),
            username: None,
            service_accounts: Vec::new(),
            backchannel: None,
            accepted_issuers: Vec::new(),
            audiences: Vec::new(),
            authorized_parties: Vec::new(),
            own_ca: false,
            own_client: None,
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
        adjust: impl FnOnce(&mut Given),
    ) -> Result<(), Reason> {
        let claims = Claims::parse(claims_json(changes).to_string().as_bytes())?;
        let tokens = TokenSettings {
            validation: Validation::Auto,
            algorithms: Algorithm::ALL.to_vec(),
            clock_skew: Duration::from_secs(30),
            required: Required::default(),
            revocation_poll: None,
        };
        let mut given = Given {
            issuer: issuer_settings(),
            tokens,
            not_before: 0,
            possession: Possession::default(),
            says_access_token: false,
        };
        adjust(&mut given);
        let Given { issuer, tokens, not_before, possession, says_access_token } = &given;
        let input = Input {
            claims: &claims,
            issuer,
            issuer_names: &["https://sso.example.com/realms/wiki".to_owned()],
            not_before: *not_before,
            possession,
            tokens,
            says_access_token: *says_access_token,
            now: NOW,
        };
        check(&input).map_err(|deny| deny.reason)
    }
}
