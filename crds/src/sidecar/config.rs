//! The sidecar's configuration file as it is written: JSON, one version number, unknown members refused.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    basic::BasicException,
    deprecation::BasicDeprecation,
    enforcement::{AllowedListener, OnBypass},
    identity::Identity,
    limits::RateLimit,
    terms::{AnonymousPreset, Audit, Mode, PathMatch, Scheme, ServiceAccount, Switch, UiAuthorization},
    tokens::TokenRules,
    who::{CallRule, TrustedProxies, UsernameMapping},
};
use crate::text::GoDuration;

/// The configuration version that this crate writes and reads.
pub const VERSION: u32 = 1;

/// The whole file. [`super::parse`] turns it into [`super::Settings`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Format version; see [`VERSION`].
    pub version: u32,
    /// The policy that this configuration was rendered from.
    pub policy: PolicyRef,
    /// Enforce, Audit or Off.
    pub mode: Mode,
    /// The Keycloak realm whose tokens are accepted; at least one.
    pub issuers: Vec<Issuer>,
    /// Further issuers of accepted tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_id_issuers: Vec<OpenIdIssuer>,
    /// What a token has to be, whoever issued it.
    #[serde(default)]
    pub tokens: TokenRules,
    /// Scheme, host and port under which clients reach Confluence.
    #[serde(rename = "externalURLs", default, skip_serializing_if = "Vec::is_empty")]
    pub external_urls: Vec<String>,
    /// Member of the claims that names the user, taken literally; a JSON pointer when it starts with `/`.
    pub username_attribute: String,
    /// From the name in a token to the Confluence user.
    #[serde(default)]
    pub username_mapping: UsernameMapping,
    /// Confluence users as whom no token may act.
    #[serde(default)]
    pub denied_users: Vec<String>,
    /// Who may make which calls; the first that fits decides.
    #[serde(default)]
    pub rules: Vec<CallRule>,
    /// How often a caller may call.
    #[serde(default)]
    pub rate_limits: Vec<RateLimit>,
    /// Whose `X-Forwarded-For` is believed.
    #[serde(default)]
    pub trusted_proxies: TrustedProxies,
    /// Clients whose own tokens act as a Confluence user.
    #[serde(default)]
    pub service_accounts: Vec<ServiceAccount>,
    /// Password logins on protected paths.
    pub basic_auth: Switch,
    /// Password logins that stay allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub basic_auth_exceptions: Vec<BasicException>,
    /// The announced end of password logins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_auth_deprecation: Option<BasicDeprecation>,
    /// The other kinds of credential.
    pub credentials: Credentials,
    /// Protected paths that need no credential.
    #[serde(default)]
    pub anonymous_paths: AnonymousPaths,
    /// Tokens on pages and content.
    #[serde(default)]
    pub ui_authorization: UiAuthorization,
    /// The audit lines.
    #[serde(default)]
    pub audit: Audit,
    /// What happens when there is a way around the sidecar.
    #[serde(default)]
    pub on_bypass: OnBypass,
    /// Ports on which others may listen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_listeners: Vec<AllowedListener>,
    /// Confluence behind the sidecar.
    pub upstream: Upstream,
    /// The application link, where the sidecars keep it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_link: Option<ManagedLink>,
}

/// How the sidecars keep the application link: with the token in `admin-token` beside this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ManagedLink {
    /// Fingerprint of the key that the link is to have: lower-case hexadecimal SHA-256 of the public key (SPKI, DER).
    pub key: String,
}

/// The policy behind a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyRef {
    /// Namespace of the policy.
    pub namespace: String,
    /// Name of the policy.
    pub name: String,
    /// UID of the policy.
    pub uid: String,
    /// `metadata.generation` of the policy at rendering.
    pub generation: i64,
}

/// A Keycloak realm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Issuer {
    /// Host name or base URL of Keycloak.
    pub host: String,
    /// Realm name.
    pub realm: String,
    /// Scheme, host and port under which pods reach Keycloak, when not under `host`.
    #[serde(rename = "backchannelURL", default, skip_serializing_if = "Option::is_none")]
    pub backchannel_url: Option<String>,
    /// Accepted `iss` values, exactly. Empty: the issuer that discovery names, which must be the realm's URL below `host`.
    #[serde(default)]
    pub accepted_issuers: Vec<String>,
    /// Accepted audiences (`aud`); one must match. Empty: any.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Accepted authorized parties (`azp`). Empty: any.
    #[serde(default)]
    pub authorized_parties: Vec<String>,
    /// Whether `ca.crt` beside this file holds the only accepted certificate authorities.
    #[serde(default)]
    pub own_ca: bool,
    /// As which client the sidecar asks this issuer about tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_client: Option<OwnClient>,
    /// What the operator last saw, so that a cold start works while Keycloak is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_known: Option<LastKnown>,
}

/// How the sidecar shows an issuer that it is its client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum OwnClient {
    /// By `client-id` and `client-secret` beside this file.
    Secret,
    /// As the client of this id, by the token in `client-assertion` beside this file (RFC 7523 section 2.2).
    Assertion(String),
}

/// An OpenID Connect issuer of any make, further realms of Keycloak among them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenIdIssuer {
    /// The `iss` of its tokens, exactly.
    pub issuer: String,
    /// Its discovery document, when not below `issuer`.
    #[serde(rename = "discoveryURL", default, skip_serializing_if = "Option::is_none")]
    pub discovery_url: Option<String>,
    /// Scheme, host and port under which pods reach it, when not under its own.
    #[serde(rename = "backchannelURL", default, skip_serializing_if = "Option::is_none")]
    pub backchannel_url: Option<String>,
    /// Accepted audiences (`aud`); one must match. At least one.
    pub audiences: Vec<String>,
    /// Accepted authorized parties (`azp`). Empty: any.
    #[serde(default)]
    pub authorized_parties: Vec<String>,
    /// Claim that names the user, when not the policy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_attribute: Option<String>,
    /// Clients of this issuer whose own tokens act as a Confluence user.
    #[serde(default)]
    pub service_accounts: Vec<ServiceAccount>,
    /// Whether `ca.crt` beside this file holds the only accepted certificate authorities.
    #[serde(default)]
    pub own_ca: bool,
}

/// Issuer and key set as last fetched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LastKnown {
    /// `issuer` of the discovery document.
    pub issuer: String,
    /// `jwks_uri` of the discovery document.
    pub jwks_uri: String,
    /// The JWK Set, as fetched.
    pub jwks: Value,
}

/// Switches for credentials beside tokens of the identity provider and Basic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Credentials {
    /// Personal access tokens of Confluence. Default: Allow.
    pub personal_access_token: Switch,
    /// OAuth 1 and JWT requests of application links. Default: Allow.
    pub application_link: Switch,
    /// Access tokens that Confluence itself issued as OAuth 2 provider. Default: Allow.
    #[serde(rename = "confluenceOAuth2")]
    pub confluence_oauth2: Switch,
    /// Browser sessions (cookies). Default: Allow.
    pub session: Switch,
    /// Requests without any credential. Default: Deny. Public wikis need Allow, as their pages call the REST API.
    pub anonymous: Switch,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            personal_access_token: Switch::Allow,
            application_link: Switch::Allow,
            confluence_oauth2: Switch::Allow,
            session: Switch::Allow,
            anonymous: Switch::Deny,
        }
    }
}

/// Protected paths that need no credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct AnonymousPaths {
    /// Lists that Restward maintains (docs/reference/paths.md). Default: all of them.
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 16)))]
    pub presets: Vec<AnonymousPreset>,
    /// Further paths. Default: none.
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 64)))]
    pub paths: Vec<PathMatch>,
}

impl Default for AnonymousPaths {
    fn default() -> Self {
        Self { presets: AnonymousPreset::ALL.to_vec(), paths: Vec::new() }
    }
}

/// Confluence behind the sidecar. What is absent is taken from the pod or found by calibration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upstream {
    /// Scheme that Tomcat's connector is configured with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// `proxyName` of Tomcat's connector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_name: Option<String>,
    /// `proxyPort` of Tomcat's connector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_port: Option<u16>,
    /// Context path, empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_path: Option<String>,
    /// Time limits towards Confluence.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// How the user is named to Confluence.
    pub identity: Identity,
}

/// Time limits towards Confluence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// From the request to the answer's headers. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<GoDuration>,
    /// Between two bytes of a body. Default: none for answers; a minute for what clients send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<GoDuration>,
}
