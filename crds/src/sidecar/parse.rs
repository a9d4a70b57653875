//! From the written configuration to settings. The operator runs this before it writes a configuration and the
//! sidecar when it reads one, so that the operator cannot ship what its sidecars refuse.

use std::{fmt, str::FromStr, time::Duration};

use super::{
    basic::BasicExceptionSettings,
    config::{Config, Upstream, VERSION},
    deprecation::DeprecationSettings,
    enforcement::EnforcementSettings,
    identity::IdentitySettings,
    limits::RateLimitSettings,
    settings::{IssuerSettings, Settings, TokenSettings, UpstreamSettings, UsernameSource},
    terms::PathMatch,
    terms::ServiceAccount,
    tokens::{Required, TokenRules, Validation},
    who::{MappingSettings, ProxySettings, RuleSettings},
};
use crate::text::{TextError, Username};

mod issuers;

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the member, such as `issuers[0].host`.
    pub field: String,
    /// What is wrong and what is expected.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Collects what is wrong, so that all of it is reported at once.
#[derive(Default)]
pub(super) struct Errors(pub(super) Vec<FieldError>);

impl Errors {
    pub(super) fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), message: message.into() });
    }

    pub(super) fn require(&mut self, holds: bool, field: &str, message: &str) {
        if !holds {
            self.add(field, message);
        }
    }

    pub(super) fn text<T: FromStr<Err = TextError>>(&mut self, field: String, text: &str) -> Option<T> {
        text.parse().map_err(|error: TextError| self.add(field, error.to_string())).ok()
    }

    fn texts<T: FromStr<Err = TextError>>(&mut self, field: &str, texts: &[String]) -> Vec<T> {
        let each = texts.iter().enumerate();
        each.filter_map(|(i, text)| self.text(format!("{field}[{i}]"), text)).collect()
    }
}

/// Reads a configuration file.
///
/// # Errors
/// What is wrong, member by member; a syntax error or unknown member is reported with its place.
pub fn from_json(json: &[u8]) -> Result<Settings, Vec<FieldError>> {
    match serde_json::from_slice::<Config>(json) {
        Ok(config) => config.parse(),
        Err(error) => Err(vec![FieldError { field: "config".into(), message: error.to_string() }]),
    }
}

impl Config {
    /// Checks everything and gives the settings.
    ///
    /// # Errors
    /// All that is wrong, never only the first.
    pub fn parse(self) -> Result<Settings, Vec<FieldError>> {
        let mut errors = Errors::default();
        let Self {
            version,
            policy,
            mode,
            issuers,
            open_id_issuers,
            tokens,
            external_urls,
            username_attribute,
            username_mapping,
            service_accounts,
            denied_users,
            rules,
            rate_limits,
            trusted_proxies,
            basic_auth,
            basic_auth_exceptions,
            basic_auth_deprecation,
            credentials,
            anonymous_paths,
            ui_authorization,
            audit,
            on_bypass,
            allowed_listeners,
            upstream,
            managed_link,
        } = self;
        if version != VERSION {
            errors.add("version", format!("is {version}; this sidecar reads version {VERSION}"));
        }
        errors.require(!issuers.is_empty(), "issuers", "needs at least one issuer");
        errors.require(
            tokens.validation != Validation::Introspection
                || issuers.iter().all(|issuer| issuer.own_client.is_some()),
            "tokens.validation",
            "Introspection needs a client that may ask: set keycloak.clientSecretRef or clientAssertion",
        );
        errors.require(
            tokens.validation != Validation::Introspection || open_id_issuers.is_empty(),
            "tokens.validation",
            "Introspection is for the realm of keycloak alone; with issuers take Auto, Local or UserInfo",
        );
        let accounts = parse_accounts("serviceAccounts", service_accounts, &mut errors);
        let mut issuers: Vec<IssuerSettings> = issuers
            .into_iter()
            .enumerate()
            .filter_map(|(i, issuer)| issuers::keycloak(i, issuer, &accounts, &mut errors))
            .collect();
        for (i, issuer) in open_id_issuers.into_iter().enumerate() {
            issuers.extend(issuers::open_id(i, issuer, &issuers, &mut errors));
        }
        let tokens = parse_tokens(tokens, &mut errors);
        let external_urls = errors.texts("externalURLs", &external_urls);
        let username = parse_username_attribute("usernameAttribute", username_attribute, &mut errors);
        check_anonymous_paths(&anonymous_paths.paths, &mut errors);
        let username_mapping = MappingSettings::parse(username_mapping, &mut errors);
        let denied_users = errors.texts("deniedUsers", &denied_users);
        let rules = each(rules, &mut errors, RuleSettings::parse);
        let rate_limits = each(rate_limits, &mut errors, RateLimitSettings::parse);
        let basic_auth_exceptions = each(basic_auth_exceptions, &mut errors, BasicExceptionSettings::parse);
        let basic_auth_deprecation =
            basic_auth_deprecation.map(|it| DeprecationSettings::parse(it, &mut errors));
        let trusted_proxies = ProxySettings::parse(&trusted_proxies, &mut errors);
        let enforcement = EnforcementSettings::parse(on_bypass, &allowed_listeners, &mut errors);
        let upstream = parse_upstream(upstream, &trusted_proxies, &mut errors);
        errors.require(
            managed_link.as_ref().is_none_or(|link| is_fingerprint(&link.key)),
            "managedLink.key",
            "is not 64 lower-case hexadecimal digits",
        );
        match (username, upstream, errors.0) {
            (Some(username), Some(upstream), errors) if errors.is_empty() => Ok(Settings {
                policy,
                mode,
                issuers,
                tokens,
                external_urls,
                username,
                username_mapping,
                denied_users,
                rules,
                rate_limits,
                trusted_proxies,
                basic_auth,
                basic_auth_exceptions,
                basic_auth_deprecation,
                credentials,
                anonymous_paths,
                ui_authorization,
                audit,
                enforcement,
                upstream,
                managed_link,
            }),
            (_, _, errors) => Err(errors),
        }
    }
}

fn is_fingerprint(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Parses every entry, by its index.
fn each<T, U>(list: Vec<T>, errors: &mut Errors, parse: fn(usize, T, &mut Errors) -> U) -> Vec<U> {
    list.into_iter().enumerate().map(|(index, entry)| parse(index, entry, errors)).collect()
}

fn check_anonymous_paths(paths: &[PathMatch], errors: &mut Errors) {
    for (i, path) in paths.iter().enumerate() {
        let field = format!("anonymousPaths.paths[{i}].value");
        errors.require(path.is_plain(), &field, PathMatch::EXPECTED);
        errors.require(
            path.value != "/",
            &field,
            "would open every path; set credentials.anonymous to Allow if that is meant",
        );
    }
}

fn parse_accounts(
    field: &str,
    service_accounts: Vec<ServiceAccount>,
    errors: &mut Errors,
) -> Vec<(String, Username)> {
    let mut accounts: Vec<(String, Username)> = Vec::new();
    for (i, account) in service_accounts.into_iter().enumerate() {
        let field = format!("{field}[{i}]");
        errors.require(!account.client.is_empty(), &field, "the client id is empty");
        errors.require(!account.client.contains('*'), &field, "wildcards are not accepted");
        errors.require(
            accounts.iter().all(|(client, _)| *client != account.client),
            &field,
            "the client is listed twice",
        );
        if let Some(name) = errors.text(format!("{field}.username"), &account.username) {
            accounts.push((account.client, name));
        }
    }
    accounts
}

fn parse_tokens(rules: TokenRules, errors: &mut Errors) -> TokenSettings {
    let TokenRules { validation, algorithms, clock_skew, required, revocation } = rules;
    errors.require(!algorithms.is_empty(), "tokens.algorithms", "needs at least one algorithm");
    errors.require(
        clock_skew.0 <= TokenSettings::MAX_CLOCK_SKEW,
        "tokens.clockSkew",
        "must be at most 60s: what clocks that are kept right never exceed",
    );
    let Required { scopes, realm_roles, client_roles, groups } = &required;
    for (name, list) in [("scopes", scopes), ("realmRoles", realm_roles), ("groups", groups)] {
        let field = format!("tokens.required.{name}");
        errors.require(list.iter().all(|entry| !entry.is_empty()), &field, "has an empty entry");
    }
    // RFC 6749 section 3.3: a scope with a blank would be two, and never found.
    let is_scope = |scope: &String| !scope.contains(char::is_whitespace);
    errors.require(scopes.iter().all(is_scope), "tokens.required.scopes", "list each scope by itself");
    errors.require(
        groups.iter().all(|group| !group.ends_with('/')),
        "tokens.required.groups",
        "a group is a name, or a full path such as /staff/wiki",
    );
    errors.require(
        client_roles.iter().all(|role| !role.client.is_empty() && !role.role.is_empty()),
        "tokens.required.clientRoles",
        "needs client and role",
    );
    let poll = revocation.poll_interval.0;
    errors.require(
        poll.is_zero() || poll >= Duration::from_secs(1),
        "tokens.revocation.pollInterval",
        "must be 0s for never, or at least 1s",
    );
    TokenSettings {
        validation,
        algorithms,
        clock_skew: clock_skew.0,
        required,
        revocation_poll: (!poll.is_zero()).then_some(poll),
    }
}

fn parse_username_attribute(field: &str, attribute: String, errors: &mut Errors) -> Option<UsernameSource> {
    if attribute.is_empty() || attribute.len() > 255 {
        errors.add(field, "must be the name of a claim, or a JSON pointer such as /attributes/wiki");
        return None;
    }
    if !attribute.starts_with('/') {
        return Some(UsernameSource::Member(attribute));
    }
    let escapes_are_valid = attribute.split('~').skip(1).all(|tail| tail.starts_with(['0', '1']));
    errors.require(
        escapes_are_valid,
        field,
        "is not a JSON pointer: '~' must be followed by 0 or 1 (RFC 6901)",
    );
    escapes_are_valid.then_some(UsernameSource::Pointer(attribute))
}

fn parse_upstream(
    upstream: Upstream,
    proxies: &ProxySettings,
    errors: &mut Errors,
) -> Option<UpstreamSettings> {
    let Upstream { scheme, proxy_name, proxy_port, context_path, timeouts, identity } = upstream;
    let identity = IdentitySettings::parse(identity, proxies, errors);
    if let Some(path) = &context_path {
        errors.require(
            is_context_path(path),
            "upstream.contextPath",
            "is empty or starts with '/', without a trailing slash, such as /confluence",
        );
    }
    if let Some(name) = &proxy_name {
        let plain =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
        errors.require(plain, "upstream.proxyName", "must be a host name");
    }
    errors.require(proxy_port != Some(0), "upstream.proxyPort", "must be 1 to 65535");
    identity.filter(|_| errors.0.is_empty()).map(|identity| UpstreamSettings {
        scheme,
        proxy_name,
        proxy_port,
        context_path,
        request_timeout: timeouts.request.map(|limit| limit.0),
        idle_timeout: timeouts.idle.map(|limit| limit.0),
        identity,
    })
}

/// Whether `path` can be a context path: empty, or segments of unreserved characters.
pub(super) fn is_context_path(path: &str) -> bool {
    path.is_empty()
        || path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|segment| {
                !segment.is_empty()
                    && segment != "."
                    && segment != ".."
                    && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
            })
        })
}

#[cfg(test)]
mod tests;
