//! What kind of path a request is for. Pure.

pub mod presets;

use http::Method;
use restward_crds::sidecar::{config::AnonymousPaths, terms};

use crate::target::Target;
use presets::Needs;

/// How strictly a path is treated. In this order: of several readings the greatest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathClass {
    /// Status, login, set-up, static files: reachable for everybody, credentials play no part.
    Open,
    /// The user interface and content: Confluence's own rules decide about what carries no token.
    Content,
    /// The remote APIs: nothing passes without a credential.
    Protected,
}

impl PathClass {
    /// All classes.
    pub const ALL: [Self; 3] = [Self::Open, Self::Content, Self::Protected];

    /// The word in audit lines and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Content => "content",
            Self::Protected => "protected",
        }
    }
}

/// What the decision needs to know about the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one request, not a state")]
pub struct Route {
    /// The strictest class of all readings.
    pub class: PathClass,
    /// XML-RPC, JSON-RPC or SOAP, whose bodies carry user name and password.
    pub is_rpc: bool,
    /// A protected path that needs no credential.
    pub is_anonymous: bool,
    /// A protected path at which the JWT of an application link is a credential.
    pub takes_jwt: bool,
    /// Where OAuth 1 requests of Confluence's own filter are not authenticated, whatever they carry.
    pub skips_oauth1: bool,
}

const PROTECTED: &[&str] = &["/rest", "/rpc", "/plugins/servlet/soap-axis1"];
const RPC: &[&str] = &["/rpc", "/plugins/servlet/soap-axis1"];

/// Confluence serves these before or without any login. Below `/s` lie static files; what a rewrite there leads to is
/// a reading of its own.
const OPEN: &[&str] = &[
    "/status",
    "/s",
    "/setup",
    "/bootstrap",
    "/johnson",
    "/jcaptcha",
    "/login.action",
    "/dologin.action",
    "/synchrony-proxy",
    "/download/resources",
    "/download/sources",
    "/download/contextbatch",
    "/download/batch",
    "/favicon.ico",
];

impl Route {
    /// Classifies `target` below `context_path`.
    pub fn of(method: &Method, target: &Target, context_path: &str, anonymous: &AnonymousPaths) -> Self {
        let class = target.readings().iter().map(|path| class_of(path, context_path)).max();
        let mut class = class.unwrap_or(PathClass::Protected);
        // An exemption holds only for a path that nobody can read differently (GHSA-7rh7-c77v-6434 and its kind).
        let exempt = match target.readings() {
            [path] if target.is_plain() => path.strip_prefix(context_path),
            _ => None,
        };
        if class == PathClass::Open && exempt.is_none() && !is_static_rewrite(target) {
            class = PathClass::Content;
        }
        let any = |list: &[&str]| {
            target.readings().iter().any(|path| relative(path, context_path).any(|path| is_below(path, list)))
        };
        let needs = |wanted: Needs| {
            exempt.is_some_and(|path| presets::allow(&anonymous.presets, method, path, wanted))
        };
        let configured =
            || exempt.is_some_and(|path| anonymous.paths.iter().any(|entry| entry.matches(path)));
        Self {
            class,
            is_rpc: any(RPC),
            is_anonymous: class == PathClass::Protected && (needs(Needs::Nothing) || configured()),
            takes_jwt: class == PathClass::Protected && needs(Needs::Jwt),
            skips_oauth1: target.readings().iter().any(|path| path.contains("/plugins/servlet/oauth/")),
        }
    }
}

/// Every path below the context path that a target may come to mean.
pub fn readings_below(target: &Target, context_path: &str) -> Vec<String> {
    let all = target.readings().iter().flat_map(|path| relative(path, context_path));
    all.map(str::to_owned).collect()
}

/// Static files are asked for under `/s/<hash>/_/…`, which always has two readings.
fn is_static_rewrite(target: &Target) -> bool {
    target.is_plain() && target.path().contains("/_/")
}

fn class_of(path: &str, context_path: &str) -> PathClass {
    let strictest = relative(path, context_path).map(|path| {
        if is_below(path, PROTECTED) {
            PathClass::Protected
        } else if is_below(path, OPEN) {
            PathClass::Open
        } else {
            PathClass::Content
        }
    });
    strictest.max().unwrap_or(PathClass::Content)
}

/// `path` below the context path; and as it is, should the configured context path be wrong or a rewrite have cut it.
fn relative<'p>(path: &'p str, context_path: &str) -> impl Iterator<Item = &'p str> {
    let below = path.strip_prefix(context_path).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let as_it_is = (below != Some(path) && (below.is_none() || is_below(path, PROTECTED))).then_some(path);
    below.into_iter().chain(as_it_is)
}

fn is_below(path: &str, list: &[&str]) -> bool {
    list.iter().any(|prefix| terms::is_below(path, prefix))
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
