//! Clients that leave when they have sent their request: it runs at Confluence, and is judged like any other.

use std::time::Duration;

use opentelemetry_sdk::trace::InMemorySpanExporter;
use restward_sidecar::server::Bounds;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::support::{PATIENCE, World, eventually, http::read_head, request, wiki::BASIC_ALICE};

/// Enough for the sidecar to see that somebody has gone.
const A_WHILE: Duration = Duration::from_millis(300);

/// Somebody sends a write, and leaves while Confluence works on it.
async fn send_and_leave(world: &World, authorization: &str) {
    send_and_leave_by("POST", world, authorization).await;
}

async fn send_and_leave_by(method: &str, world: &World, authorization: &str) {
    world.wiki.behave(|wiki| wiki.is_silent = true);
    let decided = decided(world).await;
    let mut stream = TcpStream::connect(world.running.data).await.unwrap();
    let headers = [("Authorization", authorization), ("Content-Type", "application/json")];
    stream.write_all(&request(method, "/rest/slow", &headers, "{}")).await.unwrap();
    eventually("it was decided", || async { self::decided(world).await == decided + 1 }).await;
    tokio::time::sleep(A_WHILE).await;
    drop(stream);
    tokio::time::sleep(A_WHILE).await;
}

/// How many requests were decided.
async fn decided(world: &World) -> u64 {
    let metrics = world.metrics().await;
    let count =
        metrics.lines().find_map(|line| line.strip_prefix("restward_sidecar_auth_duration_seconds_count "));
    count.unwrap().parse().unwrap()
}

fn lines(world: &World) -> Vec<Value> {
    world.audit.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_call_whose_client_has_gone_is_recorded_like_any_other() {
    let (world, spans): (_, InMemorySpanExporter) =
        World::traced(|config| config["basicAuth"] = json!("Audit")).await;
    send_and_leave(&world, BASIC_ALICE).await;
    assert!(lines(&world).is_empty(), "it is not answered yet");
    world.wiki.behave(|wiki| wiki.is_silent = false);
    eventually("an audit line", || async { !lines(&world).is_empty() }).await;
    let line = world.last_audit();
    assert_eq!(
        (&line["decision"], &line["reason"], &line["status"], &line["method"]),
        (&json!("would_refuse"), &json!("basic_denied"), &json!(200), &json!("POST"))
    );
    let metrics = world.metrics().await;
    let is_counted =
        |line: &&str| line.starts_with("restward_sidecar_requests_total{") && line.contains("basic_denied");
    assert!(metrics.lines().find(is_counted).unwrap().ends_with(" 1"), "{metrics}");
    let report = world.admin("/basic-report").await.json();
    assert_eq!(
        (&report["entries"][0]["user"], &report["entries"][0]["outcome"]),
        (&json!("alice"), &json!("accepted"))
    );
    let spans = spans.get_finished_spans().unwrap();
    let server =
        spans.iter().find(|span| span.name == "POST" && span.parent_span_id.to_string() == "0".repeat(16));
    let status = |pair: &&opentelemetry::KeyValue| pair.key.as_str() == "http.response.status_code";
    assert_eq!(server.unwrap().attributes.iter().find(status).unwrap().value.to_string(), "200");
    assert_eq!(lines(&world).len(), 1, "once");
}

#[tokio::test]
async fn leaving_hides_no_write_that_ran_as_another() {
    let world = World::new().await;
    let bearer = format!("Bearer {}", world.idp.token("alice"));
    world.wiki.behave(|wiki| wiki.claims_to_be = Some("bob".into()));
    send_and_leave(&world, &bearer).await;
    world.wiki.behave(|wiki| wiki.is_silent = false);
    world.has_metric("restward_sidecar_rejected_assertions_total 1").await;
    world.wiki.behave(|wiki| wiki.claims_to_be = None);
    let reply = world.get("/rest/api/content", &[("Authorization", &bearer)]).await;
    assert_eq!((reply.status, reply.reason().as_str()), (502, "identity_mismatch"));
}

#[tokio::test]
async fn a_drain_waits_for_them_and_not_beyond_its_deadline() {
    for answers in [true, false] {
        let world = World::new().await;
        send_and_leave(&world, BASIC_ALICE).await;
        let World { wiki, running, audit, .. } = world;
        let deadline = if answers { PATIENCE } else { A_WHILE };
        let drained = tokio::spawn(running.drain(deadline));
        if answers {
            tokio::time::sleep(A_WHILE).await;
            assert!(!drained.is_finished());
            wiki.behave(|wiki| wiki.is_silent = false);
        }
        assert_eq!(drained.await.unwrap(), answers);
        assert_eq!(audit.text().lines().count(), usize::from(answers));
    }
}

#[tokio::test]
async fn nobody_waits_for_long_where_nobody_waits_any_more() {
    let short = Bounds { in_flight: 1, read_without_client: A_WHILE, ..Bounds::default() };
    let shorter = Bounds { write_without_client: A_WHILE, ..short };
    for (method, bounds) in [("GET", short), ("HEAD", short), ("POST", shorter), ("DELETE", shorter)] {
        let world = World::bounded(bounds, |config| config["basicAuth"] = json!("Audit")).await;
        send_and_leave_by(method, &world, BASIC_ALICE).await;
        eventually("there is room again", || async { world.get("/display/x", &[]).await.status == 200 })
            .await;
        let line = lines(&world).into_iter().find(|line| line["reason"] == "client_gone").unwrap();
        assert_eq!((&line["method"], &line["status"]), (&json!(method), &json!(499)));
        let report = world.admin("/basic-report").await.json();
        assert_eq!(report["entries"][0]["outcome"], "unknown", "{report}");
    }
    // A write has its own time, and whoever stays has no limit at all.
    let world = World::bounded(Bounds { in_flight: 8, ..short }, |_| {}).await;
    send_and_leave_by("PUT", &world, BASIC_ALICE).await;
    let mut stays = TcpStream::connect(world.running.data).await.unwrap();
    let headers = [("Authorization", BASIC_ALICE)];
    stays.write_all(&request("GET", "/rest/slow", &headers, "")).await.unwrap();
    tokio::time::sleep(3 * A_WHILE).await;
    assert!(lines(&world).is_empty());
    world.wiki.behave(|wiki| wiki.is_silent = false);
    assert!(read_head(&mut stays).await.starts_with("HTTP/1.1 200"));
    eventually("both are recorded", || async { lines(&world).len() == 2 }).await;
    assert!(lines(&world).iter().all(|line| line["status"] == 200), "{:?}", lines(&world));
}
