//! Asks the identity provider itself, until sidecars report what they see, and so that their configuration carries the
//! keys known last.
//!
//! The address is chosen by whoever may write a policy, so the request is kept from being of use for anything else: GET
//! only, no redirects, no proxies, 5 seconds, no link-local or loopback addresses, and no answer is ever quoted.

mod guard;

use std::{error::Error as StdError, time::Duration};

use reqwest::{Certificate, Client, StatusCode, redirect};
use restward_crds::{
    condition::ProviderReason,
    sidecar::{config::LastKnown, settings::IssuerSettings},
};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

pub use guard::Guard;

/// For all requests of one question together.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest answer that is read.
const MAX_BODY: usize = 1024 * 1024;
const UNTRUSTED: &str =
    "Name the ConfigMap with its certificate authority in spec.keycloak.caCertificateRefs";

/// Why the identity provider cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Reason of the condition.
    pub reason: ProviderReason,
    /// What to look at.
    pub message: String,
}

fn failure<T>(reason: ProviderReason, message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure { reason, message: message.into() })
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

/// Fetches discovery document and key set.
///
/// # Errors
/// What is wrong, for the condition `IdentityProviderReachable`.
pub async fn ask(issuer: &IssuerSettings, ca_pem: Option<&str>, guard: Guard) -> Result<LastKnown, Failure> {
    let client = client(ca_pem, guard)?;
    match tokio::time::timeout(PATIENCE, ask_with(&client, issuer, guard)).await {
        Ok(answer) => answer,
        Err(_) => Err(silent(issuer.source.address())),
    }
}

/// The HTTP client by which identity providers are asked.
///
/// # Errors
/// The certificate authorities are not usable.
pub fn client(ca_pem: Option<&str>, guard: Guard) -> Result<Client, Failure> {
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .dns_resolver(guard)
        .timeout(PATIENCE)
        .user_agent(concat!("restward-operator/", env!("CARGO_PKG_VERSION")));
    if let Some(pem) = ca_pem {
        let authorities = Certificate::from_pem_bundle(pem.as_bytes()).unwrap_or_default();
        if authorities.is_empty() {
            return failure(ProviderReason::TlsUntrusted, "caCertificateRefs hold no usable certificate");
        }
        builder = builder.tls_certs_only(authorities);
    }
    builder.build().or_else(|error| {
        failure(ProviderReason::TlsUntrusted, format!("no TLS client could be made: {}", root_cause(&error)))
    })
}

async fn ask_with(client: &Client, issuer: &IssuerSettings, guard: Guard) -> Result<LastKnown, Failure> {
    let mut not_found = Vec::new();
    for (public, expected) in issuer.source.candidates() {
        let Some(body) = get(client, &inside(issuer, &public), guard).await? else {
            not_found.push(public);
            continue;
        };
        let Ok(document) = serde_json::from_slice::<Document>(&body) else {
            return failure(
                ProviderReason::UnexpectedAnswer,
                format!("{public} answers no discovery document"),
            );
        };
        if !is_accepted(issuer, &expected, &document) {
            return failure(ProviderReason::IssuerMismatch, issuer.issuer_mismatch(&document.issuer));
        }
        return Ok(LastKnown {
            jwks: key_set(client, issuer, &public, &document, guard).await?,
            issuer: document.issuer,
            jwks_uri: document.jwks_uri,
        });
    }
    let found = elsewhere(client, issuer, guard).await;
    failure(ProviderReason::RealmNotFound, issuer.realm_not_found(&not_found, found.as_deref()))
}

/// The value of `spec.keycloak.host` under which the realm is, when it is only the path that is wrong.
async fn elsewhere(client: &Client, issuer: &IssuerSettings, guard: Guard) -> Option<String> {
    for (public, host) in issuer.source.elsewhere() {
        let body = get(client, &inside(issuer, &public), guard).await.ok().flatten();
        if body.is_some_and(|body| serde_json::from_slice::<Document>(&body).is_ok()) {
            return Some(host);
        }
    }
    None
}

/// The address at which pods reach `public`.
fn inside(issuer: &IssuerSettings, public: &Url) -> Url {
    issuer.backchannel.as_ref().map_or_else(|| public.clone(), |authority| authority.replace_in(public))
}

/// OpenID Connect Discovery 4.3: the issuer must be the one that was asked for.
fn is_accepted(issuer: &IssuerSettings, realm: &str, document: &Document) -> bool {
    if issuer.accepted_issuers.is_empty() {
        document.issuer == realm
    } else {
        issuer.accepted_issuers.contains(&document.issuer)
    }
}

async fn key_set(
    client: &Client,
    issuer: &IssuerSettings,
    asked: &Url,
    document: &Document,
    guard: Guard,
) -> Result<Value, Failure> {
    let Ok(public) = document.jwks_uri.parse::<Url>() else {
        return failure(ProviderReason::UnexpectedAnswer, "jwks_uri of the discovery document is no URL");
    };
    if public.scheme() != "https" && public.origin() != asked.origin() && issuer.backchannel.is_none() {
        return failure(
            ProviderReason::UnexpectedAnswer,
            format!("jwks_uri {public} is neither https nor at the address of the realm"),
        );
    }
    let body = get(client, &inside(issuer, &public), guard).await?;
    let keys: Option<Value> = body.and_then(|body| serde_json::from_slice(&body).ok());
    let Some(list) = keys.as_ref().and_then(|keys| keys["keys"].as_array()) else {
        return failure(ProviderReason::UnexpectedAnswer, format!("{public} answers no key set"));
    };
    let mut usable: Vec<Value> = list.iter().filter(|key| can_verify(key)).cloned().collect();
    if usable.is_empty() {
        return failure(
            ProviderReason::NoUsableKeys,
            format!("{public} lists no key that can verify tokens"),
        );
    }
    // Keycloak gives no order: without one of ours the configuration would change from one fetch to the next.
    usable.sort_by_key(|key| key["kid"].as_str().unwrap_or_default().to_owned());
    Ok(serde_json::json!({ "keys": usable }))
}

fn can_verify(key: &Value) -> bool {
    let asymmetric = matches!(key["kty"].as_str(), Some("RSA" | "EC" | "OKP"));
    asymmetric && key["use"].as_str().is_none_or(|purpose| purpose == "sig")
}

/// The body of a 200; `None` for 404.
async fn get(client: &Client, url: &Url, guard: Guard) -> Result<Option<Vec<u8>>, Failure> {
    admit(url, guard)?;
    let failed = |error: reqwest::Error| cannot_connect(url, &error, UNTRUSTED);
    let mut response = client.get(url.clone()).send().await.map_err(failed)?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        status => return failure(ProviderReason::UnexpectedAnswer, format!("{url} answers {status}")),
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            return Err(too_large(url));
        }
    }
    Ok(Some(body))
}

/// Whether the address may be asked.
///
/// # Errors
/// It may not.
pub fn admit(url: &Url, guard: Guard) -> Result<(), Failure> {
    if guard.admits_host(url) {
        return Ok(());
    }
    failure(
        ProviderReason::Unreachable,
        format!("{url} is a link-local or loopback address, which the operator does not ask"),
    )
}

/// An answer is not read to its end.
pub fn too_large(url: &Url) -> Failure {
    Failure {
        reason: ProviderReason::UnexpectedAnswer,
        message: format!("{url} answers too much to be read"),
    }
}

fn silent(address: &str) -> Failure {
    let message = format!("{address} did not answer within {} seconds", PATIENCE.as_secs());
    Failure { reason: ProviderReason::Unreachable, message }
}

/// There is no answer; `untrusted` is what to do about a certificate that is not trusted.
pub fn cannot_connect(url: &Url, error: &reqwest::Error, untrusted: &str) -> Failure {
    if error.is_timeout() {
        return silent(url.as_str());
    }
    let cause = root_cause(error);
    if is_untrusted(error) {
        let message = format!("the certificate of {url} is not trusted ({cause}). {untrusted}");
        return Failure { reason: ProviderReason::TlsUntrusted, message };
    }
    Failure { reason: ProviderReason::Unreachable, message: format!("{url} cannot be reached: {cause}") }
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

fn root_cause(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

/// Whether a certificate was refused, anywhere down the chain of causes. An `io::Error` leaves what it wraps out of that
/// chain, and may wrap another.
fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return matches!(tls, rustls::Error::InvalidCertificate(_));
    }
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(wrapped) => is_untrusted(wrapped),
        None => error.source().is_some_and(is_untrusted),
    }
}

#[cfg(test)]
mod tests;
