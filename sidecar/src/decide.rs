//! What happens to a request, by the class of its path, its credential and the policy's switches. Pure; the table of
//! the reference documentation is this file.

use restward_crds::{
    reason::Reason,
    sidecar::{
        Settings,
        config::Credentials,
        terms::{Switch, UiAuthorization},
    },
};

use crate::{
    credential::{Kind, Presented, params::AuthType},
    deprecation::{Passwords, is_about_passwords},
    route::{PathClass, Route},
    time::UnixTime,
};

/// What is done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Answered by the sidecar.
    Refuse(Reason),
    /// The token is checked, and the request goes on as its user.
    AsUser,
    /// The same, but a token that gives no user is removed and Confluence's own session decides.
    AsUserOrWithout,
    /// Confluence itself is asked first whether it knows this very bearer credential.
    ConfirmBearer,
    /// Goes on as it is.
    Pass,
    /// Goes on without the Authorization header, which is not meant for this path.
    PassWithout,
    /// Goes on, told to Confluence to be refused unless it is authenticated this way.
    PassOnlyWith(AuthType),
    /// The same for a client that waits for Confluence's own Basic challenge, which it therefore gets.
    PassForChallenge,
}

/// An action, and the refusal that a switch on Audit only records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What is done.
    pub action: Action,
    /// What is recorded instead of being done.
    pub audited: Option<Reason>,
}

impl Decision {
    /// Whether a password login is, or would be, refused for being one.
    pub fn is_about_passwords(&self) -> bool {
        let refused = match self.action {
            Action::Refuse(reason) => Some(reason),
            _ => self.audited,
        };
        refused.is_some_and(is_about_passwords)
    }
}

impl From<Action> for Decision {
    fn from(action: Action) -> Self {
        Self { action, audited: None }
    }
}

/// The facts about a request that the decision rests on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The path.
    pub route: Route,
    /// The credential.
    pub presented: &'a Presented,
    /// A CORS preflight: `OPTIONS` with `Access-Control-Request-Method`.
    pub is_cors_preflight: bool,
    /// An exception of the policy is about this password login.
    pub is_excepted: bool,
    /// Confluence's OAuth 1 filter skips this User-Agent.
    pub skips_oauth1: bool,
    /// When it came.
    pub now: UnixTime,
}

/// Decides.
pub fn decide(settings: &Settings, facts: &Facts<'_>) -> Decision {
    let excepted = facts.is_excepted.then_some(Passwords::ALLOWED);
    decide_with(excepted.unwrap_or_else(|| Passwords::at(settings, facts.now)), settings, facts)
}

/// Whether the end of password logins is the end of this request.
pub fn ends_with_passwords(settings: &Settings, facts: &Facts<'_>) -> bool {
    !facts.is_excepted && decide_with(Passwords::DENIED, settings, facts).is_about_passwords()
}

fn decide_with(basic: Passwords, settings: &Settings, facts: &Facts<'_>) -> Decision {
    let switches = Switches { basic, others: &settings.credentials, ui: settings.ui_authorization };
    match facts.route.class {
        PathClass::Open => open(facts.presented.kind).into(),
        PathClass::Content => beside_parameters(basic, facts, content(switches, facts.presented)),
        PathClass::Protected => beside_parameters(basic, facts, protected(switches, facts)),
    }
}

#[derive(Clone, Copy)]
struct Switches<'a> {
    basic: Passwords,
    others: &'a Credentials,
    ui: UiAuthorization,
}

impl Passwords {
    fn decide(self, allowed: Action) -> Decision {
        switched(self.switch, self.denied, allowed)
    }
}

/// Applies a switch: `allowed` unless it denies.
fn switched(switch: Switch, denied: Reason, allowed: Action) -> Decision {
    match switch {
        Switch::Allow => allowed.into(),
        Switch::Audit => Decision { action: allowed, audited: Some(denied) },
        Switch::Deny => Action::Refuse(denied).into(),
    }
}

/// A password in the parameters logs in beside every other credential, but is removed where the sidecar signs.
fn beside_parameters(basic: Passwords, facts: &Facts<'_>, decision: Decision) -> Decision {
    let is_left = facts.presented.has_password_parameters && facts.presented.kind != Kind::Token;
    match basic.switch {
        Switch::Deny if is_left => Action::Refuse(basic.denied).into(),
        Switch::Audit if is_left && !matches!(decision.action, Action::Refuse(_)) => {
            Decision { audited: Some(basic.denied), ..decision }
        }
        _ => decision,
    }
}

/// Nobody needs a credential here, and a token or password must not reach whatever logs such requests.
const fn open(kind: Kind) -> Action {
    match kind {
        Kind::Token | Kind::MalformedToken | Kind::Basic => Action::PassWithout,
        _ => Action::Pass,
    }
}

/// Confluence's own login decides; only tokens and the switches are ours.
fn content(switches: Switches<'_>, presented: &Presented) -> Decision {
    // Without its token the request would be a login.
    let may_lose_its_token = !(presented.has_password_parameters && switches.basic.switch.denies());
    match presented.kind {
        Kind::Token if switches.ui == UiAuthorization::Authenticate || !may_lose_its_token => {
            Action::AsUser.into()
        }
        Kind::Token => Action::AsUserOrWithout.into(),
        Kind::MalformedToken if switches.ui == UiAuthorization::Authenticate => {
            Action::Refuse(Reason::TokenMalformed).into()
        }
        Kind::MalformedToken => Action::PassWithout.into(),
        Kind::Basic | Kind::PasswordParameters => switches.basic.decide(Action::Pass),
        Kind::PersonalAccessToken => {
            switched(switches.others.personal_access_token, Reason::PersonalAccessTokenDenied, Action::Pass)
        }
        Kind::ConfluenceOAuth2 => {
            switched(switches.others.confluence_oauth2, Reason::OAuth2Denied, Action::Pass)
        }
        Kind::OAuth1 | Kind::ApplicationLinkJwt => {
            switched(switches.others.application_link, Reason::ApplicationLinkDenied, Action::Pass)
        }
        Kind::None | Kind::Session | Kind::Other => Action::Pass.into(),
    }
}

/// Whatever passes here is made unable to be anonymous.
fn protected(switches: Switches<'_>, facts: &Facts<'_>) -> Decision {
    let presented = facts.presented;
    match presented.kind {
        Kind::Token => Action::AsUser.into(),
        Kind::MalformedToken => Action::Refuse(Reason::TokenMalformed).into(),
        Kind::PersonalAccessToken => switched(
            switches.others.personal_access_token,
            Reason::PersonalAccessTokenDenied,
            Action::ConfirmBearer,
        ),
        Kind::ConfluenceOAuth2 => {
            switched(switches.others.confluence_oauth2, Reason::OAuth2Denied, Action::ConfirmBearer)
        }
        Kind::Basic | Kind::PasswordParameters => {
            switches.basic.decide(Action::PassOnlyWith(AuthType::Basic))
        }
        Kind::OAuth1 => oauth1(switches, facts),
        Kind::ApplicationLinkJwt if facts.route.takes_jwt => {
            switched(switches.others.application_link, Reason::ApplicationLinkDenied, Action::Pass)
        }
        // Elsewhere a JWT is no credential; in the query it does not even hide the cookie beside it.
        Kind::ApplicationLinkJwt if presented.has_cookie => without_authorization(switches, facts, true),
        Kind::ApplicationLinkJwt | Kind::Other => Action::Refuse(Reason::SchemeUnsupported).into(),
        Kind::Session => without_authorization(switches, facts, true),
        Kind::None => without_authorization(switches, facts, false),
    }
}

/// Confluence's filter goes on as anonymous when a parameter is missing, and never runs for some clients and paths.
fn oauth1(switches: Switches<'_>, facts: &Facts<'_>) -> Decision {
    let is_looked_at = facts.presented.oauth1_is_complete && !facts.skips_oauth1 && !facts.route.skips_oauth1;
    if is_looked_at || switches.others.application_link.denies() {
        switched(switches.others.application_link, Reason::ApplicationLinkDenied, Action::Pass)
    } else {
        Action::Refuse(Reason::OAuth1Incomplete).into()
    }
}

fn without_authorization(switches: Switches<'_>, facts: &Facts<'_>, has_session: bool) -> Decision {
    let Facts { route, presented, .. } = facts;
    let is_denied_session = has_session && switches.others.session.denies();
    if presented.asks_for_challenge && !switches.basic.switch.denies() && !is_denied_session {
        return Action::PassForChallenge.into();
    }
    if route.is_anonymous {
        return Action::Pass.into();
    }
    if route.is_rpc {
        return rpc(switches, has_session);
    }
    let anonymous = switches.others.anonymous;
    if has_session {
        // A public wiki's pages call the API with the sessions of visitors who have not logged in.
        let action = if anonymous.denies() { Action::PassOnlyWith(AuthType::Cookie) } else { Action::Pass };
        return switched(switches.others.session, Reason::SessionDenied, action);
    }
    if facts.is_cors_preflight {
        return Action::Pass.into();
    }
    switched(anonymous, Reason::CredentialMissing, Action::Pass)
}

/// The body may hold a login, nobody but Confluence can tell; and a session counts here as elsewhere.
fn rpc(switches: Switches<'_>, has_session: bool) -> Decision {
    let as_basic = switches.basic.decide(Action::Pass);
    if !has_session || as_basic.action != Action::Pass {
        return as_basic;
    }
    let as_session = switched(switches.others.session, Reason::SessionDenied, Action::Pass);
    let is_only_noted = as_session.action == Action::Pass && as_basic.audited.is_some();
    if is_only_noted { as_basic } else { as_session }
}

#[cfg(test)]
pub(crate) mod tests;
