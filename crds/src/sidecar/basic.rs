//! Password logins that stay allowed while `basicAuth.mode` audits or denies the others.

use serde::{Deserialize, Serialize};

use super::{
    parse::Errors,
    terms::{PathMatch, is_below},
};
use crate::text::{Cidr, Username};

/// Paths whose clients know passwords only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum BasicPreset {
    /// Spaces and attachments as folders of macOS and Windows.
    WebDAV,
    /// RSS feeds and subscribed calendars.
    Feeds,
}

impl BasicPreset {
    /// All presets.
    pub const ALL: [Self; 2] = [Self::WebDAV, Self::Feeds];

    /// Its paths below the context path, each with everything below it.
    pub const fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::WebDAV => &["/plugins/servlet/confluence/default"],
            Self::Feeds => &[
                "/createrssfeed.action",
                "/spaces/createrssfeed.action",
                "/rest/calendar-services/1.0/calendar/export/subcalendar",
            ],
        }
    }

    /// Whether `path` (relative to the context path, canonical) is one of its paths.
    pub fn contains(self, path: &str) -> bool {
        self.prefixes().iter().any(|prefix| is_below(path, prefix))
    }
}

/// A password login that stays allowed: one that fits every member that is given, and of a list any one entry; paths and
/// presets are one list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BasicException {
    /// Confluence users, without regard to case. Logins whose user stands in the body (XML-RPC, SOAP) fit none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 64), inner(length(min = 1, max = 255))))]
    pub users: Vec<String>,
    /// Paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 64)))]
    pub paths: Vec<PathMatch>,
    /// Paths that Restward knows (docs/reference/paths.md).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 8)))]
    pub presets: Vec<BasicPreset>,
    /// Addresses of callers, such as `10.0.0.0/8`. Behind a load balancer they are known by `trustedProxies` only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 64), inner(length(min = 1, max = 64))))]
    pub cidrs: Vec<String>,
}

/// A [`BasicException`], parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct BasicExceptionSettings {
    /// `users`.
    pub users: Vec<Username>,
    /// `paths`.
    pub paths: Vec<PathMatch>,
    /// `presets`.
    pub presets: Vec<BasicPreset>,
    /// `cidrs`.
    pub cidrs: Vec<Cidr>,
}

impl BasicExceptionSettings {
    pub(super) fn parse(index: usize, exception: BasicException, errors: &mut Errors) -> Self {
        let BasicException { users, paths, presets, cidrs } = exception;
        let at = |name: &str| format!("basicAuth.exceptions[{index}]{name}");
        let is_empty = users.is_empty() && paths.is_empty() && presets.is_empty() && cidrs.is_empty();
        errors.require(
            !is_empty,
            &at(""),
            "names nobody, which would be everybody; set mode to Allow if that is meant",
        );
        for path in &paths {
            errors.require(path.is_plain(), &at(".paths.value"), PathMatch::EXPECTED);
        }
        Self {
            users: users.iter().filter_map(|user| errors.text(at(".users"), user)).collect(),
            paths,
            presets,
            cidrs: cidrs.iter().filter_map(|cidr| errors.text(at(".cidrs"), cidr)).collect(),
        }
    }
}
