use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::Uri,
    response::{IntoResponse, Redirect},
    routing::get,
};
use restward_crds::sidecar::parse;
use serde_json::json;
use tokio::net::TcpListener;

use super::*;

/// A provider that answers what the closure says: status and body by path.
async fn provider<F>(answer: F) -> SocketAddr
where
    F: Fn(SocketAddr, &str) -> (u16, String) + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handler = async |State(answer): State<Arc<F>>, State(address): State<SocketAddr>, uri: Uri| {
        let (status, body) = answer(address, uri.path());
        (StatusCode::from_u16(status).unwrap(), body).into_response()
    };
    let state = Shared(Arc::new(answer), address);
    tokio::spawn(
        async move { axum::serve(listener, Router::new().fallback(handler).with_state(state)).await },
    );
    address
}

struct Shared<F>(Arc<F>, SocketAddr);

impl<F> Clone for Shared<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), self.1)
    }
}

impl<F> axum::extract::FromRef<Shared<F>> for Arc<F> {
    fn from_ref(shared: &Shared<F>) -> Self {
        Self::clone(&shared.0)
    }
}

impl<F> axum::extract::FromRef<Shared<F>> for SocketAddr {
    fn from_ref(shared: &Shared<F>) -> Self {
        shared.1
    }
}

fn issuer(host: &str, backchannel: Option<&str>, accepted: &[&str]) -> IssuerSettings {
    let mut config = json!({
        "version": 1,
        "policy": {"namespace": "n", "name": "p", "uid": "u", "generation": 1},
        "mode": "Enforce",
        "issuers": [{"host": host, "realm": "staff", "acceptedIssuers": accepted}],
        "usernameAttribute": "preferred_username",
        "basicAuth": "Allow",
        "credentials": {},
        "upstream": {"identity": {"oauth1": {"consumerKey": "c"}}},
    });
    if let Some(url) = backchannel {
        config["issuers"][0]["backchannelURL"] = json!(url);
    }
    parse::from_json(config.to_string().as_bytes()).unwrap().issuers.remove(0)
}

fn document(address: SocketAddr, issuer: &str) -> (u16, String) {
    (200, json!({"issuer": issuer, "jwks_uri": format!("http://{address}/keys")}).to_string())
}

fn keys() -> (u16, String) {
    let keys = json!({"keys": [
        {"kty": "RSA", "kid": "b", "use": "sig"}, {"kty": "RSA", "kid": "x", "use": "enc"}, {"kty": "EC", "kid": "a"},
    ]});
    (200, keys.to_string())
}

async fn ask_at(address: SocketAddr) -> Result<LastKnown, Failure> {
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    ask(&issuer(&format!("http://{address}"), None, &[]), None, Guard::AllowLoopback).await
}

#[tokio::test]
async fn a_realm_is_found_under_the_legacy_path_too_and_its_keys_are_sorted_and_sifted() {
    let address = provider(|address, path| match path {
        "/auth/realms/staff/.well-known/openid-configuration" => {
            document(address, &format!("http://{address}/auth/realms/staff"))
        }
        "/keys" => keys(),
        _ => (404, String::new()),
    })
    .await;
    let known = ask_at(address).await.unwrap();
    assert_eq!(known.issuer, format!("http://{address}/auth/realms/staff"));
    let kids: Vec<_> =
        known.jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(kids, ["a", "b"]);
}

#[tokio::test]
async fn a_realm_that_is_below_another_path_is_named_with_the_host_to_paste() {
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let address = provider(|address, path| match path {
        "/auth/realms/staff/.well-known/openid-configuration" => {
            document(address, &format!("http://{address}/auth/realms/staff"))
        }
        "/realms/staff/.well-known/openid-configuration" => (200, "<html>".into()),
        _ => (404, String::new()),
    })
    .await;
    let base = format!("http://{address}");
    let at = issuer(&format!("{base}/keycloak"), None, &[]);
    let failure = ask(&at, None, Guard::AllowLoopback).await.unwrap_err();
    assert_eq!(failure.reason, ProviderReason::RealmNotFound);
    assert!(failure.message.contains(&format!("with host: '{base}/auth'")), "{}", failure.message);
    // Where it is the back channel that answers, it is still the public name that is to be written down.
    let public = issuer("https://sso.invalid/keycloak", Some(&base), &[]);
    let failure = ask(&public, None, Guard::AllowLoopback).await.unwrap_err();
    assert!(failure.message.contains("with host: 'https://sso.invalid/auth'"), "{}", failure.message);
}

#[tokio::test]
async fn another_issuer_is_named_with_the_expected_one_unless_it_is_accepted() {
    let address = provider(|address, path| match path {
        "/keys" => keys(),
        _ => document(address, "https://elsewhere/realms/staff"),
    })
    .await;
    let failure = ask_at(address).await.unwrap_err();
    assert_eq!(failure.reason, ProviderReason::IssuerMismatch);
    assert!(failure.message.contains("'https://elsewhere/realms/staff'"), "{}", failure.message);
    assert!(failure.message.contains(&format!("'http://{address}/realms/staff'")), "{}", failure.message);

    let accepting = issuer(&format!("http://{address}"), None, &["https://elsewhere/realms/staff"]);
    assert!(ask(&accepting, None, Guard::AllowLoopback).await.is_ok());
}

#[tokio::test]
async fn the_back_channel_replaces_the_address_of_discovery_and_keys() {
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let address = provider(|_, path| match path {
        "/auth/realms/staff/.well-known/openid-configuration" => {
            let public = "https://sso.invalid/auth/realms/staff";
            (200, json!({"issuer": public, "jwks_uri": format!("{public}/certs")}).to_string())
        }
        "/auth/realms/staff/certs" => keys(),
        _ => (404, String::new()),
    })
    .await;
    let inside = issuer("https://sso.invalid/auth", Some(&format!("http://{address}")), &[]);
    assert!(ask(&inside, None, Guard::AllowLoopback).await.is_ok());
}

type Case = (fn(SocketAddr, &str) -> Option<(u16, String)>, ProviderReason);

#[tokio::test]
async fn every_wrong_answer_has_its_reason() {
    let good = |address: SocketAddr| document(address, &format!("http://{address}/realms/staff"));
    let table: [Case; 6] = [
        (|_, _| Some((404, String::new())), ProviderReason::RealmNotFound),
        (|_, _| Some((302, String::new())), ProviderReason::UnexpectedAnswer),
        (|_, _| Some((200, "<html>".into())), ProviderReason::UnexpectedAnswer),
        (|_, path| (path == "/keys").then(|| (500, String::new())), ProviderReason::UnexpectedAnswer),
        (|_, path| (path == "/keys").then(|| (200, r#"{"keys": []}"#.into())), ProviderReason::NoUsableKeys),
        (
            |_, path| (path == "/keys").then(|| (200, " ".repeat(MAX_BODY) + &keys().1)),
            ProviderReason::UnexpectedAnswer,
        ),
    ];
    for (row, (answer, reason)) in table.into_iter().enumerate() {
        let address =
            provider(move |address, path| answer(address, path).unwrap_or_else(|| good(address))).await;
        assert_eq!(ask_at(address).await.unwrap_err().reason, reason, "row {row}");
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable_and_loopback_is_never_asked_in_a_cluster() {
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(ask_at(free).await.unwrap_err().reason, ProviderReason::Unreachable);
    let address = provider(|_, _| (200, "secret".into())).await;
    for host in [format!("http://{address}"), format!("http://localhost:{}", address.port())] {
        let failure = ask(&issuer(&host, None, &[]), None, Guard::Strict).await.unwrap_err();
        assert_eq!(failure.reason, ProviderReason::Unreachable);
        assert!(
            failure.message.contains("loopback") && !failure.message.contains("secret"),
            "{}",
            failure.message
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let host = format!("http://{address}");
    let (body, (_, keys)) = (document(address, &format!("{host}/auth/realms/staff")).1, keys());
    let router = Router::new()
        .route("/elsewhere", get(async || body))
        .route("/keys", get(async || keys))
        .fallback(async || Redirect::temporary("/elsewhere"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let failure =
        ask(&issuer(&format!("{host}/auth"), None, &[]), None, Guard::AllowLoopback).await.unwrap_err();
    assert_eq!(failure.reason, ProviderReason::UnexpectedAnswer);
    assert!(failure.message.contains("307"), "{}", failure.message);
}

/// A TLS server with a certificate of an authority that nobody trusts; gives its port.
async fn untrusted_provider() -> u16 {
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // The client breaks off: that is what is tested.
            _ = acceptor.accept(stream).await;
        }
    });
    port
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_told_from_no_connection() {
    let host = format!("https://127.0.0.1:{}", untrusted_provider().await);
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap().cert.pem();
    for authorities in [None, Some(other.as_str())] {
        let failure = ask(&issuer(&host, None, &[]), authorities, Guard::AllowLoopback).await.unwrap_err();
        assert_eq!(failure.reason, ProviderReason::TlsUntrusted, "{}", failure.message);
        assert!(failure.message.contains("spec.keycloak.caCertificateRefs"), "{}", failure.message);
    }
}
