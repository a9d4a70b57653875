//! Spellings of paths, to the sidecar and to Tomcat: what Tomcat serves from the remote APIs is protected to the
//! sidecar, or refused by it; and what it lets through without a credential is served as what it took it for.

use http::{Method, Uri};
use proptest::prelude::*;
use restward_crds::sidecar::config::AnonymousPaths;
use restward_sidecar::{
    route::{PathClass, Route},
    target::Target,
};
use tokio::runtime::Runtime;

use crate::{
    explorer,
    support::http::{Reply, exchange, request},
    wiki::{CONTEXT, Wiki},
};

const CORPUS: &str = include_str!("paths.txt");
/// What comes before a path: the context path, none, and spellings of it.
const CONTEXTS: [&str; 9] = [
    CONTEXT,
    "",
    "/confluence/confluence",
    "//confluence",
    "/confluenc%65",
    "/confluence;x=y",
    "/x/../confluence",
    "/Confluence",
    "/confluence/.",
];
/// Under these mappings answers what must not be reached unseen.
const APIS: [&str; 3] = ["/rest", "/rpc", "/plugins/servlet/soap-axis1"];
const WEB_DAV: &str = "/plugins/servlet/confluence/default";
/// Long enough for a slow machine; a corpus that grows stays within.
const CASES: u32 = 3000;

/// The mapping under which Tomcat found what answered.
fn served(reply: &Reply) -> Option<&str> {
    reply.header("x-standin-served")
}

fn is_below(mapping: &str, list: &[&str]) -> bool {
    list.iter()
        .any(|api| mapping.strip_prefix(api).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// What the sidecar makes of a target; `None`: it answers 400.
fn routed(target: &str) -> Option<Route> {
    let uri: Uri = target.parse().ok()?;
    let target = Target::parse(&Method::GET, &uri).ok()?;
    Some(Route::of(&Method::GET, &target, CONTEXT, &AnonymousPaths::default()))
}

/// Where sidecar and Tomcat see different things in a way that matters.
fn disagreement(target: &str, reply: &Reply) -> Option<String> {
    let (route, served) = (routed(target)?, served(reply)?);
    let is_api = is_below(served, &APIS);
    if is_api && route.class != PathClass::Protected {
        return Some(format!("{target}: {:?} to the sidecar, served from {served}", route.class));
    }
    if served == WEB_DAV && route.class == PathClass::Open {
        return Some(format!("{target}: open to the sidecar, served from {served}"));
    }
    // Exempt paths are few, and none of them is a resource that needs a user.
    let is_exempt = route.is_anonymous || route.takes_jwt;
    (is_exempt && is_api && is_below(served, &["/rest/api", "/rest/standin"]))
        .then(|| format!("{target}: exempt to the sidecar, served from {served}"))
}

async fn ask(wiki: &Wiki, target: &str) -> Reply {
    exchange(([127, 0, 0, 1], wiki.port).into(), &request("GET", target, &[], "")).await
}

fn corpus() -> impl Iterator<Item = String> {
    let paths = CORPUS.lines().filter(|line| line.starts_with('/'));
    paths.flat_map(|path| CONTEXTS.iter().map(move |context| format!("{context}{path}")))
}

fn wikis() -> [Wiki; 2] {
    ["mapped", "sent"]
        .map(|rewrite| Wiki::start(&[("STANDIN_ANONYMOUS", "true"), ("STANDIN_REWRITE", rewrite)]))
}

#[tokio::test]
async fn no_spelling_of_the_corpus_reaches_an_api_unseen() {
    for wiki in wikis() {
        let sidecar = wiki.whole_sidecar().await;
        let (mut wrong, mut odd_apis) = (Vec::new(), 0);
        for target in corpus() {
            let direct = ask(&wiki, &target).await;
            let is_canonical = target.starts_with("/confluence/rest/") && !target.contains([';', '%', '.']);
            let is_api = served(&direct).is_some_and(|mapping| is_below(mapping, &APIS));
            odd_apis += usize::from(is_api && !is_canonical);
            wrong.extend(disagreement(&target, &direct));
            // And all of it at once: nobody gets there without a credential. What the presets name is nobody's secret.
            let through = exchange(sidecar.data, &request("GET", &target, &[], "")).await;
            let resources = ["/rest/api", "/rest/standin"];
            if served(&through).is_some_and(|mapping| mapping == "/rest" || is_below(mapping, &resources)) {
                wrong.push(format!("{target}: {} through the sidecar", through.status));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(odd_apis > 100, "only {odd_apis} spellings led Tomcat to an API");
    }
}

/// A path with some of its characters and separators spelled otherwise.
fn spelling() -> impl Strategy<Value = String> {
    let path = prop::sample::select(vec![
        "/rest/api/user/current",
        "/rest/standin/1.0/echo",
        "/rest/unknown",
        "/rest",
        "/rest/webResources/x",
        "/rest/authconfig/1.0/login-options",
        "/rest/token-auth/api/x",
        "/rpc/xmlrpc",
        "/plugins/servlet/soap-axis1/x",
        "/plugins/servlet/confluence/default/x",
        "/s/h/_/rest/api/user/current",
        "/s/h/_/rest",
        "/s/h/_/rpc/xmlrpc",
        "/s/h/_/download/batch/x",
        "/status",
        "/login.action",
        "/display/DS/Home",
    ]);
    let inserted = prop::sample::select(vec![
        "/",
        "/.",
        "/..",
        "/x/..",
        ";",
        ";x=y",
        "/;x",
        "..;/",
        "%2e",
        "%2f",
        "%5c",
        "\\",
        "%3b",
        "%3bx",
        ";%2f",
        ";x%2f_",
        ";%2f..%2f",
        "%3f",
        "%23",
        "%20",
        "+",
        "%00",
        "%25",
        "%252e",
        "%252f",
        "%253b",
        "%c0%af",
        "%c3%bc",
        ".",
        ".action",
        "?",
        "/_/",
        "/s/a/_",
        "/_",
        "/status/..",
        "/login.action;/..",
        "/rest",
        "/rest/..",
        "%5f",
        "/WEB-INF/..",
        "_",
    ]);
    let edit = (
        any::<prop::sample::Index>(),
        prop_oneof![
            inserted.prop_map(Edit::Insert),
            Just(Edit::Escape),
            Just(Edit::EscapeTwice),
            Just(Edit::FlipCase),
        ],
    );
    let context = prop_oneof![3 => Just(CONTEXT), 1 => prop::sample::select(CONTEXTS.to_vec())];
    (context, path, prop::collection::vec(edit, 1..5)).prop_map(|(context, path, edits)| {
        let path = edits.into_iter().fold(path.to_owned(), |path, (at, edit)| edit.apply(&path, at));
        format!("{context}{path}")
    })
}

#[derive(Debug, Clone)]
enum Edit {
    Insert(&'static str),
    Escape,
    EscapeTwice,
    FlipCase,
}

impl Edit {
    /// Behind the first slash, so that it stays a path.
    fn apply(self, path: &str, at: prop::sample::Index) -> String {
        let at = at.index(path.len());
        let (before, rest) = path.split_at(at);
        let (one, after) = rest.split_at(1);
        let byte = one.as_bytes()[0];
        match self {
            Self::Insert(text) => format!("{before}{text}{rest}"),
            _ if !byte.is_ascii_alphanumeric() && byte != b'_' => path.to_owned(),
            Self::Escape => format!("{before}%{byte:02x}{after}"),
            Self::EscapeTwice => format!("{before}%25{byte:02X}{after}"),
            Self::FlipCase => format!("{before}{}{after}", char::from(byte ^ 0x20)),
        }
    }
}

#[test]
fn no_spelling_at_all_reaches_an_api_unseen() {
    let runtime = Runtime::new().unwrap();
    for wiki in wikis() {
        let mut runner = explorer(CASES);
        let outcome = runner.run(&spelling(), |target| {
            let reply = runtime.block_on(ask(&wiki, &target));
            prop_assert_eq!(disagreement(&target, &reply), None);
            Ok(())
        });
        outcome.unwrap();
    }
}
