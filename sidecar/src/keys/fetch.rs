//! Asks the identity provider: no redirects, no proxies from the environment, bounded time and size, and nothing of
//! an answer's text in what is reported.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use http::{HeaderValue, header};
use reqwest::{Certificate, Client, StatusCode, redirect::Policy};
use restward_crds::{condition::ProviderReason, sidecar::settings::IssuerSettings};
use serde_json::Value;
use url::Url;

use super::{
    discovery::{self, Document},
    guard::{self, GuardedResolver},
    snapshot::{IssuerKeys, usable_keys},
};
use crate::auth::json;

/// For discovery and key set together.
const DEADLINE: Duration = Duration::from_secs(5);
/// Largest answer that is read, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

const FORM: &str = "application/x-www-form-urlencoded";

/// A request to the identity provider. No `Debug`: it may hold a token or a password.
pub struct Call {
    /// Where to.
    pub url: Url,
    /// `Authorization`.
    pub authorization: Option<HeaderValue>,
    /// An encoded form to POST; else it is a GET.
    pub form: Option<String>,
}

/// Its answer. No `Debug`: it may hold claims.
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// `WWW-Authenticate`.
    pub challenge: String,
    /// Body, of bounded size.
    pub body: Vec<u8>,
}

/// Why there is no usable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For status.
    pub reason: ProviderReason,
    /// For people: what to look at.
    pub message: String,
}

impl Failure {
    /// A failure of this reason.
    pub fn new(reason: ProviderReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// With an empty list of authorities every connection would fail, far from the cause.
    #[error("the CA bundle holds no certificate in PEM form")]
    NoCertificate,
    /// A certificate cannot be read, or TLS cannot be set up.
    #[error("the CA bundle cannot be used, or TLS cannot be set up")]
    Tls(#[from] reqwest::Error),
}

/// The HTTP client for one configuration.
#[derive(Clone)]
pub struct Fetcher {
    client: Client,
    /// When the calls of one question are to be over.
    over: Option<Instant>,
}

impl Fetcher {
    /// With the certificate authorities of `ca_pem` alone, or those of the system.
    ///
    /// # Errors
    /// The bundle is not PEM or holds no certificate, or TLS cannot be set up.
    pub fn new(ca_pem: Option<&[u8]>) -> Result<Self, ClientError> {
        let mut builder = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .dns_resolver(GuardedResolver)
            .user_agent(concat!("restward-sidecar/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = ca_pem {
            let authorities = Certificate::from_pem_bundle(pem)?;
            if authorities.is_empty() {
                return Err(ClientError::NoCertificate);
            }
            builder = builder.tls_certs_only(authorities);
        }
        Ok(Self { client: builder.build()?, over: None })
    }

    /// Asks discovery, then the key set.
    ///
    /// # Errors
    /// What did not work, as it should stand in status.
    pub async fn keys_of(&self, issuer: &IssuerSettings) -> Result<IssuerKeys, Failure> {
        let question = Self { client: self.client.clone(), over: Some(Instant::now() + DEADLINE) };
        question.ask(issuer).await
    }

    async fn ask(&self, issuer: &IssuerSettings) -> Result<IssuerKeys, Failure> {
        let (asked, document) = self.discover(issuer).await?;
        let names = discovery::accepted_names(issuer, &document.issuer)?;
        let url = discovery::jwks_url(issuer, &asked, &document)?;
        let keys =
            usable_keys(&self.get_json(&url).await?).ok_or_else(|| unexpected(&url, "is not a JWK Set"))?;
        if keys.is_empty() {
            let message = format!("The key set at {url} has no key that can verify tokens.");
            return Err(Failure::new(ProviderReason::NoUsableKeys, message));
        }
        let endpoints = Some(discovery::endpoints(issuer, &asked, &document));
        Ok(IssuerKeys { names, keys, endpoints, fetched: Some(Instant::now()), until: None })
    }

    /// Since when a realm's tokens count, in seconds since the epoch; 0: ever.
    ///
    /// # Errors
    /// It does not say.
    pub async fn not_before(&self, realm: &Url) -> Result<i64, Failure> {
        let answer = self.get_json(realm).await?;
        answer
            .get("tokens-not-before")
            .and_then(Value::as_i64)
            .ok_or_else(|| unexpected(realm, "has no tokens-not-before"))
    }

    /// The first candidate that answers; a realm that is not found at one may be at the next.
    async fn discover(&self, issuer: &IssuerSettings) -> Result<(Url, Document), Failure> {
        let mut failed: Option<Failure> = None;
        let candidates = discovery::candidates(issuer);
        for url in &candidates {
            match self.document(url).await {
                Ok(document) => return Ok((url.clone(), document)),
                // "Not found" says least: keep what another candidate said.
                Err(failure)
                    if failed.as_ref().is_none_or(|kept| kept.reason == ProviderReason::RealmNotFound) =>
                {
                    failed = Some(failure);
                }
                Err(_) => {}
            }
        }
        match failed {
            Some(failure) if failure.reason != ProviderReason::RealmNotFound => Err(failure),
            _ => {
                let found = self.elsewhere(issuer).await;
                let message = issuer.realm_not_found(&candidates, found.as_deref());
                Err(Failure::new(ProviderReason::RealmNotFound, message))
            }
        }
    }

    /// The value of `spec.keycloak.host` under which the realm is, when it is only the path that is wrong.
    async fn elsewhere(&self, issuer: &IssuerSettings) -> Option<String> {
        for (url, host) in discovery::elsewhere(issuer) {
            if self.document(&url).await.is_ok() {
                return Some(host);
            }
        }
        None
    }

    async fn document(&self, url: &Url) -> Result<Document, Failure> {
        let value = self.get_json(url).await?;
        serde_json::from_value(value).map_err(|_| unexpected(url, "is not a discovery document"))
    }

    async fn get_json(&self, url: &Url) -> Result<Value, Failure> {
        let call = Call { url: url.clone(), authorization: None, form: None };
        let answer = self.exchange(call).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => {
                return Err(Failure::new(ProviderReason::RealmNotFound, format!("{url} answers 404.")));
            }
            status if status.is_server_error() => {
                let message = format!("{url} answers {}.", status.as_u16());
                return Err(Failure::new(ProviderReason::Unreachable, message));
            }
            status => return Err(unexpected(url, &format!("answers {}", status.as_u16()))),
        }
        json::object(&answer.body).map(Value::Object).map_err(|_| unexpected(url, "is not a JSON object"))
    }

    /// Sends one request and reads the answer, whatever its status.
    ///
    /// # Errors
    /// There is none, or it is too large.
    pub async fn exchange(&self, call: Call) -> Result<Reply, Failure> {
        let Call { url, authorization, form } = call;
        if !guard::is_allowed_url(&url) {
            let message = format!("The address in {url} may not be asked.");
            return Err(Failure::new(ProviderReason::Unreachable, message));
        }
        let mut request = match form {
            Some(form) => self.client.post(url.clone()).header(header::CONTENT_TYPE, FORM).body(form),
            None => self.client.get(url.clone()),
        };
        let left = self.over.map_or(DEADLINE, |over| over.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Err(unreachable(&url, &too_slow(left)));
        }
        request = request.timeout(left);
        request = request.header(header::ACCEPT, "application/json");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let mut answer = request.send().await.map_err(|error| connection_failure(&url, &error, left))?;
        let challenge = answer.headers().get(header::WWW_AUTHENTICATE);
        let challenge = challenge.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let mut body = Vec::new();
        while let Some(chunk) =
            answer.chunk().await.map_err(|error| connection_failure(&url, &error, left))?
        {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(unexpected(&url, "is larger than 1 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status: answer.status(), challenge, body })
    }
}

fn unexpected(url: &Url, what: &str) -> Failure {
    Failure::new(ProviderReason::UnexpectedAnswer, format!("The answer of {url} {what}."))
}

/// A certificate that is not trusted, or no connection.
fn connection_failure(url: &Url, error: &reqwest::Error, left: Duration) -> Failure {
    if let Some(tls) = tls_cause(error) {
        let message = format!(
            "The TLS connection to {url} failed: {tls}. If Keycloak's certificate is from a private authority, name it \
             in spec.keycloak.caCertificateRefs."
        );
        return Failure::new(ProviderReason::TlsUntrusted, message);
    }
    let what = if error.is_timeout() { too_slow(left) } else { "cannot be reached".into() };
    unreachable(url, &what)
}

/// What is said of an address that had so long. What is rounded away is the way here.
fn too_slow(left: Duration) -> String {
    if left.is_zero() {
        "was not asked, as the addresses before it took 5 s".into()
    } else if left.as_millis().div_ceil(100) * 100 >= DEADLINE.as_millis() {
        "did not answer within 5 s".into()
    } else {
        format!(
            "did not answer within the {:.1} s that the addresses before it left of 5 s",
            left.as_secs_f32()
        )
    }
}

fn unreachable(url: &Url, what: &str) -> Failure {
    Failure::new(ProviderReason::Unreachable, format!("{url} {what}. Check name, port and network policy."))
}

/// The TLS error in a chain of causes. An `io::Error` leaves what it wraps out of that chain.
fn tls_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match wrapped {
        Some(inner) => tls_cause(inner),
        None => tls_cause(error.source()?),
    }
}

#[cfg(test)]
pub(crate) mod tests;
