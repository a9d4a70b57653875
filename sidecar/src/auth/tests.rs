//! A token from end to end through [`authenticate`]: what each attack gets.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as B64};
use proptest::prelude::*;
use restward_crds::sidecar::tokens::Algorithm;
use serde_json::json;

use super::{
    checks::testing::NOW,
    forge::{claims, good_token, header, hmac_token, other_rsa_key, raw, rsa_key, settings, snapshot},
    *,
};
use crate::keys::{IssuerKeys, snapshot::usable_keys};

fn judge(token: &RawToken) -> Result<Permit, Refusal> {
    authenticate(&settings(json!({})), &snapshot(), token, NOW)
}

fn reason(result: Result<Permit, Refusal>) -> Reason {
    match result {
        Err(Refusal::Deny(deny)) => deny.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_token_gives_a_permit() {
    let permit = judge(&good_token()).unwrap();
    assert_eq!(permit.issuer(), "https://sso.example.com/realms/wiki");
    assert_eq!(
        (permit.client(), permit.subject(), permit.token_id()),
        (Some("app"), Some("s-1"), Some("t-1"))
    );
    assert_eq!(permit.claim("preferred_username"), Some(&json!("alice")));
    assert_eq!(permit.expires().secs(), NOW.secs() + 300);
}

#[test]
fn algorithms_cannot_be_confused() {
    let good = claims(json!({}));
    let with_alg = |alg: &str| json!({"alg": alg, "kid": "k1"}).to_string();
    let pkey = rsa_key().pkey;
    let (pem, der) = (pkey.public_key_to_pem().unwrap(), pkey.public_key_to_der().unwrap());
    let pkcs1 = pkey.rsa().unwrap().public_key_to_pem_pkcs1().unwrap();
    let modulus = pkey.rsa().unwrap().n().to_vec();
    let no = Reason::AlgorithmNotAllowed;
    let unsigned = |alg: &str| raw(&format!("{}.{}.AA", B64.encode(with_alg(alg)), B64.encode(&good)));
    let table = [
        ("none", unsigned("none"), no),
        ("None", unsigned("None"), no),
        ("nOnE with a real signature", rsa_key().token(&with_alg("nOnE"), &good), no),
        ("HS256 with the PEM", hmac_token("HS256", "k1", &good, &pem), no),
        ("HS256 with the DER", hmac_token("HS256", "k1", &good, &der), no),
        ("HS256 with the PKCS#1 PEM", hmac_token("HS256", "k1", &good, &pkcs1), no),
        ("HS256 with the modulus", hmac_token("HS256", "k1", &good, &modulus), no),
        ("HS256 with no key", hmac_token("HS256", "k1", &good, b""), no),
        ("RS256 in name, HMAC in truth", hmac_token("RS256", "k1", &good, &pem), Reason::SignatureInvalid),
        ("PS256 with the RS256 key", rsa_key().token(&with_alg("PS256"), &good), no),
        ("RS512 with the RS256 key", rsa_key().token(&with_alg("RS512"), &good), no),
        ("ES256 with the RS256 key", unsigned("ES256"), no),
        ("EdDSA with the RS256 key", unsigned("EdDSA"), no),
        ("another RSA key", other_rsa_key().token(&header(), &good), Reason::SignatureInvalid),
    ];
    for (name, token, want) in table {
        assert_eq!(reason(judge(&token)), want, "{name}");
    }
}

#[test]
fn other_algorithms_work_with_keys_that_are_for_them() {
    for (key, alg) in [
        (forge::ec_key(), "ES256"),
        (forge::p384_key(), "ES384"),
        (forge::p521_key(), "ES512"),
        (forge::ed_key(), "EdDSA"),
        (rsa_key(), "PS256"),
        (rsa_key(), "PS384"),
        (rsa_key(), "PS512"),
        (rsa_key(), "RS384"),
        (rsa_key(), "RS512"),
    ] {
        let jwk = forge::laid_over(key.jwk("k1"), json!({ "alg": alg }));
        let keys = usable_keys(&json!({ "keys": [jwk] })).unwrap();
        let keys = Snapshot::new(vec![IssuerKeys {
            names: vec!["https://sso.example.com/realms/wiki".into()],
            keys,
            endpoints: None,
            fetched: None,
            until: None,
        }]);
        let token = key.token(&json!({"alg": alg, "kid": "k1"}).to_string(), &claims(json!({})));
        assert!(authenticate(&settings(json!({})), &keys, &token, NOW).is_ok(), "{alg}");
        let forged = raw(&format!("{}AAAA", &token.as_str()[..token.as_str().len() - 4]));
        assert_eq!(
            reason(authenticate(&settings(json!({})), &keys, &forged, NOW)),
            Reason::SignatureInvalid,
            "{alg}"
        );
        let without = json!({"algorithms": Algorithm::ALL.map(Algorithm::name).iter().filter(|name| **name != alg).collect::<Vec<_>>()});
        let settings = settings(json!({ "tokens": without }));
        assert_eq!(
            reason(authenticate(&settings, &keys, &token, NOW)),
            Reason::AlgorithmNotAllowed,
            "{alg} is not in the list"
        );
    }
}

#[test]
fn a_token_cannot_bring_its_own_key() {
    let evil = other_rsa_key();
    let header = json!({
        "alg": "RS256", "kid": "k1", "jwk": evil.jwk("k1"), "jku": "http://127.0.0.1:1/jwks",
        "x5u": "http://127.0.0.1:1/cert", "x5c": ["AA"], "x5t": "AA", "x5t#S256": "AA",
    });
    assert_eq!(reason(judge(&evil.token(&header.to_string(), &claims(json!({}))))), Reason::SignatureInvalid);
    // The same members on a rightly signed token are of no interest.
    assert!(judge(&rsa_key().token(&header.to_string(), &claims(json!({})))).is_ok());
}

#[test]
fn key_ids_never_cross_issuers() {
    let names = |realm: &str| vec![format!("https://sso.example.com/realms/{realm}")];
    let one = usable_keys(&json!({"keys": [rsa_key().jwk("k1")]})).unwrap();
    let two = usable_keys(&json!({"keys": [other_rsa_key().jwk("k1"), other_rsa_key().jwk("k2")]})).unwrap();
    let keys = Snapshot::new(vec![
        IssuerKeys { names: names("wiki"), keys: one, endpoints: None, fetched: None, until: None },
        IssuerKeys { names: names("other"), keys: two, endpoints: None, fetched: None, until: None },
    ]);
    let settings = settings(json!({"issuers": [
        {"host": "https://sso.example.com", "realm": "wiki"}, {"host": "https://sso.example.com", "realm": "other"},
    ]}));
    let token = |kid: &str| {
        other_rsa_key().token(&json!({"alg": "RS256", "kid": kid}).to_string(), &claims(json!({})))
    };
    assert_eq!(reason(authenticate(&settings, &keys, &token("k1"), NOW)), Reason::SignatureInvalid);
    assert_eq!(authenticate(&settings, &keys, &token("k2"), NOW), Err(Refusal::UnknownKey { issuer: 0 }));
}

#[test]
fn keycloaks_other_tokens_are_refused_by_name() {
    let signed = |typ: &str| rsa_key().token(&header(), &claims(json!({ "typ": typ })));
    let hmac = |typ: &str| hmac_token("HS512", "hmac-kid", &claims(json!({ "typ": typ })), b"realm secret");
    let logout = rsa_key()
        .token(r#"{"alg":"RS256","typ":"logout+jwt","kid":"k1"}"#, &claims(json!({"typ": "Logout"})));
    let no = Reason::NotAnAccessToken;
    let table = [
        ("ID", signed("ID"), no),
        ("Logout", logout, no),
        ("Refresh", hmac("Refresh"), no),
        ("Offline", hmac("Offline"), no),
        ("HMAC access token", hmac("Bearer"), Reason::AlgorithmNotAllowed),
        ("no kind", rsa_key().token(&header(), &claims(json!({"typ": null}))), no),
        ("DPoP-bound", signed("DPoP"), Reason::ProofRequired),
    ];
    for (name, token, want) in table {
        assert_eq!(reason(judge(&token)), want, "{name}");
    }
}

#[test]
fn signature_comes_before_the_checks_and_issuer_before_the_signature() {
    let expired = claims(json!({"exp": 1}));
    assert_eq!(reason(judge(&other_rsa_key().token(&header(), &expired))), Reason::SignatureInvalid);
    assert_eq!(reason(judge(&rsa_key().token(&header(), &expired))), Reason::TokenExpired);
    let foreign = claims(json!({"iss": "https://sso.example.com/realms/other"}));
    assert_eq!(reason(judge(&rsa_key().token(&header(), &foreign))), Reason::IssuerMismatch);
    assert_eq!(reason(judge(&raw("opaque"))), Reason::TokenMalformed);
}

#[test]
fn an_unknown_key_is_told_from_a_wrong_one() {
    let token = rsa_key().token(r#"{"alg":"RS256","kid":"k9"}"#, &claims(json!({})));
    assert_eq!(judge(&token), Err(Refusal::UnknownKey { issuer: 0 }));
}

#[test]
fn repeated_members_are_refused_even_when_signed() {
    for member in
        [r#""preferred_username":"admin""#, r#""preferred\u005fusername":"admin""#, r#""\u0069ss":"x""#]
    {
        let text = claims(json!({}));
        let doubled = format!("{},{member}}}", text.strip_suffix('}').unwrap());
        assert_eq!(reason(judge(&rsa_key().token(&header(), &doubled))), Reason::ClaimsMalformed, "{member}");
    }
    let header = r#"{"alg":"RS256","kid":"k1","\u006bid":"k1"}"#;
    assert_eq!(reason(judge(&rsa_key().token(header, &claims(json!({}))))), Reason::TokenMalformed);
}

#[test]
fn every_check_is_in_the_list() {
    let issuer = json!({"host": "https://sso.example.com", "realm": "wiki", "audiences": ["wiki"], "authorizedParties": ["app"]});
    let tokens = json!({"required": {"scopes": ["wiki"]}});
    let settings = settings(json!({ "issuers": [issuer], "tokens": tokens }));
    let judge = |changes: serde_json::Value| {
        let claims = claims(forge::laid_over(json!({"aud": "wiki", "scope": "wiki"}), changes));
        let keys = snapshot().with_not_before(0, NOW.secs() - 50).unwrap();
        authenticate(&settings, &keys, &rsa_key().token(&header(), &claims), NOW)
    };
    assert!(judge(json!({})).is_ok());
    let table = [
        (json!({"iss": "https://sso.example.com/realms/wiki/"}), Reason::IssuerMismatch),
        (json!({"typ": "ID"}), Reason::NotAnAccessToken),
        (json!({"cnf": {"jkt": "x"}}), Reason::ProofRequired),
        (json!({"exp": NOW.secs() - 30}), Reason::TokenExpired),
        (json!({"iat": NOW.secs() - 100}), Reason::TokenRevoked),
        (json!({"aud": "account"}), Reason::AudienceMismatch),
        (json!({"azp": "other"}), Reason::PartyMismatch),
        (json!({"scope": "openid"}), Reason::ScopeMissing),
    ];
    assert_eq!(table.len(), checks::OF_THE_TOKEN.len() + checks::OF_ITS_GRANTS.len());
    for (changes, want) in table {
        assert_eq!(reason(judge(changes.clone())), want, "{changes}");
    }
}

proptest! {
    /// Whatever is done to one character of a good token, it is no good token any more.
    #[test]
    fn no_changed_token_passes(index in any::<prop::sample::Index>(), replacement in "[A-Za-z0-9_.+/-]") {
        let good = good_token();
        let mut bytes = good.as_str().as_bytes().to_vec();
        let at = index.index(bytes.len());
        let replacement = replacement.as_bytes()[0];
        prop_assume!(bytes[at] != replacement);
        bytes[at] = replacement;
        if let Ok(token) = RawToken::parse(&bytes) {
            prop_assert!(judge(&token).is_err());
        }
    }

    /// Nothing that is sent brings it down.
    #[test]
    fn arbitrary_text_is_refused(text in "[A-Za-z0-9_.=-]{0,300}") {
        if let Ok(token) = RawToken::parse(text.as_bytes()) {
            prop_assert!(judge(&token).is_err());
            let _ = Shape::of(&token);
        }
    }
}
