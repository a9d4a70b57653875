//! All keys of all issuers at one moment. Immutable: whoever decides on a request decides with one of these.

use std::time::Instant;

use restward_crds::sidecar::tokens::Algorithm;
use serde_json::Value;
use url::Url;

use super::jwk::VerifyKey;

/// Most keys of one issuer that are kept.
const MAX_KEYS: usize = 64;

/// What is known of one issuer.
#[derive(Clone, Default)]
pub struct IssuerKeys {
    /// Its `iss` values.
    pub names: Vec<String>,
    /// Its keys; empty until a key set was fetched.
    pub keys: Vec<VerifyKey>,
    /// Where it answers questions about tokens; known once discovery was asked.
    pub endpoints: Option<Endpoints>,
    /// When it was asked last with success; never, while the keys are those that the configuration came with.
    pub fetched: Option<Instant>,
    /// Until when they count, where they were found in another way than the configuration in force has.
    pub until: Option<tokio::time::Instant>,
}

/// Where an issuer answers questions about tokens, as the sidecar reaches it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Endpoints {
    /// The realm itself, which says since when its tokens count.
    pub realm: Option<Url>,
    /// RFC 7662.
    pub introspection: Option<Url>,
    /// OpenID Connect Core section 5.3.
    pub userinfo: Option<Url>,
}

/// What is known of every issuer, in the order of `Settings::issuers`.
#[derive(Clone, Default)]
pub struct Snapshot {
    issuers: Vec<IssuerKeys>,
    /// By issuer: tokens that were issued before are revoked. Known apart from the keys, as it is asked for more often.
    not_before: Vec<i64>,
}

/// The key that a token must be signed with.
pub enum Selection<'a> {
    /// This one.
    Key(&'a VerifyKey),
    /// The issuer does not publish it, as far as is known.
    Unknown,
    /// The issuer's key of this id is for another algorithm.
    OtherAlgorithm,
    /// More than one would fit: the token names no key, or the issuer uses an id twice.
    Ambiguous,
}

impl Snapshot {
    /// The snapshot of these issuers.
    pub fn new(issuers: Vec<IssuerKeys>) -> Self {
        Self { not_before: vec![0; issuers.len()], issuers }
    }

    /// The issuer of this exact name.
    pub fn issuer_of(&self, iss: &str) -> Option<usize> {
        self.issuers.iter().position(|issuer| issuer.names.iter().any(|name| name == iss))
    }

    /// The names of an issuer.
    pub fn names(&self, issuer: usize) -> &[String] {
        self.issuers.get(issuer).map_or(&[], |issuer| &issuer.names)
    }

    /// Where an issuer answers questions about tokens.
    pub fn endpoints(&self, issuer: usize) -> Option<&Endpoints> {
        self.issuers.get(issuer)?.endpoints.as_ref()
    }

    /// When the issuer's keys were fetched.
    pub fn fetched(&self, issuer: usize) -> Option<Instant> {
        self.issuers.get(issuer)?.fetched
    }

    /// Until when what is known of the issuer counts; `None`: it was found where the issuer is asked now.
    pub fn until(&self, issuer: usize) -> Option<tokio::time::Instant> {
        self.issuers.get(issuer)?.until
    }

    /// Whether tokens of this issuer can be checked at all.
    pub fn has_keys(&self, issuer: usize) -> bool {
        self.issuers.get(issuer).is_some_and(|issuer| !issuer.keys.is_empty())
    }

    /// This snapshot with another state of one issuer.
    #[must_use]
    pub fn with(&self, issuer: usize, state: IssuerKeys) -> Self {
        let mut issuers = self.issuers.clone();
        if let Some(slot) = issuers.get_mut(issuer) {
            *slot = state;
        }
        Self { issuers, not_before: self.not_before.clone() }
    }

    /// This snapshot with everything that `other` knows of its issuer `there`, if it has keys of it, under these names; not
    /// for longer than `until`.
    #[must_use]
    pub fn with_that_of(
        mut self,
        here: usize,
        other: &Self,
        there: usize,
        names: Vec<String>,
        until: Option<tokio::time::Instant>,
    ) -> Self {
        if let (Some(slot), Some(known)) = (self.not_before.get_mut(here), other.not_before.get(there)) {
            *slot = *known;
        }
        match other.issuers.get(there) {
            Some(known) if other.has_keys(there) => {
                self.with(here, IssuerKeys { names, until: known.until.or(until), ..known.clone() })
            }
            _ => self,
        }
    }

    /// Tokens that this issuer issued before this second are revoked; 0 for none.
    pub fn not_before(&self, issuer: usize) -> i64 {
        self.not_before.get(issuer).copied().unwrap_or_default()
    }

    /// This snapshot with another such second; `None`: it is the same.
    #[must_use]
    pub fn with_not_before(&self, issuer: usize, second: i64) -> Option<Self> {
        let mut changed = self.clone();
        let slot = changed.not_before.get_mut(issuer).filter(|slot| **slot != second)?;
        *slot = second;
        Some(changed)
    }

    /// Chooses among the keys of this issuer only (RFC 8725 section 3.8), by exact key id. A token without key id is
    /// accepted only while the issuer has a single key of its algorithm.
    pub fn select(&self, issuer: usize, kid: Option<&str>, algorithm: Algorithm) -> Selection<'_> {
        let keys = self.issuers.get(issuer).map_or(&[][..], |issuer| &issuer.keys);
        let mut named = keys.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid).peekable();
        if named.peek().is_none() {
            return Selection::Unknown;
        }
        let mut fitting = named.filter(|key| key.algorithm == algorithm);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Selection::Key(key),
            (Some(_), Some(_)) => Selection::Ambiguous,
            (None, _) => Selection::OtherAlgorithm,
        }
    }
}

/// The usable keys of a JWK Set (RFC 7517 section 5), each judged alone. `None`: not a JWK Set.
pub fn usable_keys(jwks: &Value) -> Option<Vec<VerifyKey>> {
    let members = jwks.get("keys")?.as_array()?;
    Some(members.iter().filter_map(VerifyKey::from_jwk).take(MAX_KEYS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::forge;
    use serde_json::json;

    fn snapshot(jwks: &[Value]) -> Snapshot {
        let keys = usable_keys(&json!({ "keys": jwks })).unwrap();
        Snapshot::new(vec![IssuerKeys {
            names: vec!["a".into()],
            keys,
            endpoints: None,
            fetched: None,
            until: None,
        }])
    }

    fn word(selection: &Selection<'_>) -> &'static str {
        match selection {
            Selection::Key(_) => "key",
            Selection::Unknown => "unknown",
            Selection::OtherAlgorithm => "other algorithm",
            Selection::Ambiguous => "ambiguous",
        }
    }

    #[test]
    fn keys_are_chosen_by_exact_id_and_algorithm() {
        let rsa = forge::rsa_key();
        let ec = forge::ec_key();
        let no_id = forge::laid_over(rsa.jwk("x"), json!({"kid": null}));
        let table = [
            (vec![rsa.jwk("k1"), ec.jwk("k2")], Some("k1"), "key"),
            (vec![rsa.jwk("k1"), ec.jwk("k2")], Some("k2"), "other algorithm"),
            (vec![rsa.jwk("k1")], Some("K1"), "unknown"),
            (vec![rsa.jwk("k1")], Some(""), "unknown"),
            (vec![rsa.jwk("k1")], Some("k1 "), "unknown"),
            (vec![no_id.clone()], Some("k1"), "unknown"),
            (vec![no_id], None, "key"),
            (vec![rsa.jwk("k1"), ec.jwk("k2")], None, "key"),
            (vec![rsa.jwk("k1"), rsa.jwk("k2")], None, "ambiguous"),
            (vec![rsa.jwk("k1"), rsa.jwk("k1")], Some("k1"), "ambiguous"),
            (vec![ec.jwk("k1")], None, "other algorithm"),
            (vec![], Some("k1"), "unknown"),
            (vec![], None, "unknown"),
        ];
        for (jwks, kid, want) in table {
            let snapshot = snapshot(&jwks);
            assert_eq!(word(&snapshot.select(0, kid, Algorithm::Rs256)), want, "{kid:?} of {}", jwks.len());
        }
    }

    #[test]
    fn one_bad_member_does_not_cost_the_others() {
        let rsa = forge::rsa_key();
        let jwks =
            json!({"keys": [{"kty": "RSA", "kid": 7}, null, 1, rsa.jwk("k1"), {"kty": "oct", "k": "AA"}]});
        assert_eq!(usable_keys(&jwks).unwrap().len(), 1);
        for bad in [json!({}), json!([]), json!({"keys": {}}), json!(null)] {
            assert!(usable_keys(&bad).is_none(), "{bad}");
        }
    }
}
