//! What is to happen by path, credential and policy: the tables of the reference, cell by cell, and beside them what
//! Confluence makes of what it gets.

use restward_crds::sidecar::terms::{Mode, Switch, UiAuthorization};

use super::{
    credential::Credential,
    outcome::{Authorization, Challenge, Expected, USER},
    place::{Column, Place},
    policy::Policy,
};

/// A cell of the table: what is done, and what is only noted.
struct Cell {
    done: Done,
    noted: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Done {
    Refuse(&'static str),
    AsUser,
    Pass,
    PassWithout,
    /// With `os_authType` of this value.
    PassWith(&'static str),
    /// The same, and the client gets Confluence's challenge.
    Challenge,
}

impl From<Done> for Cell {
    fn from(done: Done) -> Self {
        Self { done, noted: None }
    }
}

/// By its switch.
fn switched(switch: Switch, reason: &'static str, done: Done) -> Cell {
    match switch {
        Switch::Allow => done.into(),
        Switch::Audit if matches!(done, Done::Refuse(_)) => done.into(),
        Switch::Audit => Cell { done, noted: Some(reason) },
        Switch::Deny => Done::Refuse(reason).into(),
    }
}

/// The whole answer.
pub(super) fn expected(policy: &Policy, place: Place, credential: Credential) -> Expected {
    use Credential as C;
    // In no mode and nowhere may anybody but the sidecar use its key.
    if matches!(credential, C::OAuth1Reserved | C::OAuth1ReservedInQuery | C::OAuth1ReservedInForm) {
        return Expected::Refused { status: 401, reason: "reserved_consumer".to_owned(), tells_end: false };
    }
    let mut cell = cell(policy, place, credential);
    // Who would be refused by a ban is told.
    let tells_end = policy.end.is_some()
        && policy.mode == Mode::Enforce
        && self::cell(&policy.banning(), place, credential).done == Done::Refuse("basic_denied");
    // Audit asserts the user of a good token, changes nothing else, and notes what it would have refused.
    match policy.mode {
        Mode::Enforce => {}
        Mode::Audit if cell.done == Done::AsUser => {}
        Mode::Audit => {
            if let Done::Refuse(reason) = cell.done {
                cell.noted = Some(reason);
            }
            cell.done = Done::Pass;
        }
        Mode::Off => cell = Done::Pass.into(),
    }
    let (authorization, auth_type) = match cell.done {
        Done::Refuse(reason) => {
            return Expected::Refused { status: 401, reason: reason.to_owned(), tells_end };
        }
        Done::AsUser => (Authorization::Signed, None),
        // For its challenge a client has sent `os_authType` itself.
        Done::Pass | Done::Challenge => (Authorization::AsSent, None),
        Done::PassWithout => (Authorization::Removed, None),
        Done::PassWith(how) => (Authorization::AsSent, Some(how)),
    };
    let user = who(credential, authorization);
    let is_refused = match credential {
        C::BasicWrong | C::OAuth1MadeUp => authorization == Authorization::AsSent,
        C::ChallengeWanted => true,
        _ => auth_type.is_some() && user.is_none(),
    };
    let status = match place {
        _ if is_refused => 401,
        // The allow-listed origin's preflight is answered before anybody looks for a resource.
        Place::Companion if credential != C::Preflight => 404,
        _ => 200,
    };
    let is_ours = place.column() == Column::Protected
        && policy.mode == Mode::Enforce
        && cell.done != Done::Challenge
        && !matches!(
            credential,
            C::OAuth1 | C::OAuth1InQuery | C::OAuth1MadeUp | C::OAuth1Incomplete | C::Jwt | C::JwtInQuery
        );
    let challenge = match (is_refused, is_ours) {
        (false, _) => Challenge::None,
        (true, true) => Challenge::Ours,
        (true, false) => Challenge::Confluences,
    };
    Expected::Reached {
        status,
        user: user.map(str::to_owned),
        authorization,
        auth_type: auth_type.map(str::to_owned),
        challenge,
        reason: cell.noted.map(str::to_owned),
        tells_end,
    }
}

/// What is done, but for the mode.
fn cell(policy: &Policy, place: Place, credential: Credential) -> Cell {
    match place.column() {
        Column::Open => open(credential),
        Column::Content => content(policy, place, credential),
        Column::Protected => protected(policy, place, credential),
    }
}

/// Whom Confluence takes for the caller.
fn who(credential: Credential, authorization: Authorization) -> Option<&'static str> {
    use Credential as C;
    if authorization == Authorization::Signed {
        return Some(USER);
    }
    let is_removed = authorization == Authorization::Removed;
    match credential {
        C::Session
        | C::TokenWithSession
        | C::TokenForgedWithSession
        | C::BasicWithSession
        | C::TokenWithQuery
        | C::TokenForgedWithQuery
        | C::Query
        | C::QueryEscaped
        | C::Form => Some(USER),
        _ if is_removed => None,
        C::Basic | C::BasicOddly | C::BasicOfOAuth2 | C::OAuth2 => Some(USER),
        C::Pat | C::PatWithQuery | C::PatWithRpcLogin => Some("admin"),
        C::OAuth1 | C::OAuth1InQuery => Some("bob"),
        _ => None,
    }
}

/// `/status`, login, static, setup: passed; what belongs to the API alone is removed.
fn open(credential: Credential) -> Cell {
    use Credential as C;
    match credential {
        C::Token
        | C::TokenForged
        | C::TokenExpired
        | C::TokenOpaque
        | C::TokenWithSession
        | C::TokenForgedWithSession
        | C::TokenWithQuery
        | C::TokenForgedWithQuery
        | C::Dpop
        | C::DpopWithoutProof
        | C::Basic
        | C::BasicOddly
        | C::BasicWrong
        | C::BasicOfOAuth2
        | C::BasicWithSession => Done::PassWithout.into(),
        _ => Done::Pass.into(),
    }
}

/// Why a token is not accepted.
fn amiss(credential: Credential) -> Option<&'static str> {
    use Credential as C;
    match credential {
        C::TokenForged | C::TokenForgedWithSession | C::TokenForgedWithQuery => Some("signature_invalid"),
        C::TokenExpired => Some("token_expired"),
        C::TokenOpaque => Some("token_malformed"),
        C::DpopWithoutProof => Some("proof_invalid"),
        _ => None,
    }
}

/// A personal access token, by its switch.
fn pat(policy: &Policy, done: Done) -> Cell {
    switched(policy.others.personal_access_token, "personal_access_token_denied", done)
}

/// A password in the parameters, beside a credential that Confluence is to judge, counts before that.
fn with_parameters(policy: &Policy, place: Place, other: Cell) -> Cell {
    match policy.basic_at(place) {
        Switch::Allow => other,
        Switch::Audit if matches!(other.done, Done::Refuse(_)) => other,
        Switch::Audit => Cell { noted: Some(policy.denied()), ..other },
        Switch::Deny => Done::Refuse(policy.denied()).into(),
    }
}

/// One in the body of a legacy API counts after the credential beside it, for which the body is read.
fn with_login_in_body(policy: &Policy, place: Place, other: Cell) -> Cell {
    if matches!(other.done, Done::Refuse(_)) { other } else { with_parameters(policy, place, other) }
}

/// Pages and content: Confluence decides about what carries no token.
fn content(policy: &Policy, place: Place, credential: Credential) -> Cell {
    use Credential as C;
    let others = &policy.others;
    match credential {
        C::Token | C::Dpop | C::TokenWithSession | C::TokenWithQuery => Done::AsUser.into(),
        // Without its token it would be a login.
        C::TokenForgedWithQuery if policy.basic_at(place) == Switch::Deny => {
            Done::Refuse(amiss(credential).unwrap()).into()
        }
        C::TokenForged
        | C::TokenForgedWithSession
        | C::TokenForgedWithQuery
        | C::TokenExpired
        | C::TokenOpaque
        | C::DpopWithoutProof => {
            let reason = amiss(credential);
            match policy.ui {
                UiAuthorization::Ignore => Cell { done: Done::PassWithout, noted: reason },
                UiAuthorization::Authenticate => Done::Refuse(reason.unwrap()).into(),
            }
        }
        C::Basic
        | C::BasicOddly
        | C::BasicWrong
        | C::BasicOfOAuth2
        | C::BasicWithSession
        | C::Query
        | C::QueryEscaped
        | C::QueryWrong => switched(policy.basic_at(place), policy.denied(), Done::Pass),
        C::Pat | C::PatMadeUp => pat(policy, Done::Pass),
        C::PatWithQuery => with_parameters(policy, place, pat(policy, Done::Pass)),
        C::OAuth2 | C::OAuth2MadeUp => {
            switched(others.confluence_oauth2, "confluence_oauth2_denied", Done::Pass)
        }
        // An incomplete one too: the request for a token of three-legged OAuth has no token yet.
        C::OAuth1 | C::OAuth1InQuery | C::OAuth1MadeUp | C::OAuth1Incomplete | C::Jwt | C::JwtInQuery => {
            switched(others.application_link, "application_link_denied", Done::Pass)
        }
        // Forms are searched on protected paths only: the wiki's own pages log in with them.
        _ => Done::Pass.into(),
    }
}

/// The remote APIs: whatever passes is made unable to be anonymous.
fn protected(policy: &Policy, place: Place, credential: Credential) -> Cell {
    use Credential as C;
    let others = &policy.others;
    match credential {
        C::Token | C::Dpop | C::TokenWithSession | C::TokenWithQuery => Done::AsUser.into(),
        C::TokenWithRpcLogin => with_login_in_body(policy, place, Done::AsUser.into()),
        _ if amiss(credential).is_some() => Done::Refuse(amiss(credential).unwrap()).into(),
        C::Basic
        | C::BasicOddly
        | C::BasicWrong
        | C::BasicOfOAuth2
        | C::BasicWithSession
        | C::Query
        | C::QueryEscaped
        | C::QueryWrong
        | C::Form => switched(policy.basic_at(place), policy.denied(), Done::PassWith("basic")),
        C::Pat => pat(policy, Done::Pass),
        C::PatWithQuery => with_parameters(policy, place, pat(policy, Done::Pass)),
        C::PatWithRpcLogin => with_login_in_body(policy, place, pat(policy, Done::Pass)),
        C::PatMadeUp => pat(policy, Done::Refuse("credential_not_accepted")),
        C::OAuth2 => switched(others.confluence_oauth2, "confluence_oauth2_denied", Done::Pass),
        C::OAuth2MadeUp => {
            let no = Done::Refuse("credential_not_accepted");
            switched(others.confluence_oauth2, "confluence_oauth2_denied", no)
        }
        C::OAuth1 | C::OAuth1InQuery | C::OAuth1MadeUp => {
            switched(others.application_link, "application_link_denied", Done::Pass)
        }
        C::OAuth1Incomplete => {
            let no = Done::Refuse("oauth1_incomplete");
            switched(others.application_link, "application_link_denied", no)
        }
        C::Jwt | C::JwtInQuery if place == Place::Companion => {
            switched(others.application_link, "application_link_denied", Done::Pass)
        }
        C::Jwt | C::JwtInQuery | C::Negotiate => Done::Refuse("scheme_unsupported").into(),
        C::ChallengeWanted if policy.basic_at(place) != Switch::Deny => Done::Challenge.into(),
        _ if place == Place::Preset => Done::Pass.into(),
        _ if place.is_rpc() => rpc(policy, place, credential),
        C::Preflight => Done::Pass.into(),
        C::Session | C::SessionMadeUp => {
            // Visitors of a public wiki have sessions in which nobody is logged in.
            let may_be_nobodys = others.anonymous != Switch::Deny;
            let done = if may_be_nobodys { Done::Pass } else { Done::PassWith("cookie") };
            switched(others.session, "session_denied", done)
        }
        _ => switched(others.anonymous, "credential_missing", Done::Pass),
    }
}

/// Without Authorization the body carries the password, so it counts as Basic; a session is a session here too.
fn rpc(policy: &Policy, place: Place, credential: Credential) -> Cell {
    let basic = switched(policy.basic_at(place), policy.denied(), Done::Pass);
    let is_session = matches!(credential, Credential::Session | Credential::SessionMadeUp);
    if !is_session || basic.done != Done::Pass {
        return basic;
    }
    let session = switched(policy.others.session, "session_denied", Done::Pass);
    Cell { noted: basic.noted.or(session.noted), ..session }
}
