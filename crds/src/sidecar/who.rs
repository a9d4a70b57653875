//! Who the caller is and what that caller may do: words that the policy and the configuration share, and what they
//! become when parsed.

use std::str::FromStr as _;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::{parse::Errors, terms::PathMatch, tokens::ClientRole};
use crate::text::{Cidr, Username};

/// How the name in a token becomes the name of a Confluence user. In this order; a step that a name does not fit refuses
/// the name, since else two names in tokens would stand for one user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UsernameMapping {
    /// What every name begins with and the Confluence name does not, such as `CORP\`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kubernetes", schemars(length(min = 1, max = 255)))]
    pub strip_prefix: Option<String>,
    /// What every name ends with and the Confluence name does not, such as `@example.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kubernetes", schemars(length(min = 1, max = 255)))]
    pub strip_suffix: Option<String>,
    /// What the whole name is replaced by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Replacement>,
    /// Whether the name is lower-cased. Confluence compares names without regard to case.
    pub lower_case: bool,
}

/// A regular expression and what its matches become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// Regular expression (RE2 syntax) that the whole name must match.
    #[serde(rename = "match")]
    #[cfg_attr(feature = "kubernetes", schemars(length(min = 1, max = 512)))]
    pub matches: String,
    /// The Confluence name; `${1}` and `${name}` stand for groups of the expression.
    #[cfg_attr(feature = "kubernetes", schemars(length(min = 1, max = 255)))]
    pub replace: String,
}

/// A [`UsernameMapping`], parsed.
#[derive(Debug, Clone, Default)]
pub struct MappingSettings {
    written: UsernameMapping,
    pattern: Option<Regex>,
}

impl PartialEq for MappingSettings {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl MappingSettings {
    /// Largest compiled expression; far more than a name needs.
    const MAX_PATTERN: usize = 256 * 1024;

    pub(super) fn parse(written: UsernameMapping, errors: &mut Errors) -> Self {
        let compiled = written.pattern.as_ref().map(|pattern| {
            // Anchored here, so that no part of a name can stand for the whole.
            RegexBuilder::new(&format!("^(?:{})$", pattern.matches)).size_limit(Self::MAX_PATTERN).build()
        });
        let pattern = match compiled {
            Some(Err(_)) => {
                errors
                    .add("usernameMapping.pattern.match", "is not a regular expression, or too large a one");
                None
            }
            Some(Ok(pattern)) => Some(pattern),
            None => None,
        };
        Self { written, pattern }
    }

    /// The Confluence user that `name` stands for.
    ///
    /// # Errors
    /// Says which step the name does not fit, or why its result is no user name.
    pub fn apply(&self, name: &Username) -> Result<Username, String> {
        let UsernameMapping { strip_prefix, strip_suffix, pattern, lower_case } = &self.written;
        let mut mapped = name.as_str();
        if let Some(prefix) = strip_prefix {
            mapped = mapped.strip_prefix(prefix.as_str()).ok_or("lacks the prefix of usernameMapping")?;
        }
        if let Some(suffix) = strip_suffix {
            mapped = mapped.strip_suffix(suffix.as_str()).ok_or("lacks the suffix of usernameMapping")?;
        }
        let mut mapped = mapped.to_owned();
        if let (Some(regex), Some(pattern)) = (&self.pattern, pattern) {
            let groups = regex.captures(&mapped).ok_or("does not match the pattern of usernameMapping")?;
            let mut replaced = String::new();
            groups.expand(&pattern.replace, &mut replaced);
            mapped = replaced;
        }
        if *lower_case {
            mapped = mapped.to_lowercase();
        }
        Username::from_str(&mapped).map_err(|error| format!("gives no user name: {error}"))
    }
}

/// What a rule does with the calls that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum RuleAction {
    /// They pass; no later rule is asked.
    Allow,
    /// 403.
    Deny,
    /// GET, HEAD and OPTIONS pass, everything else is 403.
    ReadOnly,
}

/// A rule about calls: it is about those that fit every member that is given, and of a list any one entry. Users, scopes,
/// roles, groups and clients are known of tokens only: a rule that names one is about no other call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallRule {
    /// Allow, Deny, or ReadOnly: GET, HEAD and OPTIONS pass, everything else is 403.
    pub action: RuleAction,
    /// Path. Confluence takes some paths in more than one form (`/content` and `/content.json`): allow what is meant and
    /// deny the rest, rather than the other way round. A slash at the end makes no difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathMatch>,
    /// Methods, in capitals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "kubernetes",
        schemars(length(max = 16), inner(length(min = 1, max = 32), regex(pattern = "^[A-Z]+$")))
    )]
    pub methods: Vec<String>,
    /// Confluence users, without regard to case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 64), inner(length(min = 1, max = 255))))]
    pub users: Vec<String>,
    /// Scopes of the token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 32), inner(length(min = 1, max = 255))))]
    pub scopes: Vec<String>,
    /// Realm roles in the token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 32), inner(length(min = 1, max = 255))))]
    pub realm_roles: Vec<String>,
    /// Roles of a client in the token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 32)))]
    pub client_roles: Vec<ClientRole>,
    /// Groups in the token, as in `tokens.required.groups`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 32), inner(length(min = 1, max = 1024))))]
    pub groups: Vec<String>,
    /// Clients that got the token (`azp`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 64), inner(length(min = 1, max = 255))))]
    pub clients: Vec<String>,
    /// Addresses of callers, such as `10.0.0.0/8`. Behind a load balancer they are known by `trustedProxies` only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 64), inner(length(min = 1, max = 64))))]
    pub cidrs: Vec<String>,
}

/// A [`CallRule`], parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleSettings {
    /// The rule; its users and addresses are below.
    pub rule: CallRule,
    /// `users`.
    pub users: Vec<Username>,
    /// `cidrs`.
    pub cidrs: Vec<Cidr>,
}

impl RuleSettings {
    pub(super) fn parse(index: usize, rule: CallRule, errors: &mut Errors) -> Self {
        let at = |name: &str| format!("rules[{index}].{name}");
        if let Some(path) = &rule.path {
            errors.require(path.is_plain(), &at("path.value"), PathMatch::EXPECTED);
        }
        let is_method =
            |method: &String| !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
        errors.require(
            rule.methods.iter().all(is_method),
            &at("methods"),
            "are written in capitals, such as GET",
        );
        let lists = [&rule.scopes, &rule.realm_roles, &rule.groups, &rule.clients];
        let has_empty = lists.iter().any(|list| list.iter().any(String::is_empty));
        errors.require(!has_empty, &format!("rules[{index}]"), "has an empty entry");
        let users = rule.users.iter().filter_map(|user| errors.text(at("users"), user)).collect();
        let cidrs = rule.cidrs.iter().filter_map(|cidr| errors.text(at("cidrs"), cidr)).collect();
        Self { rule, users, cidrs }
    }
}

/// Whose `X-Forwarded-For` is believed: `hops` or `cidrs`. Default: nobody's, so that the caller's address is the peer's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrustedProxies {
    /// How many proxies every call passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kubernetes", schemars(range(min = 1, max = 16)))]
    pub hops: Option<u8>,
    /// Addresses of the proxies, such as `10.0.0.0/8`; never of everybody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kubernetes", schemars(length(max = 64), inner(length(min = 1, max = 64))))]
    pub cidrs: Vec<String>,
    /// Header in which the proxies of `cidrs` pass on the certificate that the client showed them, such as `Client-Cert` (RFC
    /// 9440), `ssl-client-cert` (ingress-nginx) or `X-Forwarded-Client-Cert` (Envoy). With it tokens that are bound to a
    /// certificate (RFC 8705) are accepted from who has it; without it they are refused. The proxies must set or remove the
    /// header on every call.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "kubernetes",
        schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9-]+$"))
    )]
    pub client_certificate_header: Option<String>,
}

/// [`TrustedProxies`], parsed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ProxySettings {
    /// The peer is the caller.
    #[default]
    Nobody,
    /// Every call passes this many proxies.
    Hops(usize),
    /// Proxies that are known by their addresses.
    Cidrs {
        /// The addresses.
        cidrs: Vec<Cidr>,
        /// Lower-case name of the header in which they pass on the client's certificate.
        client_certificate_header: Option<String>,
    },
}

impl ProxySettings {
    pub(super) fn parse(written: &TrustedProxies, errors: &mut Errors) -> Self {
        let TrustedProxies { hops, cidrs, client_certificate_header } = written;
        errors.require(hops.is_none() || cidrs.is_empty(), "trustedProxies", "takes hops or cidrs, not both");
        errors.require(
            hops.is_none_or(|hops| (1..=16).contains(&hops)),
            "trustedProxies.hops",
            "must be 1 to 16",
        );
        let cidrs: Vec<Cidr> =
            cidrs.iter().filter_map(|cidr| errors.text("trustedProxies.cidrs".into(), cidr)).collect();
        // Whoever trusts everybody lets each caller choose its address (CVE-2026-76835).
        errors.require(
            cidrs.iter().all(|cidr| !cidr.is_everybody()),
            "trustedProxies.cidrs",
            "must not trust everybody",
        );
        if let Some(name) = client_certificate_header {
            let at = "trustedProxies.clientCertificateHeader";
            let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            errors.require(
                !name.is_empty() && is_plain,
                at,
                "must be the name of a header, such as Client-Cert",
            );
            // Who is not known by address could be anybody who has read the certificate, which is no secret.
            errors.require(
                !cidrs.is_empty(),
                at,
                "needs the addresses of the proxies in trustedProxies.cidrs",
            );
        }
        match hops {
            Some(hops) => Self::Hops(usize::from(*hops)),
            None if cidrs.is_empty() => Self::Nobody,
            None => Self::Cidrs {
                cidrs,
                client_certificate_header: client_certificate_header
                    .as_ref()
                    .map(|name| name.to_ascii_lowercase()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn mapped(mapping: Value, name: &str) -> Result<String, String> {
        let mut errors = Errors::default();
        let mapping = MappingSettings::parse(serde_json::from_value(mapping).unwrap(), &mut errors);
        mapping.apply(&name.parse().unwrap()).map(|user| user.as_str().to_owned())
    }

    #[test]
    fn names_are_mapped_step_by_step() {
        let example =
            |name: &str| mapped(json!({"stripPrefix": "CORP\\", "stripSuffix": "@example.com"}), name);
        assert_eq!(example("CORP\\bob@example.com").unwrap(), "bob");
        let pattern = json!({
            "pattern": {"match": "(?P<first>[^.]+)\\.([^@]+)@example\\.com", "replace": "${2}-${first}"}, "lowerCase": true
        });
        assert_eq!(mapped(pattern, "Ada.Lovelace@example.com").unwrap(), "lovelace-ada");
        assert_eq!(mapped(json!({}), "J\u{fc}rgen").unwrap(), "J\u{fc}rgen");
        assert_eq!(mapped(json!({"lowerCase": true}), "J\u{dc}RGEN").unwrap(), "j\u{fc}rgen");
    }

    /// Each of these would be another user, were the step skipped or the expression not anchored.
    #[test]
    fn a_name_that_does_not_fit_is_refused() {
        let suffix = json!({"stripSuffix": "@example.com"});
        let pattern = json!({"pattern": {"match": "([a-z]+)@example\\.com|x", "replace": "${1}"}});
        for (mapping, name) in [
            (suffix.clone(), "admin"),
            (suffix.clone(), "admin@evil.example"),
            (suffix.clone(), "admin@EXAMPLE.COM"),
            (suffix, "@example.com"),
            (json!({"stripPrefix": "corp-"}), "admin"),
            (pattern.clone(), "admin@example.com.evil.example"),
            (pattern.clone(), "0admin@example.com"),
            (pattern, "x"),
            (json!({"pattern": {"match": ".*", "replace": "anonymous"}}), "bob"),
            (json!({"pattern": {"match": "(.*)", "replace": "${1}\u{202e}"}}), "bob"),
        ] {
            let refused = mapped(mapping.clone(), name);
            assert!(refused.is_err(), "{name} by {mapping}: {refused:?}");
        }
    }

    #[test]
    fn an_expression_that_is_none_is_named() {
        for pattern in ["(", "(?x) a # b", "a{1000}{1000}"] {
            let mut errors = Errors::default();
            let written = json!({"pattern": {"match": pattern, "replace": "x"}});
            MappingSettings::parse(serde_json::from_value(written).unwrap(), &mut errors);
            assert_eq!(errors.0.len(), 1, "{pattern}");
        }
    }
}
