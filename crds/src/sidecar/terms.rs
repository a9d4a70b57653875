//! Words that a policy and the sidecar's configuration share.

use serde::{Deserialize, Serialize};

/// What the sidecar does with its decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum Mode {
    /// Refuse what the policy refuses.
    #[default]
    Enforce,
    /// Forward everything as without Restward and record what would have been refused, and why.
    Audit,
    /// Forward everything and decide nothing: the break-glass.
    Off,
}

/// What happens to requests with one kind of credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum Switch {
    /// Pass them on to Confluence.
    #[default]
    Allow,
    /// Pass them on and record each.
    Audit,
    /// Refuse them on protected paths.
    Deny,
}

impl Switch {
    /// Whether requests of this kind are refused.
    pub const fn denies(self) -> bool {
        matches!(self, Self::Deny)
    }
}

/// What a token on pages and content is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum UiAuthorization {
    /// A token that gives no user is removed, and Confluence's session decides: whatever another proxy puts into the
    /// header does no harm.
    #[default]
    Ignore,
    /// A token that gives no user is refused, as on the REST API.
    Authenticate,
}

/// Which requests get an audit line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum AuditLines {
    /// Every request to a protected path, and elsewhere every one that was refused, would have been refused, lost its
    /// token or was sent on as a token's user.
    #[default]
    Decisions,
    /// Every request, also the pages and files of the user interface that merely pass.
    All,
}

/// The audit lines that the sidecar writes to its standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Decisions writes a line for every request to a protected path, and elsewhere for every one that was refused, would
    /// have been refused, lost its token or was sent on as a token's user. All writes one for every request.
    pub lines: AuditLines,
}

/// Scheme of the URL under which Confluence believes to be reached (`ATL_TOMCAT_SCHEME`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTPS, ended in front of the pod.
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A versioned list of protected paths that Confluence's own pages and partners call without a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum AnonymousPreset {
    /// The login page's calls.
    ConfluenceLogin,
    /// What a linked Atlassian application asks before it authenticates.
    ApplicationLinks,
    /// Calendar subscriptions that carry their key in the path.
    CalendarFeeds,
    /// OpenSocial gadget descriptions.
    Gadgets,
    /// The Companion app's file editing.
    Companion,
    /// The mobile app's discovery.
    MobileApp,
}

impl AnonymousPreset {
    /// All presets: the default.
    pub const ALL: [Self; 6] = [
        Self::ConfluenceLogin,
        Self::ApplicationLinks,
        Self::CalendarFeeds,
        Self::Gadgets,
        Self::Companion,
        Self::MobileApp,
    ];
}

/// How a path is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum PathMatchType {
    /// The whole path.
    Exact,
    /// The path or anything below it, by segments.
    PathPrefix,
}

/// A path below the context path, as Tomcat reads it: decoded, without parameters, case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PathMatch {
    /// Exact or PathPrefix.
    #[serde(rename = "type")]
    pub kind: PathMatchType,
    /// The path, relative to the context path, starting with a slash.
    #[cfg_attr(feature = "kubernetes", schemars(length(min = 1, max = 1024), regex(pattern = "^/")))]
    pub value: String,
}

impl PathMatch {
    /// What [`Self::is_plain`] wants, for messages.
    pub const EXPECTED: &'static str = "must be a plain path that starts with '/'";

    /// Whether the path is written as Tomcat reads it, so that it can ever match.
    pub fn is_plain(&self) -> bool {
        self.value.starts_with('/')
            && !self.value.contains(['%', ';', '\\', '?', '#'])
            && !self.value.contains("//")
    }

    /// Whether `path` (relative to the context path, canonical) is meant.
    pub fn matches(&self, path: &str) -> bool {
        match self.kind {
            PathMatchType::Exact => path == self.value,
            PathMatchType::PathPrefix => is_below(path, self.value.trim_end_matches('/')),
        }
    }
}

/// Whether `path` is `prefix` or below it, by whole segments.
pub fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A client of the identity provider whose own tokens act as a Confluence user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServiceAccount {
    /// Client id, exactly (`azp` or `client_id` of the token). No wildcards.
    #[cfg_attr(feature = "kubernetes", schemars(length(min = 1, max = 255)))]
    pub client: String,
    /// Confluence user name that this client acts as.
    #[cfg_attr(feature = "kubernetes", schemars(length(min = 1, max = 255)))]
    pub username: String,
}

/// Whose certificates are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum Authorities {
    /// Those of the public authorities.
    #[default]
    Public,
    /// Those of `keycloak.caCertificateRefs`.
    Keycloak,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_match_by_segments() {
        let prefix = |value: &str| PathMatch { kind: PathMatchType::PathPrefix, value: value.into() };
        assert!(prefix("/rest/api").matches("/rest/api"));
        assert!(prefix("/rest/api/").matches("/rest/api/content"));
        assert!(!prefix("/rest/api").matches("/rest/apix"));
        assert!(prefix("/").matches("/anything"));
    }

    #[test]
    fn exact_is_exact() {
        let exact = PathMatch { kind: PathMatchType::Exact, value: "/status".into() };
        assert!(exact.matches("/status") && !exact.matches("/status/") && !exact.matches("/Status"));
    }
}
