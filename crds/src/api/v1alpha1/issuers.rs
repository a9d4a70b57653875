//! Whose tokens are accepted: the realm of Keycloak, and further issuers.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::provisioning::Provisioning;
use crate::{
    names,
    sidecar::terms::{Authorities, ServiceAccount},
};

/// A Keycloak realm.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Keycloak {
    /// Host name or base URL under which clients reach Keycloak: what stands in front of `/realms/`, such as
    /// `sso.example.com` or `https://sso.example.com/auth`. Without a path both `/realms` and `/auth/realms` are tried.
    /// `http://` is accepted and reported as `PlainHttp`.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = ("self.matches('^(https?://)?[^/?#@\\\\s]+(/[^?#@\\\\s]*)?$') && (!self.contains('://') || self.startsWith('https://') || self.startsWith('http://'))",
        "host must be a host name or a base URL such as https://sso.example.com/auth, without user name, query or fragment"))]
    pub host: String,

    /// Name of the realm.
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = ("self.matches('^[^/?#%;\\\\\\\\\\\\s]+$') && self != '.' && self != '..'",
        "realm must be the realm's name as in its URL, without slashes or blanks"))]
    pub realm: String,

    /// Scheme, host and port under which pods reach Keycloak, when they cannot reach `host`, such as
    /// `https://keycloak.sso.svc:8443`. The path of `host` is kept.
    #[serde(rename = "backchannelURL", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = ("self.matches('^https?://[^/?#@\\\\s]+/?$')",
        "backchannelURL must be scheme, host and port only, such as https://keycloak.sso.svc:8443; the path of host is kept"))]
    pub backchannel_url: Option<String>,

    /// Accepted values of the `iss` claim, exactly. Default: the issuer that discovery names, which must be the realm's
    /// URL below `host`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 1024)))]
    pub accepted_issuers: Vec<String>,

    /// The client as which the sidecar asks the realm about tokens, for `tokens.validation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_ref: Option<ClientSecretRef>,

    /// The same without any secret: the sidecar shows a token of the pod's ServiceAccount (RFC 7523). The realm needs an
    /// identity provider of type Kubernetes, and the client the authenticator "Signed JWT - Federated" with the subject
    /// `system:serviceaccount:<namespace>:<ServiceAccount of the pods>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_assertion: Option<ClientAssertion>,

    /// ConfigMaps of this namespace with the certificate authorities (PEM) that sign Keycloak's certificate. When given,
    /// no others are trusted. Default: the public ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub ca_certificate_refs: Vec<CaCertificateRef>,

    /// Has the operator make in the realm what callers need, and put right what is changed about it: a client scope with the
    /// audiences of `tokens.audiences`, and clients that have it. Only what carries this policy's mark (the attribute
    /// `restward.io/managed-by`) is ever changed or removed. Default: people do, as docs/setup/keycloak.md shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioning: Option<Provisioning>,
}

/// A Secret with the keys `client-id` and `client-secret`. It is mounted into the sidecar by name and read by nobody else;
/// the names of the keys are fixed, so that a policy cannot send other Secrets of the namespace to a host of its choice.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSecretRef {
    /// Name of the Secret, in the policy's namespace.
    #[schemars(length(min = 1, max = 253), regex(pattern = names::OBJECT_NAME))]
    pub name: String,
}

/// A client of the realm that is the pods' ServiceAccount.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientAssertion {
    /// Client id.
    #[serde(rename = "clientID")]
    #[schemars(length(min = 1, max = 255))]
    pub client_id: String,
    /// Audience of the token. Default: the first of `acceptedIssuers`, else the realm's URL below `host`, which is what
    /// Keycloak wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub audience: Option<String>,
}

/// A ConfigMap with PEM certificates.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaCertificateRef {
    /// Name of the ConfigMap, in the policy's namespace.
    #[schemars(length(min = 1, max = 253), regex(pattern = names::OBJECT_NAME))]
    pub name: String,
    /// Key in the ConfigMap. Default: `ca.crt`.
    #[serde(default = "default_ca_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn default_ca_key() -> String {
    names::KEY_CA_CERTIFICATE.into()
}

/// An OpenID Connect issuer. Its tokens name Confluence users as those of `keycloak` do, so whoever can make users there
/// can be anybody here.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenIdIssuerSpec {
    /// The `iss` of its tokens, exactly, such as `https://login.example.com/realms/partners`.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = ("self.matches('^https?://[^/?#@\\\\s]+(/[^?#@\\\\s]*)?$')",
        "issuer must be a URL such as https://login.example.com, without user name, query or fragment"))]
    pub issuer: String,
    /// Its discovery document. Default: `.well-known/openid-configuration` below `issuer`.
    #[serde(rename = "discoveryURL", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub discovery_url: Option<String>,
    /// Scheme, host and port under which pods reach it, when they cannot reach its own.
    #[serde(rename = "backchannelURL", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub backchannel_url: Option<String>,
    /// Accepted audiences (`aud`): one must match exactly. Not optional, as an issuer has clients that are not meant for
    /// Confluence.
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 1024)))]
    pub audiences: Vec<String>,
    /// Client ids that may call (`azp`). Default: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), inner(length(min = 1, max = 255)))]
    pub authorized_parties: Vec<String>,
    /// Claim that names the user. Default: `usernameAttribute` of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub username_attribute: Option<String>,
    /// Clients of this issuer whose own tokens act as a Confluence user; those of the policy are of `keycloak` alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["client".into()]))]
    pub service_accounts: Vec<ServiceAccount>,
    /// Whose certificates are trusted. Default: those of the public authorities.
    #[serde(default)]
    pub certificate_authorities: Authorities,
}
