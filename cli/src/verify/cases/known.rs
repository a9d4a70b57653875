//! Calls by credentials that were given.

use http::{HeaderName, Method, header};
use k8s_openapi::jiff::Timestamp;
use restward_crds::reason::Reason;

use super::{CONTENT, CURRENT_USER, Case, Means, PAGE, given, lack};
use crate::verify::{
    ask::Ask,
    expected::Expected,
    forged,
    terms::{Holder, Login, Terms},
};

/// More than the largest form that a sidecar reads.
const LARGE: usize = 2 * 1024 * 1024 + 1;

pub(super) fn cases(terms: &Terms<'_>, means: &Means, now: Timestamp) -> Vec<Case> {
    let parts = [
        by_token(terms, means, now),
        by_password(terms, means, now),
        by_session(terms, means),
        by_personal_access_token(terms, means),
    ];
    parts.into_iter().flatten().collect()
}

fn by_token(terms: &Terms<'_>, means: &Means, now: Timestamp) -> Vec<Case> {
    let usable = |token: &Option<String>, lacking| match token {
        _ if !terms.takes_tokens() => Err(lack::ENFORCEMENT),
        None => Err(lacking),
        Some(token) => Ok(token.clone()),
    };
    let token = usable(&means.token, lack::TOKEN);
    let holder = match (&means.user, token.as_deref().ok().and_then(forged::claims_of)) {
        (Some(user), _) => terms.acting(user.clone()),
        (None, Some(claims)) => terms.holder(&claims),
        (None, None) => Holder::Untold,
    };
    let served = |otherwise: Expected| match holder {
        Holder::Refused(reason) => terms.refused(reason),
        _ => otherwise,
    };
    let user = token.clone().and_then(|token| match &holder {
        Holder::User(user) => Ok((token, Expected::User(user.clone()))),
        Holder::Refused(reason) => Ok((token, terms.refused(*reason))),
        Holder::Untold => {
            Err("give --user: whom it stands for does not follow from the token and the policy alone")
        }
    });
    let damaged =
        token.clone().and_then(|token| forged::damaged(&token).ok_or("the token has no signature to change"));
    let expired =
        usable(&means.expired_token, "give --expired-token-file: a token that was got some time ago");
    let expired = expired.and_then(|token| {
        let end = forged::claims_of(&token).and_then(|claims| claims.get("exp")?.as_i64());
        let is_over = end.is_some_and(|end| end + terms.clock_skew() < now.as_second());
        if is_over {
            Ok(token)
        } else {
            Err("the token of --expired-token-file counts still, or says no end")
        }
    });
    let other = usable(
        &means.other_audience_token,
        "give --other-audience-token-file: a token that is meant for another API",
    );
    let other = other.and_then(|token| {
        if terms.names_audiences() {
            Ok(token)
        } else {
            Err("the policy names no tokens.audiences: every client's tokens are accepted")
        }
    });
    let download = token
        .clone()
        .and_then(|token| means.download.clone().map(|path| (token, path)).ok_or(lack::DOWNLOAD));
    vec![
        given(
            "token",
            "GET /rest/api/content/ with the token, as the guide has it",
            token.clone(),
            |token| (Ask::get(format!("{CONTENT}/")).bearer(&token), served(Expected::Served)),
        ),
        given("token-known", "Confluence takes the token for somebody's", token.clone(), |token| {
            (Ask::get(CURRENT_USER).bearer(&token), served(Expected::SomeUser))
        }),
        given("large-form", "a form of more than 2 MiB with the token", token, |token| {
            // Nothing is written: there is nothing to post to.
            let ask = Ask::new(Method::POST, CURRENT_USER).bearer(&token);
            let ask = ask.saying("application/x-www-form-urlencoded", format!("x={}", "x".repeat(LARGE)));
            (ask, served(terms.enforced(Expected::TooLarge)))
        }),
        given("token-user", "Confluence's user is the token's", user.clone(), |(token, user)| {
            (Ask::get(CURRENT_USER).bearer(&token), user)
        }),
        given(
            "token-naming-another",
            "a call by token that tries to name another user",
            user,
            |(token, user)| {
                let ask = Ask::get(format!("{CURRENT_USER}?xoauth_requestor_id=admin&user_id=admin"))
                    .bearer(&token);
                (ask.with(HeaderName::from_static("x-forwarded-user"), "admin"), user)
            },
        ),
        given("changed-token", "the token with a changed signature", damaged, |token| {
            (Ask::get(CONTENT).bearer(&token), terms.refused(Reason::SignatureInvalid))
        }),
        given("expired-token", "a token that has expired", expired, |token| {
            (Ask::get(CONTENT).bearer(&token), terms.refused(Reason::TokenExpired))
        }),
        given("other-audience-token", "a token that is meant for another API", other, |token| {
            (Ask::get(CONTENT).bearer(&token), terms.refused(Reason::AudienceMismatch))
        }),
        given("token-download", "an attachment by token", download, |(token, path)| {
            (Ask::get(path).bearer(&token), served(Expected::Served))
        }),
    ]
}

fn by_password(terms: &Terms<'_>, means: &Means, at: Timestamp) -> Vec<Case> {
    let login = means.password.as_ref().ok_or(lack::PASSWORD).and_then(|(user, password)| {
        let login = Login { path: CURRENT_USER, user: Some(user), at };
        let expected = terms.password(login, Expected::User(user.clone())).ok_or(lack::ADDRESS)?;
        Ok((forged::basic(user, password), expected))
    });
    vec![given("password", "Basic, with a password that is right", login, |(basic, expected)| {
        (Ask::get(CURRENT_USER).authorized(basic), expected)
    })]
}

fn by_session(terms: &Terms<'_>, means: &Means) -> Vec<Case> {
    let session = means.session.as_ref().ok_or(lack::SESSION);
    let ask = |path: &str, cookies: &str| Ask::get(path).with(header::COOKIE, cookies);
    let download = session
        .and_then(|session| means.download.as_deref().map(|path| (session, path)).ok_or(lack::DOWNLOAD));
    vec![
        given("session-page", "a page, by a browser's session", session, |(cookies, user)| {
            (ask(PAGE, cookies), Expected::PageOf(user.clone()))
        }),
        given("session-api", "the page's own REST calls, by its session", session, |(cookies, user)| {
            let allowed = user.clone().map_or(Expected::SomeUser, Expected::User);
            (
                ask(CURRENT_USER, cookies),
                terms.switched(terms.credentials().session, Reason::SessionDenied, allowed),
            )
        }),
        given(
            "session-download",
            "an attachment, by a browser's session",
            download,
            |((cookies, _), path)| (ask(path, cookies), Expected::Served),
        ),
    ]
}

fn by_personal_access_token(terms: &Terms<'_>, means: &Means) -> Vec<Case> {
    let token = means.personal_access_token.as_deref().ok_or("give --pat-file");
    vec![given("personal-access-token", "a personal access token of Confluence", token, |token| {
        let switch = terms.credentials().personal_access_token;
        (
            Ask::get(CURRENT_USER).bearer(token),
            terms.switched(switch, Reason::PersonalAccessTokenDenied, Expected::SomeUser),
        )
    })]
}
