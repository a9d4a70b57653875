//! Ten minutes with an API server that refuses, contradicts, forgets, or says nothing: what the controller asks of it is
//! counted. The clock is the tests': it goes on when nobody works.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::Body,
    http::Method,
    response::{IntoResponse as _, Response},
};
use futures::stream;
use serde_json::{Value, json};

use super::*;
use crate::{
    args::WatchdogAction,
    testing::{
        self,
        api_server::{self, Request, answer, list, refusal},
    },
};

const LOOKED_AT: Duration = Duration::from_mins(10);
/// Kinds of objects that are watched, the policies twice: for themselves and for their neighbours.
const WATCHES: usize = 9;
/// Where objects of policy `wiki` are.
const CONFIG_MAP: &str = "/api/v1/namespaces/atlassian/configmaps/restward-wiki";
const POLICY: &str = "/apis/restward.io/v1alpha1/namespaces/atlassian/restapiauthpolicies/wiki";
const WEBHOOKS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/";
const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/";

/// What a test has the API server do with a request that comes for this time.
enum Reply {
    Usual,
    So(Response),
    /// It accepts the request, and nothing comes.
    Never,
}

type Script = fn(&Request, usize) -> Reply;

/// How often each kind of request was made, and what was written.
#[derive(Default)]
struct Server {
    asked: BTreeMap<String, usize>,
    written: BTreeMap<String, Value>,
    writes: usize,
}

fn policy(name: &str) -> RestApiAuthPolicy {
    // The guard refuses loopback without asking anybody.
    let mut policy = testing::policy(json!({"keycloak": {"host": "http://127.0.0.1:9", "realm": "staff"},
        "selector": {"matchLabels": {"app": name}}}));
    policy.metadata.name = Some(name.into());
    policy.metadata.uid = Some(format!("uid-of-{name}"));
    policy.metadata.finalizers = Some(vec![names::FINALIZER_DETACH.into()]);
    policy.metadata.resource_version = Some("1".into());
    policy
}

impl Server {
    fn count(&mut self, request: &Request) -> usize {
        let kind = if request.is_watch() { "WATCH" } else { request.method.as_str() };
        let count = self.asked.entry(format!("{kind} {}", request.path)).or_default();
        *count += 1;
        *count
    }

    /// Watches stay open, and nothing comes.
    fn answer(&mut self, request: &Request) -> Response {
        let last = request.last();
        if request.is_watch() {
            return Body::from_stream(stream::pending::<Result<String, std::io::Error>>()).into_response();
        }
        match (&request.method, last) {
            (&Method::PATCH, _) => answer(self.write(request)),
            (&Method::GET, "restapiauthpolicies") => list(&[self.policy("wiki")]),
            (&Method::GET, "configmaps") => {
                let maps = self.written.iter().filter(|(path, _)| path.contains("/configmaps/"));
                list(&maps.map(|(_, map)| map.clone()).collect::<Vec<_>>())
            }
            (
                &Method::GET,
                "pods"
                | "statefulsets"
                | "deployments"
                | "secrets"
                | "mutatingwebhookconfigurations"
                | "validatingadmissionpolicybindings",
            ) => list(&[]),
            (&Method::GET, name) if request.path.contains("/restapiauthpolicies/") => {
                answer(self.policy(name))
            }
            (&Method::GET, _) => self
                .written
                .get(&request.path)
                .map_or_else(|| refusal(404, "NotFound", "none"), |it| answer(it.clone())),
            _ => answer(request.body.clone()),
        }
    }

    fn policy(&self, name: &str) -> Value {
        let mut policy = json!(policy(name));
        let status = POLICY.replace("/wiki", &format!("/{name}/status"));
        policy["status"] =
            self.written.get(&status).map(|written| written["status"].clone()).unwrap_or_default();
        policy
    }

    /// Members that are not sent stay, as if they were somebody else's.
    fn write(&mut self, request: &Request) -> Value {
        self.writes += 1;
        let mut written = self.written.get(&request.path).cloned().unwrap_or_else(|| json!({}));
        json_patch::merge(&mut written, &request.body);
        written["metadata"]["resourceVersion"] = json!(self.writes.to_string());
        written["metadata"]["uid"] = json!(request.path);
        self.written.insert(request.path.clone(), written.clone());
        match request.path.strip_suffix("/status").and_then(|path| path.rsplit('/').next()) {
            Some(name) => self.policy(name),
            None => written,
        }
    }
}

/// What came of it.
struct Seen {
    asked: BTreeMap<String, usize>,
    metrics: String,
}

impl Seen {
    fn all(&self) -> usize {
        self.asked.values().sum()
    }

    fn count(&self, start: &str) -> usize {
        self.asked.iter().filter(|(kind, _)| kind.starts_with(start)).map(|(_, count)| count).sum()
    }

    fn failed(&self, times: usize) -> bool {
        let series = format!("restward_operator_reconciliations_total{{result=\"error\"}} {times}\n");
        self.metrics.contains(&series)
    }
}

/// Runs the controller.
async fn with(script: Script) -> Seen {
    let server: Arc<Mutex<Server>> = Arc::default();
    let shared = Arc::clone(&server);
    let client = api_server::client(move |request| {
        let count = shared.lock().unwrap().count(&request);
        let answer = match script(&request, count) {
            Reply::Usual => Some(shared.lock().unwrap().answer(&request)),
            Reply::So(response) => Some(response),
            Reply::Never => None,
        };
        async { if let Some(answer) = answer { answer } else { std::future::pending().await } }
    });
    let mut context = testing::context(client, WatchdogAction::Report);
    context.webhook.ca_bundle = tokio::sync::watch::channel(Some("the authority".into())).1;
    let metrics = context.metrics.clone();
    let run = run(Arc::new(context), stream::pending(), std::future::pending());
    let ended = tokio::time::timeout(LOOKED_AT, run).await;
    assert!(ended.is_err(), "it ended");
    let asked = std::mem::take(&mut server.lock().unwrap().asked);
    Seen { asked, metrics: metrics.encode().unwrap() }
}

#[tokio::test(start_paused = true)]
async fn where_nothing_happens_watches_stay_and_looks_are_few_and_write_nothing() {
    let seen = with(|_, _| Reply::Usual).await;
    // The API server ends each after five minutes.
    assert!((WATCHES..=WATCHES * 3).contains(&seen.count("WATCH")), "{:#?}", seen.asked);
    let looks = seen.count("GET /api/v1/namespaces/atlassian/secrets/");
    assert!((40..=61).contains(&looks), "every ten seconds, as it is not ready: {:#?}", seen.asked);
    for once in [CONFIG_MAP, WEBHOOKS, BINDINGS] {
        assert_eq!(seen.count(&format!("PATCH {once}")), 1, "{once}: {:#?}", seen.asked);
    }
    // What is in force, and the rest.
    assert_eq!(seen.count(&format!("PATCH {POLICY}/status")), 2, "{:#?}", seen.asked);
    assert!(seen.failed(0) || !seen.metrics.contains("result=\"error\""), "{}", seen.metrics);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_has_too_many_requests_gets_no_more_of_them() {
    let seen = with(|_, _| Reply::So(refusal(429, "TooManyRequests", "later"))).await;
    assert!(seen.all() >= WATCHES, "{:#?}", seen.asked);
    let seconds = usize::try_from(LOOKED_AT.as_secs()).unwrap();
    assert!(seen.all() <= seconds + WATCHES, "one a second of all watches: {:#?}", seen.asked);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_meets_conflicts_is_tried_less_and_less_often() {
    let seen = with(|request, _| match request.path.as_str() {
        CONFIG_MAP if request.method == Method::PATCH => Reply::So(refusal(409, "Conflict", "changed")),
        _ => Reply::Usual,
    })
    .await;
    let tried = seen.count(&format!("PATCH {CONFIG_MAP}"));
    assert!((5..20).contains(&tried), "{:#?}", seen.asked);
    assert!(seen.all() < 300, "{:#?}", seen.asked);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_refused_for_the_moment_is_tried_when_the_api_server_says() {
    let says = |request: &Request, _| match request.path.as_str() {
        CONFIG_MAP if request.method == Method::PATCH => {
            let details = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 429,
                "reason": "TooManyRequests", "message": "later", "details": {"retryAfterSeconds": 120}});
            Reply::So((axum::http::StatusCode::TOO_MANY_REQUESTS, axum::Json(details)).into_response())
        }
        _ => Reply::Usual,
    };
    let seen = with(says).await;
    assert!((4..=5).contains(&seen.count(&format!("PATCH {CONFIG_MAP}"))), "{:#?}", seen.asked);

    let is_silent = |request: &Request, _| match request.path.as_str() {
        CONFIG_MAP if request.method == Method::PATCH => {
            Reply::So(refusal(429, "TooManyRequests", "some time"))
        }
        _ => Reply::Usual,
    };
    let seen = with(is_silent).await;
    assert!((8..20).contains(&seen.count(&format!("PATCH {CONFIG_MAP}"))), "{:#?}", seen.asked);
}

#[tokio::test(start_paused = true)]
async fn watches_whose_beginning_is_forgotten_start_anew_without_haste() {
    let seen = with(|request, _| if request.is_watch() { Reply::So(gone()) } else { Reply::Usual }).await;
    let begun = seen.count("WATCH");
    assert!((WATCHES * 2..=700).contains(&begun), "{begun}: {:#?}", seen.asked);
    assert!(seen.all() < 4000, "{:#?}", seen.asked);
}

/// What a watch says that has missed too much to go on.
fn gone() -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired",
        "message": "too old resource version"});
    format!("{}\n", json!({"type": "ERROR", "object": status})).into_response()
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_came_while_nobody_watched_is_found() {
    let all = "/apis/restward.io/v1alpha1/restapiauthpolicies";
    let seen = with(|request, count| {
        let is_all = request.path.ends_with("/v1alpha1/restapiauthpolicies");
        match (is_all, request.is_watch()) {
            (true, true) if count <= 2 => Reply::So(gone()),
            (true, false) if count > 2 => Reply::So(list(&[json!(policy("wiki")), json!(policy("later"))])),
            _ => Reply::Usual,
        }
    })
    .await;
    assert_eq!(seen.count(&format!("GET {all}")), 4, "{:#?}", seen.asked);
    for policy in ["wiki", "later"] {
        let written = seen.count(&format!("PATCH /api/v1/namespaces/atlassian/configmaps/restward-{policy}"));
        assert_eq!(written, 1, "{policy}: {:#?}", seen.asked);
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_took_away_or_changed_unseen_is_put_right_at_the_next_look() {
    let seen = with(|request, count| {
        let is_fifth_look = request.method == Method::GET && count == 5;
        if is_fifth_look && request.path.starts_with(WEBHOOKS) {
            return Reply::So(refusal(404, "NotFound", "deleted"));
        }
        if is_fifth_look && (request.path == CONFIG_MAP || request.path.starts_with(BINDINGS)) {
            return Reply::So(answer(json!({"metadata": {"name": request.last(), "uid": request.path,
                "resourceVersion": "999"}})));
        }
        Reply::Usual
    })
    .await;
    for twice in [CONFIG_MAP, WEBHOOKS, BINDINGS] {
        assert_eq!(seen.count(&format!("PATCH {twice}")), 2, "{twice}: {:#?}", seen.asked);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_is_given_up_and_what_was_written_before_stays() {
    let seen = with(|request, count| {
        let is_binding = request.method == Method::PATCH && request.path.starts_with(BINDINGS);
        if is_binding && count <= 2 { Reply::Never } else { Reply::Usual }
    })
    .await;
    assert_eq!(seen.count(&format!("PATCH {BINDINGS}")), 3, "{:#?}", seen.asked);
    for once in [CONFIG_MAP, WEBHOOKS] {
        assert_eq!(seen.count(&format!("PATCH {once}")), 1, "{once}: {:#?}", seen.asked);
    }
    assert!(seen.failed(2), "it is told: {}", seen.metrics);
    let looks = seen.count(&format!("GET {POLICY}"));
    assert!((30..=61).contains(&looks), "{looks} looks, as ever: {:#?}", seen.asked);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_answers_nothing_is_asked_in_minutes() {
    let seen = with(|request, _| match request.path.as_str() {
        POLICY => Reply::Never,
        _ => Reply::Usual,
    })
    .await;
    let tried = seen.count(&format!("GET {POLICY}"));
    assert!((4..=6).contains(&tried), "each for ninety seconds: {:#?}", seen.asked);
}
