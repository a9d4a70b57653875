//! How users are named to Confluence, as the policy says it.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names;

/// How the user is named to Confluence: one member.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum IdentitySpec {
    /// Two-legged OAuth 1.0a with impersonation over an incoming application link: works on stock Confluence. Status
    /// shows how to make the link.
    Oauth1(OAuth1Spec),
    /// A header, for a Confluence whose authenticator believes one. The header is a login without a password for whoever
    /// reaches Confluence, so users are named by it only while condition `Enforced` holds for the pod.
    Header(HeaderSpec),
}

impl IdentitySpec {
    /// The administrator's token by which the application link is kept, where it is.
    pub fn admin_token(&self) -> Option<&SecretKeyRef> {
        match self {
            Self::Oauth1(oauth1) => oauth1.application_link.admin_token_secret_ref.as_ref(),
            Self::Header(_) => None,
        }
    }
}

impl Default for IdentitySpec {
    fn default() -> Self {
        Self::Oauth1(OAuth1Spec::default())
    }
}

/// The consumer of the application link.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OAuth1Spec {
    /// Consumer key of the application link. Default: `restward-<namespace>-<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[A-Za-z0-9._-]+$"))]
    pub consumer_key: Option<String>,
    /// Who makes the application link and keeps it right.
    #[serde(default)]
    #[x_kube(validation = ("(self.mode == 'Managed') == has(self.adminTokenSecretRef)",
        "applicationLink.mode Managed needs adminTokenSecretRef, and only Managed uses it"))]
    pub application_link: ApplicationLinkSpec,
}

/// Who makes the application link and keeps it right.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplicationLinkSpec {
    /// Manual: the administrator of Confluence, by the calls or clicks in status. Managed: the sidecars, with a token of the
    /// administrator's; they make the link, put right what is changed about it, and put a new key into it.
    #[serde(default)]
    pub mode: LinkMode,
    /// A personal access token of a system administrator of Confluence, for Managed. It is mounted in the sidecar only; the
    /// operator does not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_token_secret_ref: Option<SecretKeyRef>,
}

/// Who keeps the application link.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LinkMode {
    /// The administrator of Confluence.
    #[default]
    Manual,
    /// The sidecars.
    Managed,
}

/// A key of a Secret.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretKeyRef {
    /// Name of the Secret, in the policy's namespace.
    #[schemars(length(min = 1, max = 253), regex(pattern = names::OBJECT_NAME))]
    pub name: String,
    /// Key in the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// The header that names the user.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderSpec {
    /// Name of the header, such as `X-Forwarded-User`: the one that the authenticator in Confluence's `seraph-config.xml`
    /// reads. Copies of clients are removed from every request, however they are spelled.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z][A-Za-z0-9_-]*$"))]
    #[x_kube(validation = ("!self.matches('(?i)^(accept.*|access[-_]control[-_].*|authorization|cache[-_]control|connection|content[-_].*|cookie2?|date|dpop|expect|forwarded|host|http2[-_]settings|if[-_].*|keep[-_]alive|max[-_]forwards|origin|pragma|proxy[-_].*|range|referer|sec[-_].*|set[-_]cookie|te|traceparent|tracestate|trailer|transfer[-_]encoding|upgrade|user[-_]agent|via|x[-_]atlassian[-_]token|x[-_]forwarded[-_](by|for|host|port|prefix|proto|scheme|server|ssl)|x[-_]http[-_]method([-_]override)?|x[-_]method[-_]override|x[-_]real[-_]ip|x[-_]request[-_]id|x[-_]requested[-_]with)$')",
        "the header has a meaning of its own: take one that only names the user, such as X-Forwarded-User"))]
    pub name: String,
}
