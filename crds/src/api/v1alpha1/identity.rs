//! How users are named to Confluence, as the policy says it.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

impl Default for IdentitySpec {
    fn default() -> Self {
        Self::Oauth1(OAuth1Spec::default())
    }
}

/// The consumer of the application link.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OAuth1Spec {
    /// Consumer key of the application link. Default: `restward-<namespace>-<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[A-Za-z0-9._-]+$"))]
    pub consumer_key: Option<String>,
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
