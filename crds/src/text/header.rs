//! The name of the header by which a user is named.

use std::{fmt, str::FromStr};

use super::{TextError, refuse};

/// What most servers and frameworks make of a header's name: case does not count, and those that hand headers on as
/// variables make one of `-`, `_` and `.` (CVE-2025-64484, CVE-2026-88011), CGI's successors of every sign.
fn folded_header(name: &str) -> String {
    name.bytes().map(|byte| char::from(folded(byte))).collect()
}

const fn folded(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Whether `name`, folded, is `wanted`. Asked for every header of every request, so it makes nothing.
pub fn folds_to(name: &str, wanted: &str) -> bool {
    name.len() == wanted.len() && folds_to_start(name, wanted)
}

/// Whether `name`, folded, starts with `wanted`.
pub fn folds_to_start(name: &str, wanted: &str) -> bool {
    name.len() >= wanted.len()
        && name.bytes().zip(wanted.bytes()).all(|(byte, wanted)| folded(byte) == wanted)
}

/// Headers, folded, that mean something else already: on the way, to Tomcat, to Confluence or to the sidecar.
const TAKEN: &[&str] = &[
    "authorization",
    "cache-control",
    "connection",
    "cookie",
    "cookie2",
    "date",
    "dpop",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "referer",
    "set-cookie",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-atlassian-token",
    "x-forwarded-by",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-real-ip",
    "x-request-id",
    "x-requested-with",
];

/// Families of such headers.
const TAKEN_PREFIXES: &[&str] = &["accept", "access-control-", "content-", "if-", "proxy-", "sec-"];

/// A header that may name a user, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserHeader(String);

impl UserHeader {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether some server could take a header of this name for it.
    pub fn is_spelled(&self, name: &str) -> bool {
        self.0.len() == name.len()
            && self.0.bytes().zip(name.bytes()).all(|(own, it)| folded(own) == folded(it))
    }
}

impl fmt::Display for UserHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UserHeader {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !text.starts_with(|c: char| c.is_ascii_alphabetic()) || text.len() > 64 || !is_plain {
            return refuse("must be the name of a header, such as X-Forwarded-User");
        }
        let folded = folded_header(text);
        if TAKEN.contains(&folded.as_str()) || TAKEN_PREFIXES.iter().any(|start| folded.starts_with(start)) {
            return refuse(format!(
                "'{text}' has a meaning of its own: take a header that only names the user, such as X-Forwarded-User"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_header_without_another_meaning_names_users() {
        for name in ["X-Forwarded-User", "X_Forwarded_User", "REMOTE_USER", "Remote-User", "x", "Contents"] {
            assert!(name.parse::<UserHeader>().is_ok(), "{name}");
        }
        let long = "x".repeat(65);
        for name in ["", "-x", "1x", "X Forwarded", "X-User:", "X.User", "X-\u{fc}", "X\r\nY", "X,Y", &long] {
            let refused = name.parse::<UserHeader>().unwrap_err();
            assert!(refused.to_string().contains("must be the name"), "{name:?}: {refused}");
        }
        for name in [
            "Authorization",
            "Proxy-Authorization",
            "proxy_authorization",
            "Cookie",
            "Host",
            "Content-Length",
            "content_type",
            "Transfer-Encoding",
            "Connection",
            "X-Forwarded-For",
            "X_Forwarded_Proto",
            "x-forwarded-HOST",
            "X-Forwarded-Port",
            "Accept",
            "Accept-Language",
            "X-Request-Id",
            "X-HTTP-Method-Override",
            "If-Match",
            "DPoP",
        ] {
            let refused = name.parse::<UserHeader>().unwrap_err();
            assert!(refused.to_string().contains("a meaning of its own"), "{name}: {refused}");
        }
    }

    #[test]
    fn spellings_of_one_header() {
        let header: UserHeader = "X-Wiki_User".parse().unwrap();
        for name in ["x-wiki_user", "X_WIKI_USER", "x.wiki-user", "X-Wiki-User"] {
            assert!(header.is_spelled(name), "{name}");
        }
        for name in ["x-wikiuser", "x-wiki-user-", "wiki-user"] {
            assert!(!header.is_spelled(name), "{name}");
        }
    }
}
