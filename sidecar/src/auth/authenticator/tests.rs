//! Verdicts that are remembered, and unknown keys.

use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::json;

use super::*;
use crate::{
    auth::forge,
    loopback::scripted::{Reply, Scripted},
    metrics::Fetches,
};

/// An authenticator whose identity provider answers `/certs` by `jwks`.
async fn authenticator(jwks: impl Fn() -> Reply + Send + Sync + 'static) -> (Authenticator, String) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let provider = Scripted::start(move |asked| {
        let base = format!("http://{}", asked.headers["host"].to_str().unwrap());
        if asked.target == "/certs" {
            return jwks();
        }
        let document = json!({"issuer": format!("{base}/realms/wiki"), "jwks_uri": format!("{base}/certs")});
        (200, vec![], document.to_string())
    })
    .await;
    let base = format!("http://127.0.0.1:{}", provider.port());
    let settings = forge::settings(json!({"issuers": [{"host": base, "realm": "wiki"}]}));
    let keys = Keys::new(&settings, None, Fetches::default()).unwrap();
    (Authenticator::new(Arc::new(settings), keys, None, None), format!("{base}/realms/wiki"))
}

fn publishing(kid: &str) -> Reply {
    (200, vec![], json!({"keys": [forge::rsa_key().jwk(kid)]}).to_string())
}

fn token(iss: &str, kid: &str, exp: i64) -> RawToken {
    let header = json!({"alg": "RS256", "kid": kid}).to_string();
    forge::rsa_key().token(&header, &forge::claims(json!({"iss": iss, "exp": exp, "iat": null})))
}

const NOW: UnixTime = UnixTime::from_secs(1_764_000_000);

#[tokio::test]
async fn an_unknown_key_is_asked_for_once_and_then_known() {
    let (authenticator, iss) = authenticator(|| publishing("k1")).await;
    assert!(authenticator.authenticate(&token(&iss, "k1", NOW.secs() + 60), None, NOW).await.is_ok());
    let unknown = authenticator.authenticate(&token(&iss, "k9", NOW.secs() + 60), None, NOW).await;
    assert_eq!(unknown, Err(Reason::KeyUnknown.into()));
}

#[tokio::test]
async fn who_cannot_be_asked_does_not_make_a_token_invalid() {
    let (authenticator, iss) = authenticator(|| (503, vec![], String::new())).await;
    let answer = authenticator.authenticate(&token(&iss, "k1", NOW.secs() + 60), None, NOW).await;
    assert_eq!(answer, Err(Reason::KeysUnavailable.into()));
    // A token of another issuer is wrong whatever the provider says.
    let foreign = authenticator.authenticate(&token("https://other", "k1", NOW.secs() + 60), None, NOW).await;
    assert_eq!(foreign, Err(Reason::IssuerMismatch.into()));
}

#[tokio::test]
async fn a_remembered_verdict_ends_with_the_token() {
    let (authenticator, iss) = authenticator(|| publishing("k1")).await;
    let token = token(&iss, "k1", NOW.secs() + 60);
    let first = authenticator.authenticate(&token, None, NOW).await.unwrap();
    let second = authenticator.authenticate(&token, None, NOW).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second), "remembered");
    let later = UnixTime::from_secs(NOW.secs() + 90);
    assert_eq!(authenticator.authenticate(&token, None, later).await, Err(Reason::TokenExpired.into()));
}

#[tokio::test]
async fn a_remembered_verdict_ends_with_its_key() {
    let phase = Arc::new(AtomicU8::new(0));
    let now = Arc::clone(&phase);
    let (authenticator, iss) =
        authenticator(move || publishing(if now.load(Ordering::SeqCst) == 0 { "k1" } else { "k2" })).await;
    let (old, new) = (token(&iss, "k1", NOW.secs() + 60), token(&iss, "k2", NOW.secs() + 60));
    assert!(authenticator.authenticate(&old, None, NOW).await.is_ok());
    phase.store(1, Ordering::SeqCst);
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    tokio::time::resume();
    assert!(authenticator.authenticate(&new, None, NOW).await.is_ok());
    assert_eq!(authenticator.authenticate(&old, None, NOW).await, Err(Reason::KeyUnknown.into()));
}
