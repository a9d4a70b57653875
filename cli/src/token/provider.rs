//! The identity provider: whom a policy names, or `--issuer`; discovery; the token endpoint.

use k8s_openapi::api::core::v1::ConfigMap;
use reqwest::Client;
use restward_crds::{
    api::v1alpha1::{Keycloak, RestApiAuthPolicy},
    sidecar::settings::IssuerSource,
};
use serde::{Deserialize, de::DeserializeOwned};
use url::{Url, form_urlencoded::byte_serialize};

use crate::{
    cluster::Session,
    failure::{Failure, chain},
    reach::Reach,
};

/// Who issues tokens, as a policy or the command line names it.
#[derive(Debug)]
pub(crate) struct Issuer {
    source: IssuerSource,
    /// PEM of the only authorities that are trusted.
    ca: Option<Vec<u8>>,
}

impl Issuer {
    /// By its URL.
    pub(crate) fn by_url(url: &str) -> Result<Self, Failure> {
        let fix = "give the URL in front of /.well-known/openid-configuration, such as https://sso.example.com/realms/atlassian";
        let mut discovery = Url::parse(url).map_err(|error| Failure::new("read --issuer", error, fix))?;
        match discovery.path_segments_mut() {
            Ok(mut path) => drop(path.pop_if_empty().extend([".well-known", "openid-configuration"])),
            Err(()) => return Err(Failure::new("read --issuer", "it is no address of a server", fix)),
        }
        Ok(Self { source: IssuerSource::OpenId { issuer: url.to_owned(), discovery }, ca: None })
    }

    /// The realm of a policy, with the authorities that it names.
    pub(crate) async fn of_policy(session: &Session, policy: &RestApiAuthPolicy) -> Result<Self, Failure> {
        let keycloak = &policy.spec.keycloak;
        let mut pem = Vec::new();
        for reference in &keycloak.ca_certificate_refs {
            let map = session.api::<ConfigMap>().get(&reference.name).await;
            let map =
                map.map_err(|error| Failure::of_api(format!("read ConfigMap {}", reference.name), &error))?;
            pem.extend(map.data.unwrap_or_default().remove(&reference.key).unwrap_or_default().into_bytes());
            pem.push(b'\n');
        }
        Self::of_realm(keycloak, (!keycloak.ca_certificate_refs.is_empty()).then_some(pem))
    }

    /// A realm, with these authorities as the only ones.
    pub(crate) fn of_realm(keycloak: &Keycloak, ca: Option<Vec<u8>>) -> Result<Self, Failure> {
        let base = keycloak.host.parse().map_err(|error| {
            Failure::new(
                "read spec.keycloak.host",
                error,
                "kubectl restward check says more about the policy",
            )
        })?;
        Ok(Self { source: IssuerSource::Keycloak { base, realm: keycloak.realm.clone() }, ca })
    }
}

/// What of a discovery document is used (OpenID Connect Discovery, RFC 8414, RFC 8628 section 4).
#[derive(Debug, Clone, Deserialize)]
struct Document {
    issuer: String,
    token_endpoint: Url,
    #[serde(default)]
    device_authorization_endpoint: Option<Url>,
}

/// A provider that has been found.
pub(super) struct Provider {
    client: Client,
    document: Document,
}

/// An answer that is JSON.
pub(super) struct Answer<T> {
    pub(super) is_success: bool,
    pub(super) body: T,
}

impl Provider {
    /// Asks discovery, at each place where it may be.
    pub(super) async fn find(issuer: &Issuer, reach: &Reach) -> Result<Self, Failure> {
        let client = reach.client(issuer.ca.as_deref())?;
        let mut last = None;
        for (url, name) in issuer.source.candidates() {
            match discover(&client, &url).await {
                Ok(document) => return Self::checked(client, document, &url, &name),
                Err(why) => last = Some((url, why)),
            }
        }
        let (url, why) =
            last.map_or_else(|| (String::new(), String::new()), |(url, why)| (url.to_string(), why));
        Err(Failure::new(
            format!("ask discovery at {url}"),
            why,
            "see that this machine reaches the identity provider (--resolve, --ca-file), and that its name is right",
        ))
    }

    /// The issuer is the one that was asked for (RFC 8414 section 3.3), and secrets go nowhere unencrypted that was not asked for.
    fn checked(client: Client, document: Document, asked: &Url, name: &str) -> Result<Self, Failure> {
        if document.issuer.trim_end_matches('/') != name.trim_end_matches('/') {
            crate::output::progress(&format!(
                "note: discovery calls the issuer {}, and not {name}; tokens carry the first",
                document.issuer
            ));
        }
        let is_safe = |url: &Url| url.scheme() == "https" || url.origin() == asked.origin();
        if is_safe(&document.token_endpoint)
            && document.device_authorization_endpoint.as_ref().is_none_or(is_safe)
        {
            return Ok(Self { client, document });
        }
        Err(Failure::new(
            "trust the discovery document",
            "an endpoint is neither https nor at the host that was asked",
            "have the provider name its https addresses",
        ))
    }

    /// Asks the token endpoint, as this client.
    pub(super) async fn token<T: DeserializeOwned>(
        &self,
        client: &ClientId,
        form: &[(&str, &str)],
    ) -> Result<Answer<T>, Failure> {
        self.post(&self.document.token_endpoint, client, form).await
    }

    /// Asks for a device code, as this client.
    pub(super) async fn device_code<T: DeserializeOwned>(
        &self,
        client: &ClientId,
        form: &[(&str, &str)],
    ) -> Result<Answer<T>, Failure> {
        let endpoint = self.document.device_authorization_endpoint.as_ref().ok_or_else(|| {
            Failure::new("get a device code", "the provider has no such endpoint", "use client credentials")
        })?;
        self.post(endpoint, client, form).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        url: &Url,
        client: &ClientId,
        form: &[(&str, &str)],
    ) -> Result<Answer<T>, Failure> {
        let request = self.client.post(url.clone());
        let request = match &client.secret {
            // RFC 6749 section 2.3.1: both are encoded as in a form before they become user and password.
            Some(secret) => request.basic_auth(encoded(&client.id), Some(encoded(secret))).form(form),
            None => request.form(&[form, &[("client_id", &client.id)]].concat()),
        };
        let failed = |error: &reqwest::Error| {
            Failure::new(
                format!("ask {url}"),
                chain(error),
                "see that the identity provider can be reached and is well",
            )
        };
        let answer = request.send().await.map_err(|error| failed(&error))?;
        let is_success = answer.status().is_success();
        let body = answer.json().await.map_err(|error| failed(&error))?;
        Ok(Answer { is_success, body })
    }
}

/// As whom tokens are asked for.
pub(super) struct ClientId {
    pub(super) id: String,
    pub(super) secret: Option<String>,
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

async fn discover(client: &Client, url: &Url) -> Result<Document, String> {
    let answer = client.get(url.clone()).send().await.map_err(|error| chain(&error))?;
    if !answer.status().is_success() {
        return Err(format!("it answers {}", answer.status()));
    }
    answer.json().await.map_err(|error| chain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_to_no_plain_address_that_was_not_asked_for() {
        _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let asked: Url = "https://sso.example.com/realms/r/.well-known/openid-configuration".parse().unwrap();
        let document = |endpoint: &str, device: Option<&str>| Document {
            issuer: "https://sso.example.com/realms/r".into(),
            token_endpoint: endpoint.parse().unwrap(),
            device_authorization_endpoint: device.map(|url| url.parse().unwrap()),
        };
        let takes = |document| {
            Provider::checked(Client::new(), document, &asked, "https://sso.example.com/realms/r").is_ok()
        };
        assert!(takes(document("https://sso.example.com/token", None)));
        assert!(takes(document("https://other.example.com/token", None)));
        assert!(!takes(document("http://sso.example.com/token", None)));
        assert!(!takes(document("https://sso.example.com/token", Some("http://evil.example.com/device"))));
    }

    #[test]
    fn an_issuer_is_a_url_of_a_server() {
        let issuer = Issuer::by_url("https://sso.example.com/realms/r/").unwrap();
        let (url, _) = issuer.source.candidates().remove(0);
        assert_eq!(url.as_str(), "https://sso.example.com/realms/r/.well-known/openid-configuration");
        assert!(Issuer::by_url("sso.example.com").is_err());
        assert!(Issuer::by_url("mailto:a@b").is_err());
    }
}
