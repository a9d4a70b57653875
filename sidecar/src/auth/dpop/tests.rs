//! Proofs in every wrong way, and tokens bound to them.

use serde_json::json;

use super::*;
use crate::auth::{
    Permit, Possession, Refusal, authenticate,
    checks::testing::NOW,
    forge::{self, ForgeKey},
    verify,
};

const URL: &str = "https://wiki.example.com";
const PATH: &str = "/rest/api/content";

fn settings() -> Settings {
    forge::settings(json!({ "externalURLs": [URL, "https://wiki.example.com:8443"] }))
}

fn public_jwk(key: &ForgeKey) -> Value {
    forge::laid_over(key.jwk("x"), json!({"kid": null, "use": null, "alg": null}))
}

fn bound_token(key: &ForgeKey) -> RawToken {
    let jkt = thumbprint(public_jwk(key).as_object().unwrap()).unwrap();
    let claims = forge::claims(json!({"typ": "DPoP", "cnf": {"jkt": jkt, "kc-jkt-type": "DPoP"}}));
    forge::rsa_key().token(&forge::header(), &claims)
}

/// A good proof with changes to header and claims.
fn proof(key: &ForgeKey, token: &RawToken, header: Value, claims: Value) -> RawToken {
    let ath = B64.encode(sha256(token.as_str().as_bytes()));
    let good =
        json!({"htm": "GET", "htu": format!("{URL}{PATH}"), "iat": NOW.secs(), "jti": "p-1", "ath": ath});
    let good_header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": public_jwk(key)});
    key.token(&forge::laid_over(good_header, header).to_string(), &forge::laid_over(good, claims).to_string())
}

fn check(token: &RawToken, proof: &RawToken) -> Result<Proof, Reason> {
    let shown = Shown { proof, method: "GET", path: PATH };
    Proof::check(&settings(), token, shown, NOW).map_err(|deny| deny.reason)
}

fn accept(token: &RawToken, proof: Option<&Proof>) -> Result<Permit, Reason> {
    let keys = forge::snapshot();
    let verified = verify(&settings(), &keys, token, Possession::new(proof, None), NOW);
    match verified.and_then(|verified| Ok(verified.permit(&settings(), &keys, NOW)?)) {
        Ok(permit) => Ok(permit),
        Err(Refusal::Deny(deny)) => Err(deny.reason),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_bound_token_needs_the_proof_of_its_key() {
    let (key, other) = (forge::ec_key(), forge::ec_key());
    let token = bound_token(&key);
    let good = check(&token, &proof(&key, &token, json!({}), json!({}))).unwrap();
    assert!(accept(&token, Some(&good)).is_ok());
    let anothers = check(&token, &proof(&other, &token, json!({}), json!({}))).unwrap();
    assert_eq!(accept(&token, Some(&anothers)), Err(Reason::ProofInvalid));
    assert_eq!(accept(&token, None), Err(Reason::ProofRequired));
    assert!(authenticate(&settings(), &forge::snapshot(), &token, NOW).is_err());

    let plain = forge::good_token();
    let of_plain = check(&plain, &proof(&key, &plain, json!({}), json!({}))).unwrap();
    assert_eq!(accept(&plain, Some(&of_plain)), Err(Reason::ProofInvalid), "a plain token proves nothing");
}

#[test]
fn keys_of_every_kind_prove() {
    for (key, alg) in [
        (forge::rsa_key(), "RS256"),
        (forge::rsa_key(), "PS256"),
        (forge::ed_key(), "EdDSA"),
        (forge::p384_key(), "ES384"),
    ] {
        let token = bound_token(&key);
        let good = check(&token, &proof(&key, &token, json!({ "alg": alg }), json!({}))).unwrap();
        assert!(accept(&token, Some(&good)).is_ok(), "{alg}");
    }
}

#[test]
fn a_proof_is_for_one_request_and_token_lately() {
    let key = forge::ec_key();
    let token = bound_token(&key);
    let now = NOW.secs();
    let at = |url: &str| json!({ "htu": url });
    let good = [
        at("https://WIKI.example.com:443/rest/api/content"),
        at("https://wiki.example.com:8443/rest/api/content"),
        at("https://wiki.example.com/rest/api/content?limit=1#x"),
        json!({"iat": now - 89}),
        json!({"iat": now + 30}),
    ];
    for claims in good {
        assert!(check(&token, &proof(&key, &token, json!({}), claims.clone())).is_ok(), "{claims}");
    }
    let bad = [
        json!({"htm": "POST"}),
        json!({"htm": "get"}),
        json!({"htm": null}),
        at("http://wiki.example.com/rest/api/content"),
        at("https://other.example.com/rest/api/content"),
        at("https://wiki.example.com:9443/rest/api/content"),
        at("https://wiki.example.com/rest/api/content/"),
        at("https://wiki.example.com/rest/api"),
        at("https://u@wiki.example.com/rest/api/content"),
        at("/rest/api/content"),
        json!({"htu": null}),
        json!({"ath": B64.encode(sha256(b"another"))}),
        json!({"ath": null}),
        json!({"iat": now - 90}),
        json!({"iat": now + 31}),
        json!({"iat": null}),
        json!({"iat": now.to_string()}),
        json!({"jti": ""}),
        json!({"jti": null}),
        json!({"jti": "x".repeat(MAX_ID + 1)}),
    ];
    for claims in bad {
        let got = check(&token, &proof(&key, &token, json!({}), claims.clone()));
        assert_eq!(got, Err(Reason::ProofInvalid), "{claims}");
    }
}

#[test]
fn a_proof_is_signed_by_the_public_key_in_its_header() {
    let (key, other) = (forge::ec_key(), forge::ec_key());
    let token = bound_token(&key);
    let private = forge::laid_over(public_jwk(&key), json!({"d": "AAAA"}));
    let oct = json!({"kty": "oct", "k": "c2VjcmV0"});
    for header in [
        json!({"jwk": public_jwk(&other)}),
        json!({ "jwk": private }),
        json!({ "jwk": oct }),
        json!({"jwk": null}),
        json!({"jwk": "x"}),
        json!({"typ": "JWT"}),
        json!({"typ": null}),
        json!({"typ": "at+jwt"}),
        json!({"crit": ["exp"]}),
        json!({"jwk": forge::laid_over(public_jwk(&key), json!({"alg": "ES384"}))}),
    ] {
        let got = check(&token, &proof(&key, &token, header.clone(), json!({})));
        assert_eq!(got, Err(Reason::ProofInvalid), "{header}");
    }
    for alg in ["none", "HS256", "es256"] {
        let header = json!({"typ": "dpop+jwt", "alg": alg, "jwk": public_jwk(&key)}).to_string();
        let unsigned = forge::raw(&format!("{}.{}.AA", B64.encode(header), B64.encode("{}")));
        assert_eq!(check(&token, &unsigned), Err(Reason::ProofInvalid), "{alg}");
    }
    // The token itself is no proof, and the proof no token.
    assert_eq!(check(&token, &token), Err(Reason::ProofInvalid));
    let as_token = proof(&key, &token, json!({}), json!({}));
    assert!(verify(&settings(), &forge::snapshot(), &as_token, Possession::default(), NOW).is_err());
}

#[test]
fn without_external_urls_nothing_can_be_proven() {
    let key = forge::ec_key();
    let token = bound_token(&key);
    let proof = proof(&key, &token, json!({}), json!({}));
    let shown = Shown { proof: &proof, method: "GET", path: PATH };
    let deny = Proof::check(&forge::settings(json!({})), &token, shown, NOW).unwrap_err();
    assert_eq!(deny.reason, Reason::ProofInvalid);
    assert!(deny.detail.unwrap().contains("externalURLs"));
}
