//! The configuration, parsed: what the sidecar's decisions work with. Made only by [`super::parse`].

use std::time::Duration;

use super::{
    config::{AnonymousPaths, Credentials, LastKnown, PolicyRef},
    terms::{Mode, Scheme, Switch},
};
use crate::text::{Authority, KeycloakBase, Username};

/// A signature algorithm that may sign tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "names of RFC 7518 and RFC 8037")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    /// Every algorithm that is accepted: asymmetric ones only (RFC 8725 section 3.1).
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The exact name in a token's header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of exactly this name: no trimming, no case folding.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// The whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The policy that this configuration was rendered from.
    pub policy: PolicyRef,
    /// Enforce, Audit or Off.
    pub mode: Mode,
    /// Who issues accepted tokens; never empty.
    pub issuers: Vec<IssuerSettings>,
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

impl Settings {
    /// How far clocks may differ.
    pub const CLOCK_SKEW: Duration = Duration::from_secs(30);
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
