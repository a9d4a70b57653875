//! From a request to what is written, with an API server that notes what it is sent.

use std::sync::{Mutex, PoisonError};

use axum::http::Method;
use futures::future::BoxFuture;
use kube::Client;
use prometheus_client::registry::Registry;
use restward_crds::names;
use serde_json::{Value, json};

use super::*;
use crate::{
    controller::validate::validate,
    events::Events,
    testing::{
        self,
        api_server::{self, answer, refusal},
        observed,
    },
};

/// Method, last part of the path, and what was sent.
type Sent = Arc<Mutex<Vec<(Method, String, Value)>>>;

/// Takes everything, or refuses it.
fn api_server(sent: &Sent, refuses: bool) -> Client {
    let sent = Arc::clone(sent);
    api_server::client_at_once(move |request| {
        let last = request.last().to_owned();
        let is_status = last == "status";
        sent.lock().unwrap_or_else(PoisonError::into_inner).push((
            request.method,
            last,
            request.body.clone(),
        ));
        match (refuses, is_status) {
            (true, _) => refusal(403, "Forbidden", "as the test wants it"),
            (false, true) => answer(json!(testing::policy(json!({})))),
            (false, false) => answer(request.body),
        }
    })
}

/// Policy `wiki`, which this replica has heard of, or has to ask for.
struct Source {
    is_known: bool,
    can_be_asked: bool,
}

fn wiki() -> Candidate {
    validate(&testing::policy(json!({})), &observed()).unwrap().candidate
}

impl PolicySource for Source {
    fn policies_of(&self, _: &str) -> Vec<Candidate> {
        if self.is_known { vec![wiki()] } else { Vec::new() }
    }

    fn fetch_policies_of(&self, _: &str) -> BoxFuture<'_, Result<Vec<Candidate>, kube::Error>> {
        let error = kube::Error::LinesCodecMaxLineLengthExceeded;
        Box::pin(std::future::ready(if self.can_be_asked { Ok(vec![wiki()]) } else { Err(error) }))
    }

    fn fetch_server_xml<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, kube::Error>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

struct World {
    stand: Stand,
    told: mpsc::Receiver<Seen>,
    registry: Registry,
}

impl World {
    fn new(source: Source) -> Self {
        let (witness, told) = Witness::new(watch::channel(Some("0123".to_owned())).1);
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let stand = Stand { witness, source: Arc::new(source), sidecar: testing::sidecar(), metrics };
        Self { stand, told, registry }
    }

    fn known() -> Self {
        Self::new(Source { is_known: true, can_be_asked: false })
    }

    fn counts(&self, kind: &str) -> Option<u32> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let series = format!("restward_operator_break_glass_uses_total{{kind=\"{kind}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&series)).map(|count| count.parse().unwrap())
    }

    /// Everything that is sent about what was seen.
    async fn tell(self, refuses: bool) -> Vec<(Method, String, Value)> {
        let sent = Sent::default();
        let client = api_server(&sent, refuses);
        drop(self.stand);
        tell(self.told, client.clone(), Events::new(client, "restward-0")).await;
        sent.lock().unwrap().clone()
    }
}

/// A user puts other keys into the Secret.
fn keys_replaced(user: &str, is_dry_run: bool) -> Request {
    let secret =
        json!({"metadata": {"name": names::KEYS_SECRET, "uid": "u-keys"}, "data": {"k": "U0VDUkVU"}});
    serde_json::from_value(json!({
        "uid": "q", "namespace": "atlassian", "operation": "UPDATE", "object": secret, "oldObject": secret,
        "kind": {"group": "", "version": "v1", "kind": "Secret"},
        "resource": {"group": "", "version": "v1", "resource": "secrets"},
        "userInfo": {"username": user}, "dryRun": is_dry_run,
    }))
    .unwrap()
}

#[tokio::test]
async fn each_use_is_a_count_an_event_on_object_and_policy_and_a_line_in_status() {
    let world = World::known();
    world.stand.see(Rule::ManagedObjects, &keys_replaced("alice", false)).await;
    assert_eq!(world.counts("ManagedObjectChanged"), Some(1));
    let sent = world.tell(false).await;
    assert!(
        !json!(sent.iter().map(|(_, _, body)| body).collect::<Vec<_>>()).to_string().contains("U0VDUkVU")
    );
    let [(_, _, on_secret), (_, _, on_policy), (method, place, status)] = &sent[..] else {
        panic!("{sent:?}")
    };
    for (event, regarding, related) in
        [(on_secret, names::KEYS_SECRET, "wiki"), (on_policy, "wiki", names::KEYS_SECRET)]
    {
        assert_eq!(
            (&event["regarding"]["name"], &event["related"]["name"]),
            (&json!(regarding), &json!(related))
        );
        assert_eq!((&event["reason"], &event["type"]), (&json!("BreakGlassUsed"), &json!("Warning")));
        assert_eq!(event["action"], "ManagedObjectChanged");
        let note = event["note"].as_str().unwrap();
        assert!(note.starts_with("\"alice\" made, changed or deleted what is the operator's alone (UPDATE of Secret restward-keys)"), "{note}");
    }
    assert_eq!((method, place.as_str()), (&Method::PATCH, "status"));
    let told = &status["status"]["breakGlass"];
    assert_eq!(
        (&told["what"], &told["operation"], &told["object"]),
        (&json!("ManagedObjectChanged"), &json!("UPDATE"), &json!("Secret restward-keys"))
    );
    assert!(told["time"].is_string() && !status.to_string().contains("alice"), "{status}");
    assert_eq!(status["status"].as_object().unwrap().len(), 1, "the rest of status is the controller's");
}

#[tokio::test]
async fn the_same_use_again_is_an_event_again_with_its_own_user() {
    let sent = Sent::default();
    let client = api_server(&sent, false);
    let events = Events::new(client.clone(), "restward-0");
    for user in ["alice", "bob", "bob"] {
        let World { stand, told, .. } = World::known();
        stand.see(Rule::ManagedObjects, &keys_replaced(user, false)).await;
        drop(stand);
        tell(told, client.clone(), events.clone()).await;
    }
    let sent = sent.lock().unwrap().clone();
    let made = |user: &str| {
        let is_of =
            |body: &Value| body["note"].as_str().is_some_and(|note| note.starts_with(&format!("\"{user}\"")));
        sent.iter().filter(|(method, _, body)| *method == Method::POST && is_of(body)).count()
    };
    assert_eq!((made("alice"), made("bob")), (2, 4), "{sent:?}");
}

#[tokio::test]
async fn a_dry_run_is_neither_counted_nor_told() {
    let world = World::known();
    world.stand.see(Rule::ManagedObjects, &keys_replaced("alice", true)).await;
    assert_eq!(world.counts("ManagedObjectChanged"), None);
    assert!(world.tell(false).await.is_empty());
}

#[tokio::test]
async fn a_replica_that_knows_no_policy_asks_and_counts_whatever_comes_of_it() {
    for (can_be_asked, requests) in [(true, 3), (false, 1)] {
        let world = World::new(Source { is_known: false, can_be_asked });
        world.stand.see(Rule::ManagedObjects, &keys_replaced("alice", false)).await;
        assert_eq!(world.counts("ManagedObjectChanged"), Some(1));
        assert_eq!(world.tell(false).await.len(), requests, "can be asked: {can_be_asked}");
    }
}

#[tokio::test]
async fn what_cannot_be_written_keeps_nothing_else_from_being_written() {
    let world = World::known();
    for user in ["alice", "bob"] {
        world.stand.see(Rule::ManagedObjects, &keys_replaced(user, false)).await;
    }
    assert_eq!(world.tell(true).await.len(), 6);
}

#[tokio::test]
async fn more_than_can_wait_is_counted_all_the_same() {
    let world = World::known();
    for _ in 0..=WAITING {
        world.stand.see(Rule::ManagedObjects, &keys_replaced("alice", false)).await;
    }
    assert_eq!(world.counts("ManagedObjectChanged"), u32::try_from(WAITING + 1).ok());
    assert!(world.stand.witness.seen.try_reserve().is_err());
}

#[test]
fn only_the_secret_path_leads_here() {
    let (path, known) = watch::channel(None);
    let (witness, _) = Witness::new(known);
    assert!(!witness.is_secret_path("") && !witness.is_secret_path("0123"), "before there is one");
    path.send(Some("0123".into())).unwrap();
    assert!(witness.is_secret_path("0123"));
    for other in ["", "012", "01234", "0124"] {
        assert!(!witness.is_secret_path(other), "{other}");
    }
    path.send(Some("4567".into())).unwrap();
    assert!(!witness.is_secret_path("0123"), "the authority is another");
}
