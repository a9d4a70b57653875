//! Traces: what of a request they hold, whose context it stands in, and how they leave.

use std::{collections::HashMap, net::SocketAddr, process::Stdio, time::Duration};

use opentelemetry::{
    KeyValue,
    trace::{SpanKind, Status},
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData};
use prost::Message as _;
use restward_crds::names;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    process::Program,
    support::{World, exchange, request},
};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

/// What was recorded, by the kind of the span.
fn recorded(spans: &InMemorySpanExporter) -> HashMap<&'static str, SpanData> {
    let word = |span: &SpanData| match span.span_kind {
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        _ => "decide",
    };
    spans.get_finished_spans().unwrap().into_iter().map(|span| (word(&span), span)).collect()
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    span.attributes.iter().find(|pair| pair.key.as_str() == key).map(|pair| pair.value.to_string())
}

#[tokio::test]
async fn a_call_is_a_span_in_the_clients_trace_and_confluence_goes_on_below_it() {
    let (world, spans) = World::traced(|_| {}).await;
    let bearer = format!("Bearer {}", world.idp.token("alice"));
    let headers =
        [("Authorization", bearer.as_str()), ("traceparent", PARENT), ("tracestate", "vendor=opaque")];
    assert_eq!(world.get("/rest/api/content?title=secret", &headers).await.status, 200);

    let recorded = recorded(&spans);
    let (server, client, decide) = (&recorded["server"], &recorded["client"], &recorded["decide"]);
    assert!([server, client, decide].iter().all(|is| is.span_context.trace_id().to_string() == TRACE_ID));
    assert_eq!(server.parent_span_id.to_string(), "b7ad6b7169203331");
    assert_eq!(client.parent_span_id, server.span_context.span_id());
    assert_eq!(decide.parent_span_id, server.span_context.span_id());
    assert!(decide.end_time <= client.start_time, "first the decision, then the call");
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("restward.path_class", "protected"),
        ("restward.credential", "token"),
        ("restward.decision", "as_user"),
    ] {
        assert_eq!(attribute(server, key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(attribute(client, "http.response.status_code").as_deref(), Some("200"));

    let arrived = world.wiki.last();
    let onward = format!("00-{TRACE_ID}-{}-01", client.span_context.span_id());
    assert_eq!(arrived.all("traceparent"), [onward.as_str()]);
    assert_eq!(arrived.all("tracestate"), ["vendor=opaque"]);
    assert_eq!(world.last_audit()["trace_id"], TRACE_ID);
}

/// As docs/observability.md shows a span.
fn shown(span: &SpanData, indentation: &str) -> String {
    let kind = format!("{:?}", span.span_kind).to_lowercase();
    let attribute = |pair: &KeyValue| format!("{indentation}  {} = {}\n", pair.key, pair.value);
    let attributes: String = span.attributes.iter().map(attribute).collect();
    format!("{} ({kind})\n{attributes}", span.name)
}

#[tokio::test]
async fn the_page_shows_the_spans_of_a_call() {
    let (_, sample) = include_str!("../../../docs/observability.md").split_once("```text\n").unwrap();
    let sample = sample.split_once("```").unwrap().0;
    let (_, id) = sample.split_once("restward.request_id = ").unwrap();
    let id = id.lines().next().unwrap();
    let (world, spans) = World::traced(|_| {}).await;
    let bearer = format!("Bearer {}", world.idp.token("alice"));
    world.get("/rest/api/content", &[("Authorization", &bearer), ("X-Request-Id", id)]).await;
    let recorded = recorded(&spans);
    let below = [&recorded["decide"], &recorded["client"]].map(|span| format!("  - {}", shown(span, "    ")));
    assert_eq!(sample, format!("{}{}", shown(&recorded["server"], ""), below.concat()));
}

#[tokio::test]
async fn a_refusal_has_its_reason_in_the_trace_and_no_call() {
    let (world, spans) = World::traced(|_| {}).await;
    let reply = world.get_as("/rest/api/content", "x.y.z").await;
    let recorded = recorded(&spans);
    assert_eq!(attribute(&recorded["server"], "restward.reason"), Some(reply.reason()));
    assert_eq!(attribute(&recorded["server"], "restward.decision").as_deref(), Some("refused"));
    // The client's fault is no error of a server.
    assert_eq!(recorded["server"].status, Status::Unset);
    assert!(!recorded.contains_key("client"));
    assert_eq!(world.last_audit()["trace_id"], recorded["server"].span_context.trace_id().to_string());
}

#[tokio::test]
async fn a_confluence_that_does_not_answer_is_an_error_of_both_spans() {
    let (world, spans) =
        World::traced(|config| config["upstream"]["timeouts"] = json!({"request": "200ms"})).await;
    world.wiki.behave(|is| is.is_silent = true);
    let token = world.idp.token("alice");
    let reply = world.get_as("/rest/slow", &token).await;
    assert_eq!(reply.status, 504, "{}", reply.text());
    let recorded = recorded(&spans);
    for span in ["server", "client"] {
        let span = &recorded[span];
        assert_eq!(attribute(span, "error.type"), Some(reply.reason()));
        assert_eq!(span.status, Status::error(""));
    }
}

#[tokio::test]
async fn what_the_client_does_not_want_recorded_is_not_but_stays_one_trace() {
    let (world, spans) = World::traced(|_| {}).await;
    let unsampled = format!("00-{TRACE_ID}-b7ad6b7169203331-00");
    let bearer = format!("Bearer {}", world.idp.token("alice"));
    world.get("/rest/api/content", &[("traceparent", &unsampled), ("Authorization", &bearer)]).await;
    assert!(recorded(&spans).is_empty());
    let arrived = world.wiki.last();
    let onward = arrived.header("traceparent").unwrap();
    assert!(onward.starts_with(&format!("00-{TRACE_ID}-")) && onward.ends_with("-00"), "{onward}");
    assert_eq!(world.last_audit().get("trace_id"), None);
}

#[tokio::test]
async fn a_context_that_cannot_be_read_begins_a_new_trace() {
    let (world, spans) = World::traced(|_| {}).await;
    let other = "00-11111111111111111111111111111111-2222222222222222-01";
    for headers in [
        vec![("traceparent", PARENT), ("traceparent", other)],
        vec![("traceparent", "00-nonsense")],
        vec![("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01")],
    ] {
        spans.reset();
        world.get("/display/x", &headers).await;
        let server = &recorded(&spans)["server"];
        let id = server.span_context.trace_id().to_string();
        assert!(!server.parent_span_is_remote && ![TRACE_ID, &"1".repeat(32)].contains(&id.as_str()));
        let arrived = world.wiki.last();
        assert_eq!(arrived.all("traceparent").len(), 1, "{headers:?}");
        assert!(arrived.header("traceparent").unwrap().contains(&id), "{headers:?}");
    }
}

#[tokio::test]
async fn a_state_that_is_too_long_is_not_kept_and_the_trace_goes_on() {
    let (world, spans) = World::traced(|_| {}).await;
    for (length, is_kept) in [(512, true), (513, false)] {
        spans.reset();
        let two = format!("a={0},b={0},c=", "x".repeat(200));
        let state = format!("{two}{}", "x".repeat(length - two.len()));
        world.get("/display/x", &[("traceparent", PARENT), ("tracestate", &state)]).await;
        let recorded = recorded(&spans);
        for span in recorded.values() {
            assert_eq!(span.span_context.trace_id().to_string(), TRACE_ID);
            assert_eq!(span.span_context.trace_state().header().is_empty(), !is_kept, "{length}");
        }
        assert_eq!(recorded["server"].parent_span_id.to_string(), "b7ad6b7169203331");
        let sent = world.wiki.last().header("tracestate").unwrap_or_default().to_owned();
        assert_eq!(sent, if is_kept { state } else { String::new() });
    }
}

#[tokio::test]
async fn nothing_of_a_request_but_its_method_and_id_is_in_a_span() {
    let (world, spans) = World::traced(|_| {}).await;
    let token = world.idp.token("canary-user");
    let bearer = format!("Bearer {token}");
    let basic = "Basic Y2FuYXJ5LWJhc2ljOmNhbmFyeS1wYXNzd29yZA==";
    for authorization in [bearer.as_str(), basic] {
        let headers = [
            ("Authorization", authorization),
            ("Cookie", "JSESSIONID=canary-session"),
            ("User-Agent", "canary-agent"),
            ("X-Forwarded-For", "192.0.2.99"),
        ];
        world.send("CANARY", "/rest/canary-path?canary-query", &headers, "canary-body").await;
    }
    let text = format!("{:?}", spans.get_finished_spans().unwrap());
    assert!(text.contains("_OTHER") && text.contains("restward.request_id"), "{text}");
    let shown = text.to_lowercase();
    assert!(!shown.contains("canary") && !shown.contains("192.0.2") && !shown.contains("127.0.0"), "{text}");
    assert!(!text.contains(token.rsplit('.').next().unwrap()) && !text.contains("Y2FuYXJ5"), "{text}");
}

#[tokio::test]
async fn without_a_collector_the_clients_context_passes_as_it_is() {
    let world = World::new().await;
    world.get("/display/x", &[("traceparent", PARENT), ("tracestate", "vendor=opaque")]).await;
    let arrived = world.wiki.last();
    assert_eq!(arrived.all("traceparent"), [PARENT]);
    assert_eq!(arrived.all("tracestate"), ["vendor=opaque"]);
}

/// Takes deliveries as a collector does, and gives them one by one.
async fn collector() -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            let (head, body) = loop {
                let mut buffer = [0; 4096];
                let count = stream.read(&mut buffer).await.unwrap();
                bytes.extend_from_slice(&buffer[..count]);
                let Some(end) = bytes.windows(4).position(|is| is == b"\r\n\r\n") else { continue };
                let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if bytes.len() == end + 4 + length.parse::<usize>().unwrap() {
                    break (head, bytes.split_off(end + 4));
                }
            };
            let _ = sender.send((head, body));
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        }
    });
    (address, receiver)
}

#[tokio::test]
async fn the_program_delivers_to_the_collector_of_its_environment_before_it_ends() {
    let world = World::new().await;
    let (address, mut deliveries) = collector().await;
    let endpoint = format!("http://{address}");
    let variables = [
        (names::ENV_OTLP_ENDPOINT, endpoint.as_str()),
        ("OTEL_RESOURCE_ATTRIBUTES", "k8s.namespace.name=atlassian"),
        ("HOSTNAME", "wiki-confluence-0"),
        // Only the end of the program makes it deliver.
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
    ];
    let mut program = Program::start_in(&world, "info", Stdio::null(), &variables).await;
    let asked = request("GET", "/display/x", &[("traceparent", PARENT)], "");
    assert_eq!(exchange(program.data, &asked).await.status, 200);
    assert!(deliveries.try_recv().is_err(), "not yet");
    program.terminate();
    let delivery = tokio::time::timeout(Duration::from_secs(20), deliveries.recv()).await;
    let (head, body) = delivery.unwrap().unwrap();
    let ended = tokio::task::spawn_blocking(move || program.child.wait()).await.unwrap();
    assert!(ended.unwrap().success());

    assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    let delivered = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let [of] = &delivered.resource_spans[..] else { panic!("{delivered:?}") };
    let resource = format!("{:?}", of.resource);
    for word in ["restward-sidecar", "k8s.namespace.name", "atlassian", "wiki-confluence-0"] {
        assert!(resource.contains(word), "{word}: {resource}");
    }
    let spans: Vec<_> = of.scope_spans.iter().flat_map(|scope| &scope.spans).collect();
    let in_trace = u128::from_str_radix(TRACE_ID, 16).unwrap().to_be_bytes();
    assert!(spans.iter().any(|span| span.trace_id == in_trace && span.name == "GET"), "{spans:?}");
}
