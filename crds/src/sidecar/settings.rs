//! The configuration, parsed: what the sidecar's decisions work with. Made only by [`super::parse`].

use std::time::Duration;

use super::{
    basic::BasicExceptionSettings,
    config::{AnonymousPaths, Credentials, LastKnown, ManagedLink, OwnClient, PolicyRef},
    deprecation::DeprecationSettings,
    enforcement::EnforcementSettings,
    identity::IdentitySettings,
    limits::RateLimitSettings,
    terms::{Audit, Mode, Scheme, Switch, UiAuthorization},
    tokens::{Algorithm, Required, Validation},
    who::{MappingSettings, ProxySettings, RuleSettings},
};
use crate::text::{Authority, KeycloakBase, Username};
use url::Url;

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
    /// Where clients reach Confluence.
    pub external_urls: Vec<Authority>,
    /// Where the claims name the user.
    pub username: UsernameSource,
    /// From the name in a token to the Confluence user.
    pub username_mapping: MappingSettings,
    /// Confluence users as whom no token may act.
    pub denied_users: Vec<Username>,
    /// Who may make which calls; the first that fits decides.
    pub rules: Vec<RuleSettings>,
    /// How often a caller may call.
    pub rate_limits: Vec<RateLimitSettings>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: ProxySettings,
    /// Password logins on protected paths.
    pub basic_auth: Switch,
    /// Password logins that stay allowed.
    pub basic_auth_exceptions: Vec<BasicExceptionSettings>,
    /// The announced end of password logins.
    pub basic_auth_deprecation: Option<DeprecationSettings>,
    /// The other kinds of credential.
    pub credentials: Credentials,
    /// Protected paths that need no credential.
    pub anonymous_paths: AnonymousPaths,
    /// Tokens on pages and content.
    pub ui_authorization: UiAuthorization,
    /// The audit lines.
    pub audit: Audit,
    /// Ways around the sidecar.
    pub enforcement: EnforcementSettings,
    /// Confluence behind the sidecar.
    pub upstream: UpstreamSettings,
    /// The application link, where the sidecars keep it themselves.
    pub managed_link: Option<ManagedLink>,
}

impl Settings {
    /// Where tokens of this issuer name the user.
    pub fn username_of(&self, issuer: usize) -> &UsernameSource {
        self.issuers.get(issuer).and_then(|issuer| issuer.username.as_ref()).unwrap_or(&self.username)
    }
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

/// Who issues tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssuerSource {
    /// A realm of Keycloak.
    Keycloak {
        /// Public base URL of Keycloak.
        base: KeycloakBase,
        /// Realm name.
        realm: String,
    },
    /// An OpenID Connect issuer of any make.
    OpenId {
        /// The `iss` of its tokens.
        issuer: String,
        /// Its discovery document.
        discovery: Url,
    },
}

impl IssuerSource {
    /// Where its discovery document may be, with the `iss` that it must then name.
    pub fn candidates(&self) -> Vec<(Url, String)> {
        match self {
            Self::Keycloak { base, realm } => {
                let of_realm = |url: Url| (discovery_below(&url), url.to_string());
                base.realm_urls(realm).into_iter().map(of_realm).collect()
            }
            Self::OpenId { issuer, discovery } => vec![(discovery.clone(), issuer.clone())],
        }
    }

    /// For people: the realm, or the issuer.
    pub fn name(&self) -> &str {
        match self {
            Self::Keycloak { realm, .. } => realm,
            Self::OpenId { issuer, .. } => issuer,
        }
    }

    /// For people: where it is.
    pub fn address(&self) -> &str {
        match self {
            Self::Keycloak { base, .. } => base.as_str(),
            Self::OpenId { discovery, .. } => discovery.as_str(),
        }
    }
}

/// OpenID Connect Discovery 4: the path is put behind the issuer's, whose trailing slash goes.
pub(super) fn discovery_below(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend([".well-known", "openid-configuration"]);
    }
    url
}

/// An issuer whose tokens are accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct IssuerSettings {
    /// Who it is.
    pub source: IssuerSource,
    /// Where its tokens name the user, when not where the policy says.
    pub username: Option<UsernameSource>,
    /// Client id of this issuer → Confluence user; for the first one the policy's.
    pub service_accounts: Vec<(String, Username)>,
    /// Where pods reach it, when not at its own address.
    pub backchannel: Option<Authority>,
    /// Accepted `iss` values; empty: what discovery says, if it is the realm's URL.
    pub accepted_issuers: Vec<String>,
    /// Accepted `aud` values; empty: any.
    pub audiences: Vec<String>,
    /// Accepted `azp` values; empty: any.
    pub authorized_parties: Vec<String>,
    /// Trust only the CA file beside the configuration.
    pub own_ca: bool,
    /// As which client the sidecar asks it about tokens.
    pub own_client: Option<OwnClient>,
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
