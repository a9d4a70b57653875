//! Where things are in the test cluster. The host reaches Services and pods, so that calls come from outside the pod.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Result, anyhow};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::{Certificate, Client, redirect::Policy};

use crate::{
    command::{kubectl, kubectl_json},
    reach::{self, Way},
};

/// Namespace of Confluence and its policy.
pub const WIKI_NAMESPACE: &str = "atlassian";
/// StatefulSet and Service of the Confluence stand-in.
pub const WIKI: &str = "wiki-confluence";
/// Its first pod.
pub const WIKI_POD: &str = "wiki-confluence-0";
/// Namespace, Deployment and Service of Keycloak.
pub const KEYCLOAK: &str = "keycloak";
/// Namespace and Helm release of the operator.
pub const OPERATOR: &str = "restward";
/// The host in tokens' issuer, which no DNS knows.
pub const ISSUER_HOST: &str = "sso.example.test";

/// Addresses and HTTP clients.
#[derive(Debug, Clone)]
pub struct World {
    /// Confluence's Service with its context path.
    pub wiki_url: String,
    /// Keycloak's Service with `/auth`, as reached from the host.
    pub keycloak_url: String,
    /// Address of Keycloak's Service.
    pub keycloak_address: SocketAddr,
    /// The certificate authority of Keycloak, PEM.
    pub ca_pem: String,
    /// For Confluence: no redirects, no cookies.
    pub http: Client,
    /// For Keycloak: trusts its CA and knows its address.
    pub https: Client,
    /// System administrator's personal access token of the stand-in.
    pub admin_token: String,
    _ways: Arc<[Way; 2]>,
}

impl World {
    /// Looks everything up.
    ///
    /// # Errors
    /// When something is not deployed.
    pub async fn find() -> Result<Self> {
        // Only the first call in a process succeeds; a later one finds the same provider installed.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let wiki = reach::service(WIKI_NAMESPACE, WIKI, 80).await?;
        let keycloak = reach::service(KEYCLOAK, KEYCLOAK, 8443).await?;
        let keycloak_address = keycloak.address;
        let ca_pem = kubectl(&[
            "get",
            "configmap",
            "keycloak-ca",
            "-n",
            WIKI_NAMESPACE,
            "-o",
            r"jsonpath={.data.ca\.crt}",
        ])
        .await?;
        let name = format!("{KEYCLOAK}.{KEYCLOAK}.svc");
        let plain = Client::builder().no_proxy().redirect(Policy::none());
        let trusting = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .tls_certs_only([Certificate::from_pem(ca_pem.as_bytes())?])
            .resolve(&name, keycloak_address);
        Ok(Self {
            wiki_url: match wiki.address.port() {
                80 => format!("http://{}/confluence", wiki.address.ip()),
                _ => format!("http://{}/confluence", wiki.address),
            },
            keycloak_url: format!("https://{name}:{}/auth", keycloak_address.port()),
            keycloak_address,
            ca_pem,
            http: plain.build()?,
            https: trusting.build()?,
            admin_token: secret(WIKI_NAMESPACE, "wiki-admin", "token").await?,
            _ways: Arc::new([wiki, keycloak]),
        })
    }

    /// The same with another wiki, under this URL.
    #[must_use]
    pub fn with_wiki(&self, wiki_url: String) -> Self {
        Self { wiki_url, ..self.clone() }
    }
}

/// One value of a Secret.
///
/// # Errors
/// When it does not exist.
pub async fn secret(namespace: &str, name: &str, key: &str) -> Result<String> {
    let object = kubectl_json(&["get", "secret", name, "-n", namespace]).await?;
    let value =
        object["data"][key].as_str().ok_or_else(|| anyhow!("Secret {namespace}/{name} has no '{key}'"))?;
    Ok(String::from_utf8(BASE64_STANDARD.decode(value)?)?)
}
