//! The configuration, parsed: what the sidecar's decisions work with. Made only by [`super::parse`].

use std::time::Duration;

use super::{
    config::{AnonymousPaths, Credentials, LastKnown, PolicyRef},
    terms::{Mode, Scheme, Switch},
    tokens::{Algorithm, Required, Validation},
};
use crate::text::{Authority, KeycloakBase, Username};

/// The whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The policy that this configuration was rendered from.
    pub policy: PolicyRef,
    /// Enforce, Audit or Off.
    pub mode: Mode,
    /// Who issues accepted tokens; never empty.
    pub issuers: Vec<IssuerSettings>,
    /// What a token has to be, whoever issued it.
    pub tokens: TokenSettings,
    /// Where the claims name the user.
    pub username: UsernameSource,
    /// Client id → Confluence user.
    pub service_accounts: Vec<(String, Username)>,
    /// Password logins on protected paths.
    pub basic_auth: Switch,
    /// The other kinds of credential.
    pub credentials: Credentials,
    /// Protected paths that need no credential.
    pub anonymous_paths: AnonymousPaths,
    /// Confluence behind the sidecar.
    pub upstream: UpstreamSettings,
}

/// What a token has to be, whoever issued it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSettings {
    /// Who decides whether it is valid.
    pub validation: Validation,
    /// Algorithms that may sign; never empty.
    pub algorithms: Vec<Algorithm>,
    /// How far clocks may differ; at most [`Self::MAX_CLOCK_SKEW`].
    pub clock_skew: Duration,
    /// What it must grant.
    pub required: Required,
    /// How often realms are asked for their `tokens-not-before`.
    pub revocation_poll: Option<Duration>,
}

impl TokenSettings {
    /// More than this would be a longer life for every token, not a tolerance for clocks.
    pub const MAX_CLOCK_SKEW: Duration = Duration::from_mins(1);
}

/// A realm whose tokens are accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct IssuerSettings {
    /// Public base URL of Keycloak.
    pub base: KeycloakBase,
    /// Realm name.
    pub realm: String,
    /// Where pods reach Keycloak, when not at `base`.
    pub backchannel: Option<Authority>,
    /// Accepted `iss` values; empty: what discovery says, if it is the realm's URL.
    pub accepted_issuers: Vec<String>,
    /// Accepted `aud` values; empty: any.
    pub audiences: Vec<String>,
    /// Accepted `azp` values; empty: any.
    pub authorized_parties: Vec<String>,
    /// Trust only the CA file beside the configuration.
    pub own_ca: bool,
    /// The sidecar is a client of this issuer, with the credentials beside the configuration.
    pub own_client: bool,
    /// What the operator last saw.
    pub last_known: Option<LastKnown>,
}

/// Where the claims name the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsernameSource {
    /// Top-level member of exactly this name; dots have no meaning.
    Member(String),
    /// JSON pointer (RFC 6901).
    Pointer(String),
}

/// Confluence behind the sidecar; `None` = take it from the pod or find it by calibration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// Scheme of Tomcat's connector.
    pub scheme: Option<Scheme>,
    /// `proxyName` of Tomcat's connector.
    pub proxy_name: Option<String>,
    /// `proxyPort` of Tomcat's connector.
    pub proxy_port: Option<u16>,
    /// Context path: empty or `/name`.
    pub context_path: Option<String>,
    /// From the request to the answer's headers.
    pub request_timeout: Option<Duration>,
    /// Between two bytes of a body.
    pub idle_timeout: Option<Duration>,
    /// How the user is named to Confluence.
    pub identity: IdentitySettings,
}

/// How the user is named to Confluence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySettings {
    /// OAuth 1.0a, two-legged with impersonation.
    OAuth1 {
        /// Consumer key of the application link; reserved for the sidecar.
        consumer_key: String,
    },
}

impl IdentitySettings {
    /// The consumer key that nobody may use from outside.
    pub fn reserved_consumer(&self) -> &str {
        match self {
            Self::OAuth1 { consumer_key } => consumer_key,
        }
    }
}
