//! The cases: a flat list of what is asked, and what the policy makes of it. Pure. A case without its credential is skipped, and
//! says what it lacks.
//!
//! - [`nobody`]: calls that take no credential of anybody's
//! - [`links`]: application links
//! - [`known`]: calls by credentials that were given

mod known;
mod links;
mod nobody;

use k8s_openapi::jiff::Timestamp;
use restward_crds::link::Link;

use super::{ask::Ask, expected::Expected, terms::Terms};
pub(super) use links::unchanged as links_unchanged;

pub(super) const CONTENT: &str = "/rest/api/content";
pub(super) const CURRENT_USER: &str = "/rest/api/user/current";
pub(super) const WEBDAV: &str = "/plugins/servlet/confluence/default";
pub(super) const FEED: &str = "/createrssfeed.action";
const PAGE: &str = "/index.action";
/// What a case may lack.
pub(super) mod lack {
    pub(in crate::verify) const TOKEN: &str = "give --token-file, or --client-id";
    pub(in crate::verify) const PASSWORD: &str = "give --basic-user and --password-file";
    pub(in crate::verify) const ADMINISTRATOR: &str = "give --admin-pat-file";
    pub(in crate::verify) const ENFORCEMENT: &str = "the policy's mode is Off: tokens play no part";
    pub(super) const SESSION: &str =
        "give --basic-user and --password-file, or --session-file where people log in by single sign-on";
    pub(super) const DOWNLOAD: &str = "give --download, the path of an attachment";
    pub(super) const ADDRESS: &str = "an exception of basicAuth is about this login from certain addresses: which one this comes from is \
                                      not known here";
}

/// What a case comes to.
pub(super) enum Plan {
    Ask(Box<Ask>, Expected),
    /// It lacks something.
    Skip(String),
}

/// One thing that is tried.
pub(super) struct Case {
    /// One word, also in the request's id.
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) plan: Plan,
}

/// What there is to try with.
#[derive(Default)]
pub(super) struct Means {
    pub(super) token: Option<String>,
    /// Whom the token is to stand for.
    pub(super) user: Option<String>,
    pub(super) expired_token: Option<String>,
    pub(super) other_audience_token: Option<String>,
    /// Name and password.
    pub(super) password: Option<(String, String)>,
    /// Cookies, and whose session that is, where that is known.
    pub(super) session: Option<(String, Option<String>)>,
    pub(super) personal_access_token: Option<String>,
    pub(super) admin_token: Option<String>,
    /// Application links at the beginning.
    pub(super) links: Option<Vec<Link>>,
    /// Path of an attachment.
    pub(super) download: Option<String>,
    /// Origin whose pages may call.
    pub(super) origin: Option<String>,
}

/// All cases that are one question and one answer.
pub(super) fn cases(terms: &Terms<'_>, means: &Means, now: Timestamp) -> Vec<Case> {
    let parts =
        [nobody::cases(terms, means, now), links::cases(terms, means, now), known::cases(terms, means, now)];
    parts.into_iter().flatten().collect()
}

fn case(name: &'static str, about: &'static str, ask: Ask, expected: Expected) -> Case {
    Case { name, about, plan: Plan::Ask(Box::new(ask), expected) }
}

fn skipped(name: &'static str, about: &'static str, why: impl Into<String>) -> Case {
    Case { name, about, plan: Plan::Skip(why.into()) }
}

/// A case, if there is what it takes.
fn given<T>(
    name: &'static str,
    about: &'static str,
    means: Result<T, &str>,
    plan: impl FnOnce(T) -> (Ask, Expected),
) -> Case {
    match means.map(plan) {
        Ok((ask, expected)) => case(name, about, ask, expected),
        Err(why) => skipped(name, about, why),
    }
}
