//! What a policy makes of each kind of call. Pure. In mode Audit and Off everything passes that is no good token.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use restward_crds::{
    api::v1alpha1::{IdentitySpec, RestApiAuthPolicy, RestApiAuthPolicySpec},
    reason::Reason,
    sidecar::{
        basic::BasicException,
        config::Credentials,
        deprecation::{DeprecationSettings, Phase},
        terms::{AnonymousPreset, Mode, Switch, UiAuthorization},
        who::UsernameMapping,
    },
    text::Username,
};
use serde_json::Value;

use super::expected::Expected;

/// How Keycloak names the user that stands for a client in tokens of the client-credentials grant.
const SERVICE_ACCOUNT: &str = "service-account-";

/// A password login.
#[derive(Debug, Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) path: &'a str,
    /// Unknown where the body names it.
    pub(super) user: Option<&'a str>,
    pub(super) at: Timestamp,
}

/// Whom a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holder {
    User(String),
    /// Nobody: it is refused for this.
    Refused(Reason),
    /// It cannot be told from here.
    Untold,
}

pub(super) struct Terms<'a> {
    policy: &'a RestApiAuthPolicy,
}

impl<'a> Terms<'a> {
    pub(super) const fn of(policy: &'a RestApiAuthPolicy) -> Self {
        Self { policy }
    }

    const fn spec(&self) -> &'a RestApiAuthPolicySpec {
        &self.policy.spec
    }

    pub(super) fn mode(&self) -> Mode {
        self.spec().mode
    }

    /// Whether calls by token are made as their user.
    pub(super) fn takes_tokens(&self) -> bool {
        self.mode() != Mode::Off
    }

    /// A refusal, where any is made.
    pub(super) fn refused(&self, reason: Reason) -> Expected {
        self.enforced(Expected::Refused(reason))
    }

    /// What holds in mode Enforce only.
    pub(super) fn enforced(&self, expected: Expected) -> Expected {
        if self.mode() == Mode::Enforce { expected } else { Expected::Passed }
    }

    /// What a switch makes of a call that is `allowed` to be this, which it is in the other modes.
    pub(super) fn switched(&self, switch: Switch, denied: Reason, allowed: Expected) -> Expected {
        if switch.denies() && self.mode() == Mode::Enforce { Expected::Refused(denied) } else { allowed }
    }

    /// A call without a credential.
    pub(super) fn anonymous(&self, path: &str) -> Expected {
        let is_open = self.spec().anonymous_paths.paths.iter().any(|entry| entry.matches(path));
        let allowed = if is_open { Switch::Allow } else { self.spec().credentials.anonymous };
        self.switched(allowed, Reason::CredentialMissing, Expected::Passed)
    }

    /// The same for a path that a preset opens.
    pub(super) fn preset(&self, preset: AnonymousPreset, path: &str) -> Expected {
        if self.has(preset) { Expected::Passed } else { self.anonymous(path) }
    }

    pub(super) fn has(&self, preset: AnonymousPreset) -> bool {
        self.spec().anonymous_paths.presets.contains(&preset)
    }

    /// A cookie that is no session.
    pub(super) fn made_up_session(&self) -> Expected {
        let credentials = &self.spec().credentials;
        let allowed = if credentials.anonymous.denies() {
            self.enforced(Expected::RejectedByConfluence)
        } else {
            Expected::Passed
        };
        self.switched(credentials.session, Reason::SessionDenied, allowed)
    }

    /// A token that is none, on a page.
    pub(super) fn token_on_page(&self) -> Expected {
        match self.spec().ui_authorization {
            UiAuthorization::Ignore => Expected::Passed,
            UiAuthorization::Authenticate => self.enforced(Expected::RefusedToken),
        }
    }

    /// A login by password that is `allowed` to be this. `None`: it depends on the caller's address.
    pub(super) fn password(&self, login: Login<'_>, allowed: Expected) -> Option<Expected> {
        let basic = &self.spec().basic_auth;
        let deprecation = basic.deprecation.as_ref().map(|it| DeprecationSettings {
            since: it.since,
            sunset: it.sunset,
            documentation: None,
            brown_outs: it.brown_outs.clone(),
        });
        let reason = match deprecation.map(|it| it.phase(login.at.as_second())) {
            _ if basic.mode.denies() => Reason::BasicDenied,
            Some(Phase::Over) => Reason::BasicDenied,
            Some(Phase::BrownOut(_)) => Reason::BasicBrownOut,
            Some(Phase::Announced) | None => return Some(allowed),
        };
        let about: Vec<&BasicException> = basic.exceptions.iter().filter(|it| is_about(it, login)).collect();
        if about.iter().any(|exception| exception.cidrs.is_empty()) {
            Some(allowed)
        } else if about.is_empty() {
            Some(self.switched(Switch::Deny, reason, allowed))
        } else {
            None
        }
    }

    /// A client without a credential that asks for the question for a password, which it gets where it may answer. `None`: it
    /// depends on the caller's address.
    pub(super) fn challenge(&self, login: Login<'_>) -> Option<Expected> {
        match self.password(login, Expected::Challenge)? {
            Expected::Challenge => Some(self.enforced(Expected::Challenge)),
            _ => Some(self.anonymous(login.path)),
        }
    }

    /// A call without a credential, of which a header claims to be somebody's.
    pub(super) fn claimed(&self, path: &str) -> Expected {
        match self.anonymous(path) {
            Expected::Passed => Expected::Visitor,
            refused => refused,
        }
    }

    /// Whom a token with these claims, which nobody verified, stands for.
    pub(super) fn holder(&self, claims: &Value) -> Holder {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let named = text("preferred_username").unwrap_or_default().to_lowercase();
        let user = if named.starts_with(SERVICE_ACCOUNT) {
            let client = text("azp").or_else(|| text("client_id"));
            let mapped = self.spec().service_accounts.iter().find(|it| Some(it.client.as_str()) == client);
            let Some(mapped) = mapped else { return Holder::Refused(Reason::ServiceAccountUnmapped) };
            mapped.username.clone()
        } else {
            let attribute = &self.spec().username_attribute;
            let value =
                if attribute.starts_with('/') { claims.pointer(attribute) } else { claims.get(attribute) };
            let is_mapped = self.spec().username_mapping != UsernameMapping::default();
            // Lightweight tokens name nobody; a mapping is the sidecar's affair; other issuers may have attributes of their own.
            let Some(name) =
                value.and_then(Value::as_str).filter(|_| !is_mapped && self.spec().issuers.is_empty())
            else {
                return Holder::Untold;
            };
            name.to_owned()
        };
        self.acting(user)
    }

    /// A user, as whom tokens may not act, perhaps.
    pub(super) fn acting(&self, user: String) -> Holder {
        let name = user.parse::<Username>().ok();
        let is_denied = |denied: &String| {
            name.as_ref().zip(denied.parse().ok()).is_some_and(|(name, denied)| name.is_same_user(&denied))
        };
        if self.spec().denied_users.iter().any(is_denied) {
            Holder::Refused(Reason::UserDenied)
        } else {
            Holder::User(user)
        }
    }

    /// Whether tokens have to be meant for this API.
    pub(super) fn names_audiences(&self) -> bool {
        !self.spec().tokens.audiences.is_empty()
    }

    /// How long a token counts after its end.
    pub(super) fn clock_skew(&self) -> i64 {
        i64::try_from(self.spec().tokens.clock_skew.0.as_secs()).unwrap_or(i64::MAX)
    }

    /// The sidecar's own consumer, where it signs.
    pub(super) fn consumer(&self) -> Option<String> {
        let IdentitySpec::Oauth1(oauth1) = &self.spec().upstream.identity else { return None };
        let link = self.policy.status.as_ref().and_then(|status| status.application_link.as_ref());
        link.map(|link| link.consumer_key.clone()).or_else(|| oauth1.consumer_key.clone())
    }

    pub(super) fn signs(&self) -> bool {
        matches!(self.spec().upstream.identity, IdentitySpec::Oauth1(_))
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.spec().credentials
    }

    pub(super) fn realm(&self) -> &str {
        &self.spec().keycloak.realm
    }

    /// Namespace and name.
    pub(super) fn shown(&self) -> String {
        format!("{}/{}", self.policy.namespace().unwrap_or_default(), self.policy.name_any())
    }
}

/// Whether an exception is about this login, wherever it comes from.
fn is_about(exception: &BasicException, login: Login<'_>) -> bool {
    let BasicException { users, paths, presets, cidrs: _ } = exception;
    let is_place = (paths.is_empty() && presets.is_empty())
        || paths.iter().any(|it| it.matches(login.path))
        || presets.iter().any(|it| it.contains(login.path));
    let is_user = |name: &str| users.iter().any(|it| it.eq_ignore_ascii_case(name));
    is_place && (users.is_empty() || login.user.is_some_and(is_user))
}

#[cfg(test)]
mod tests;
