//! What concerns password logins: which are excepted, and who is told that they end.

use std::net::IpAddr;

use http::HeaderMap;

use crate::{
    config::Active,
    deprecation,
    exceptions::{self, Attempt},
    metrics::Metrics,
    route,
};

use super::head::Head;

/// Whether an exception of the policy is about a password login of this user, when that is known.
pub(super) fn is_excepted(active: &Active, head: &Head, user: Option<&str>, client: IpAddr) -> bool {
    let (exceptions, Ok(target)) = (&active.settings.basic_auth_exceptions, &head.target) else {
        return false;
    };
    if exceptions.is_empty() {
        return false;
    }
    let paths = route::readings_below(target, &active.context_path);
    exceptions::hold(exceptions, Attempt { paths: &paths, user, client })
}

/// Says in an answer to a password login when they end.
pub(super) fn announce_end(active: Option<&Active>, metrics: &Metrics, answer: &mut HeaderMap) {
    if let Some(end) = active.and_then(|active| active.settings.basic_auth_deprecation.as_ref()) {
        deprecation::announce(end, answer);
        metrics.end_announced();
    }
}
