//! Only what the issuer has signed gives a permit.

use std::sync::LazyLock;

use http::HeaderMap;
use restward_crds::sidecar::{Settings, parse};
use restward_sidecar::{
    auth::{self, RawToken, Refusal},
    credential::{Kind, Presented},
    keys::{IssuerKeys, Snapshot, snapshot::usable_keys},
    time::UnixTime,
};
use serde_json::json;

/// Public keys of an issuer whose private ones nobody has any more.
const JWKS: &str = include_str!("token/jwks.json");
/// What it has signed with them, a token a line.
const SIGNED: &str = include_str!("token/signed.txt");
const ISSUER: &str = "https://sso.example.com/realms/wiki";
/// Within the tokens' lifetime.
pub const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// Whoever is asked about tokens.
pub struct World {
    /// Of a policy with this issuer alone.
    pub settings: Settings,
    /// The issuer's.
    pub keys: Snapshot,
}

/// One that accepts what is signed.
pub static WORLD: LazyLock<World> = LazyLock::new(|| {
    let config = json!({
        "version": 1,
        "policy": {"namespace": "atlassian", "name": "wiki", "uid": "u", "generation": 1},
        "mode": "Enforce",
        "issuers": [{"host": "https://sso.example.com", "realm": "wiki"}],
        "usernameAttribute": "preferred_username",
        "serviceAccounts": [],
        "basicAuth": "Deny",
        "credentials": {},
        "upstream": {"identity": {"oauth1": {"consumerKey": "restward"}}}
    });
    let settings = parse::from_json(config.to_string().as_bytes());
    let settings = settings.unwrap_or_else(|errors| panic!("{errors:?}"));
    let jwks = serde_json::from_str(JWKS).unwrap_or_else(|error| panic!("{error}"));
    let keys = usable_keys(&jwks).unwrap_or_default();
    assert_eq!(keys.len(), 3, "every key of the set is usable");
    let issuer = IssuerKeys { names: vec![ISSUER.into()], keys, ..IssuerKeys::default() };
    World { settings, keys: Snapshot::new(vec![issuer]) }
});

/// The tokens that are valid.
pub fn signed() -> impl Iterator<Item = &'static str> {
    SIGNED.lines()
}

/// `data` is the value of an Authorization header, without `Bearer `.
pub fn check(data: &[u8]) {
    let Ok(token) = RawToken::parse(data) else { return };
    let judged = auth::authenticate(&WORLD.settings, &WORLD.keys, &token, NOW);
    // Not the signature: one of ECDSA has two forms.
    let content = |token: &str| token.rsplit_once('.').map(|(content, _)| content.to_owned());
    let is_signed = signed().any(|one| content(one) == content(token.as_str()));
    assert!(judged.is_err() || is_signed, "a permit for what nobody has signed");
    if matches!(judged, Err(Refusal::UnknownKey { .. })) {
        assert!(!signed().any(|one| one == token.as_str()), "a key got lost");
    }
    // What is valid must be taken for a token in the first place, and not for some credential of Confluence's own.
    if judged.is_ok() {
        let value = format!("Bearer {}", token.as_str()).parse();
        let headers: HeaderMap =
            value.into_iter().map(|value| (http::header::AUTHORIZATION, value)).collect();
        assert_eq!(Presented::of(&headers, None, None).kind, Kind::Token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_gives_a_permit() {
        assert_eq!(signed().count(), 3);
        for token in signed() {
            let token = RawToken::parse(token.as_bytes()).unwrap_or_else(|reason| panic!("{reason:?}"));
            let judged = auth::authenticate(&WORLD.settings, &WORLD.keys, &token, NOW);
            assert!(judged.is_ok(), "{judged:?}");
        }
    }
}
