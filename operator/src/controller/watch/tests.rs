//! Ten minutes with an API server that refuses, contradicts or forgets: what the controller asks of it is counted. The clock
//! is the tests': it goes on when nobody works.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::stream;
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use super::*;
use crate::{args::WatchdogAction, keys::PolicyKeys, testing};

const LOOKED_AT: Duration = Duration::from_mins(10);
/// Kinds of objects that are watched, the policies twice: for themselves and for their neighbours.
const WATCHES: usize = 9;

/// How often each kind of request was made.
type Asked = BTreeMap<String, usize>;

/// An answer that stands in for the usual one.
type Answer = fn(&Method, &str, bool) -> Option<Response>;

fn refusal(code: u16, reason: &str) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
        "message": "as the test wants it"});
    (StatusCode::from_u16(code).unwrap(), Json(status)).into_response()
}

fn policy() -> RestApiAuthPolicy {
    // The guard refuses loopback without asking anybody.
    let mut policy = testing::policy(json!({"keycloak": {"host": "http://127.0.0.1:9", "realm": "staff"}}));
    policy.metadata.finalizers = Some(vec![names::FINALIZER_DETACH.into()]);
    policy.metadata.resource_version = Some("1".into());
    policy
}

fn keys() -> Value {
    let (keys, uid) = (PolicyKeys::generate(None).unwrap(), policy().uid().unwrap());
    let item = |text: &str| BASE64_STANDARD.encode(text);
    json!({"metadata": {"name": names::KEYS_SECRET}, "data": {
        crate::policy_source::consumer_key_item(&uid): item(keys.consumer_key_pem()),
        crate::policy_source::status_key_item(&uid): item(keys.status_key_hex()),
    }})
}

/// One policy in an API server that writes nothing down; watches stay open, and nothing comes.
fn usual(method: &Method, path: &str, watches: bool, keys: &Value) -> Response {
    let last = path.rsplit('/').next().unwrap_or_default();
    match last {
        _ if watches => {
            Body::from_stream(stream::pending::<Result<String, std::io::Error>>()).into_response()
        }
        _ if method == Method::PATCH || method == Method::POST => Json(
            json!({"metadata": {"name": last, "resourceVersion": "2", "uid": "u"}, "spec": policy().spec}),
        )
        .into_response(),
        "restapiauthpolicies" => list(&[serde_json::to_value(policy()).unwrap()]),
        "wiki" => Json(policy()).into_response(),
        "restward-keys" => Json(keys).into_response(),
        "pods"
        | "statefulsets"
        | "deployments"
        | "configmaps"
        | "secrets"
        | "mutatingwebhookconfigurations"
        | "validatingadmissionpolicybindings" => list(&[]),
        _ => refusal(404, "NotFound"),
    }
}

fn list(items: &[Value]) -> Response {
    Json(json!({"metadata": {"resourceVersion": "1"}, "items": items})).into_response()
}

/// Runs the controller, and gives what it asked.
async fn asked(answer: Answer) -> Asked {
    let (asked, keys): (Arc<Mutex<Asked>>, _) = (Arc::default(), keys());
    let counted = Arc::clone(&asked);
    let serve = move |method: Method, uri: Uri| {
        let watches = uri.query().is_some_and(|query| query.contains("watch="));
        let kind = if watches { "WATCH" } else { method.as_str() };
        *counted.lock().unwrap().entry(format!("{kind} {}", uri.path())).or_default() += 1;
        let response = answer(&method, uri.path(), watches)
            .unwrap_or_else(|| usual(&method, uri.path(), watches, &keys));
        std::future::ready(response)
    };
    let client = Client::new(Router::new().fallback(serve), "atlassian");
    let mut context = testing::context(client, WatchdogAction::Report);
    context.webhook.ca_bundle = tokio::sync::watch::channel(Some("the authority".into())).1;
    let run = run(Arc::new(context), stream::pending(), std::future::pending());
    let ended = tokio::time::timeout(LOOKED_AT, run).await;
    assert!(ended.is_err(), "it ended");
    asked.lock().unwrap().clone()
}

fn all(asked: &Asked) -> usize {
    asked.values().sum()
}

fn count(asked: &Asked, start: &str) -> usize {
    asked.iter().filter(|(kind, _)| kind.starts_with(start)).map(|(_, count)| count).sum()
}

#[tokio::test(start_paused = true)]
async fn where_nothing_happens_watches_stay_and_looks_are_few() {
    let asked = asked(|_, _, _| None).await;
    // The API server ends each after five minutes.
    assert!((WATCHES..=WATCHES * 3).contains(&count(&asked, "WATCH")), "{asked:#?}");
    let looks = count(&asked, "GET /api/v1/namespaces/atlassian/secrets/");
    assert!((40..=61).contains(&looks), "every ten seconds, as it is not ready: {asked:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_has_too_many_requests_gets_no_more_of_them() {
    let asked = asked(|_, _, _| Some(refusal(429, "TooManyRequests"))).await;
    assert!(all(&asked) >= WATCHES, "{asked:#?}");
    assert!(
        all(&asked) < WATCHES * 30,
        "one in twenty seconds and watch, with those at the beginning: {asked:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_that_meets_conflicts_is_tried_less_and_less_often() {
    let asked = asked(|method, _, _| (method == Method::PATCH).then(|| refusal(409, "Conflict"))).await;
    let tried = count(&asked, "PATCH /api/v1/namespaces/atlassian/configmaps/");
    assert!((5..15).contains(&tried), "{asked:#?}");
    assert!(all(&asked) < 200, "{asked:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_refused_for_the_moment_is_tried_less_and_less_often() {
    let asked =
        asked(|method, _, _| (method == Method::PATCH).then(|| refusal(429, "TooManyRequests"))).await;
    let tried = count(&asked, "PATCH /api/v1/namespaces/atlassian/configmaps/");
    assert!((5..15).contains(&tried), "{asked:#?}");
}

#[tokio::test(start_paused = true)]
async fn watches_whose_beginning_is_forgotten_start_anew_without_haste() {
    let gone = |_: &Method, _: &str, watches: bool| {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired",
            "message": "too old resource version"});
        watches.then(|| format!("{}\n", json!({"type": "ERROR", "object": status})).into_response())
    };
    let asked = asked(gone).await;
    let begun = count(&asked, "WATCH");
    assert!((WATCHES * 2..WATCHES * 30).contains(&begun), "{begun}: {asked:#?}");
    assert!(all(&asked) < 2000, "{asked:#?}");
}
