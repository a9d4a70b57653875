//! Application links: those of partners, and the policy's own.

use http::header;
use k8s_openapi::jiff::Timestamp;
use restward_crds::{link, reason::Reason};

use super::{CONTENT, Case, Means, case, given, lack};
use crate::verify::{
    ask::Ask,
    expected::Expected,
    forged::{self, NOBODY},
    terms::Terms,
};

pub(super) fn cases(terms: &Terms<'_>, means: &Means, now: Timestamp) -> Vec<Case> {
    let credentials = terms.credentials();
    let link = |reason_otherwise| {
        terms.switched(credentials.application_link, Reason::ApplicationLinkDenied, reason_otherwise)
    };
    let signed = |consumer: &str, is_complete| {
        Ask::get(CONTENT).authorized(forged::oauth1(consumer, is_complete, now.as_second()))
    };
    let consumer = match (terms.signs(), terms.consumer()) {
        (true, Some(consumer)) => Ok(consumer),
        (true, None) => Err("the policy's status names no consumer key yet"),
        (false, _) => Err("the policy names users by a header: there is no link"),
    };
    let admin = match means.admin_token.as_deref() {
        _ if credentials.personal_access_token.denies() => Err("the policy denies personal access tokens"),
        None => Err(lack::ADMINISTRATOR),
        Some(token) => Ok(token),
    };
    let list =
        |token: &str| Ask::get(link::list().path).bearer(token).with(header::ACCEPT, "application/json");
    let own = admin.and_then(|token| consumer.clone().map(|consumer| (token, consumer)));
    vec![
        case(
            "link-of-a-partner",
            "an application link that Confluence does not know: Confluence judges it",
            signed(NOBODY, true),
            link(Expected::RejectedByConfluence),
        ),
        case(
            "incomplete-oauth1",
            "an OAuth 1 call that Confluence would take for a visitor's",
            signed(NOBODY, false),
            link(terms.refused(Reason::OAuth1Incomplete)),
        ),
        // In every mode.
        given(
            "own-link-from-outside",
            "the sidecar's own application link, from outside",
            consumer,
            |consumer| (signed(&consumer, true), Expected::Refused(Reason::ReservedConsumer)),
        ),
        given("own-link", "the policy's application link is in Confluence", own, |(token, consumer)| {
            (list(token), Expected::Link(consumer))
        }),
    ]
}

/// To be asked last.
pub(in crate::verify) fn unchanged(means: &Means) -> Case {
    let both = match (means.admin_token.as_deref(), means.links.clone()) {
        (None, _) => Err(lack::ADMINISTRATOR),
        (Some(_), None) => Err("they could not be read at the beginning: see own-link"),
        (Some(token), Some(links)) => Ok((token, links)),
    };
    given("links-unchanged", "the application links are as before", both, |(token, links)| {
        let ask = Ask::get(link::list().path).bearer(token).with(header::ACCEPT, "application/json");
        (ask, Expected::Links(links))
    })
}
