//! What clients may take up: each bound set small, and what happens beyond it.

use std::time::Duration;

use restward_sidecar::server::Bounds;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    PATIENCE, World, eventually,
    http::{parse, raw, read_head},
    request,
    wiki::{BASIC_ALICE, Lie},
};

/// Shorter than anybody's patience, and long enough for an answer on loopback.
const SOON: Duration = Duration::from_millis(300);
const GET: &str = "GET /display/x HTTP/1.1\r\nHost: wiki\r\n\r\n";

/// A connection on which this was sent.
async fn sent(world: &World, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(world.running.data).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Everything until the sidecar closes, which it has to.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset is an end too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the connection stays open");
    rest
}

#[tokio::test]
async fn heads_are_bounded_in_bytes_and_lines() {
    let world = World::new().await;
    let padded = world.idp.token_with(serde_json::json!({"roles": "r".repeat(20_000)}));
    assert_eq!(world.get_as("/rest/api/content", &padded).await.status, 200);

    // Everything but the padding.
    let frame = "GET /display/x HTTP/1.1\r\nHost: wiki\r\nConnection: close\r\nX-Pad: \r\n\r\n".len();
    for (bytes, status) in [(32 * 1024, 200), (32 * 1024 + 1, 431)] {
        let padding = "x".repeat(bytes - frame);
        let head =
            format!("GET /display/x HTTP/1.1\r\nHost: wiki\r\nConnection: close\r\nX-Pad: {padding}\r\n\r\n");
        assert_eq!(head.len(), bytes);
        assert_eq!(parse(&raw(world.running.data, head.as_bytes()).await).status, status, "{bytes} bytes");
    }
    for (lines, status) in [(100, 200), (101, 431)] {
        let more: String = (0..lines - 2).map(|i| format!("X-{i}: y\r\n")).collect();
        let head = format!("GET /display/x HTTP/1.1\r\nHost: wiki\r\nConnection: close\r\n{more}\r\n");
        assert_eq!(parse(&raw(world.running.data, head.as_bytes()).await).status, status, "{lines} lines");
    }
    assert_eq!(world.get(&format!("/display/{}", "x".repeat(8000)), &[]).await.status, 431);
    assert_eq!(world.wiki.arrived().len(), 3);
}

/// Answered by the HTTP library, and seen all the same.
#[tokio::test]
async fn heads_that_were_not_read_are_counted_and_recorded() {
    let world = World::new().await;
    let large =
        format!("GET /display/x HTTP/1.1\r\nHost: wiki\r\nCookie: secret{}\r\n\r\n", "x".repeat(40_000));
    let many = format!("GET /display/x HTTP/1.1\r\nHost: wiki\r\n{}\r\n", "X-A: y\r\n".repeat(200));
    let long = format!("GET /secret{} HTTP/1.1\r\nHost: wiki\r\n\r\n", "x".repeat(70_000));
    let after_one = format!("{GET}GET /secret HTTP/1.1\r\nHost : wiki\r\n\r\n");
    for (number, (sent, said, status, reason)) in [
        (large.as_str(), "HTTP/1.1 431", 431, "headers_too_large"),
        (&many, "HTTP/1.1 431", 431, "headers_too_large"),
        (&long, "HTTP/1.1 431", 431, "headers_too_large"),
        ("no HTTP at all, secret\r\n\r\n", "HTTP/1.1 400", 400, "malformed_request"),
        (&after_one, "HTTP/1.1 200", 400, "malformed_request"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", 400, "malformed_request"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = String::from_utf8(raw(world.running.data, sent.as_bytes()).await).unwrap();
        assert!(answer.starts_with(said) && answer.is_empty() == said.is_empty(), "{sent:.40} {answer}");
        eventually("its line", || async { world.audit.text().lines().count() == number + 1 }).await;
        let line = world.last_audit();
        assert_eq!(
            (&line["decision"], &line["reason"], &line["status"], &line["client"], &line["method"]),
            (&json!("refused"), &json!(reason), &json!(status), &json!("127.0.0.1"), &json!("-")),
            "{sent:.40}"
        );
    }
    let metrics = world.metrics().await;
    for (reason, count) in [("headers_too_large", 3), ("malformed_request", 3)] {
        let line = format!(
            "restward_sidecar_requests_total{{path_class=\"unknown\",credential=\"none\",decision=\"refused\",\
             reason=\"{reason}\"}} {count}"
        );
        assert!(metrics.contains(&line), "{metrics}");
    }
    assert!(!world.audit.text().contains("secret"));
    // Who says nothing, or leaves in the middle of a head, is no request.
    drop(sent(&world, b"").await);
    drop(sent(&world, b"GET /display/x HTTP/1.1\r\nHost: wi").await);
    tokio::time::sleep(SOON).await;
    assert_eq!(world.audit.text().lines().count(), 6);
}

#[tokio::test]
async fn whoever_finds_no_connection_waits_until_one_ends() {
    let bounds = Bounds { connections: 1, ..Bounds::default() };
    let world = World::bounded(bounds, |_| {}).await;
    let mut first = sent(&world, GET.as_bytes()).await;
    read_head(&mut first).await;
    let second = sent(&world, &request("GET", "/display/second", &[], "")).await;
    // The first is served again and again meanwhile.
    for _ in 0..10 {
        first.write_all(GET.as_bytes()).await.unwrap();
        eventually("it is answered", || async { first.try_read(&mut [0; 4096]).is_ok() }).await;
    }
    assert!(world.wiki.arrived().iter().all(|arrived| arrived.target == "/display/x"));
    drop(first);
    let mut second = second;
    assert_eq!(parse(&rest(&mut second).await).status, 200);
}

#[tokio::test]
async fn a_tunnel_is_a_connection_for_as_long_as_it_lasts() {
    let bounds = Bounds { connections: 1, ..Bounds::default() };
    let world = World::bounded(bounds, |_| {}).await;
    let handshake =
        "GET /synchrony-proxy/v1 HTTP/1.1\r\nHost: wiki\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut tunnel = sent(&world, handshake.as_bytes()).await;
    assert!(read_head(&mut tunnel).await.starts_with("HTTP/1.1 101"));
    let mut second = sent(&world, &request("GET", "/display/x", &[], "")).await;
    for _ in 0..10 {
        tunnel.write_all(b"ping").await.unwrap();
        tunnel.read_exact(&mut [0; 4]).await.unwrap();
    }
    assert_eq!(world.wiki.last().target, "/synchrony-proxy/v1");
    drop(tunnel);
    assert_eq!(parse(&rest(&mut second).await).status, 200);
}

#[tokio::test]
async fn requests_beyond_those_in_flight_are_503_and_told_when_to_come_back() {
    let bounds = Bounds { in_flight: 1, ..Bounds::default() };
    let world = World::bounded(bounds, |_| {}).await;
    let token = format!("Bearer {}", world.idp.token("alice"));
    world.wiki.behave(|wiki| wiki.is_silent = true);
    let mut first = sent(&world, &request("GET", "/rest/slow", &[("Authorization", &token)], "")).await;
    eventually("the user was asked for", || async { world.wiki.checks_of("alice") == 1 }).await;
    let reply = world.get("/status", &[]).await;
    assert_eq!((reply.status, reply.reason().as_str()), (503, "overloaded"));
    assert!(reply.header("retry-after").is_some());
    assert_eq!(world.last_audit()["reason"], "overloaded");
    world.wiki.behave(|wiki| wiki.is_silent = false);
    assert_eq!(parse(&rest(&mut first).await).status, 200);
    eventually("the next is served", || async { world.get("/status", &[]).await.status == 200 }).await;
}

#[tokio::test]
async fn who_waits_on_the_api_leaves_room_for_open_paths() {
    let bounds = Bounds { in_flight: 4, ..Bounds::default() };
    let world = World::bounded(bounds, |_| {}).await;
    let upload =
        unfinished("/rest/api/content", &format!("Authorization: Bearer {}\r\n", world.idp.token("alice")));
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(sent(&world, upload.as_bytes()).await);
    }
    let is_full = || async { world.get("/display/x", &[]).await.status == 503 };
    eventually("they wait for their bodies", is_full).await;
    for (target, status) in
        [("/status", 200), ("/login.action", 200), ("/display/x", 503), ("/status/../rest/api", 503)]
    {
        assert_eq!(world.get(target, &[]).await.status, status, "{target}");
    }
    // That room is bounded too.
    let uploading = sent(&world, unfinished("/login.action", "").as_bytes()).await;
    eventually("it waits for its body", || async { world.get("/status", &[]).await.status == 503 }).await;
    drop((waiting, uploading));
    eventually("the next is served", || async { world.get("/display/x", &[]).await.status == 200 }).await;
}

/// A request whose body does not end.
fn unfinished(target: &str, headers: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: wiki\r\nContent-Length: 10\r\n{headers}\r\nabc")
}

#[tokio::test]
async fn strangers_who_do_not_end_their_bodies_leave_room_for_everybody_else() {
    let bounds = Bounds { in_flight: 16, ..Bounds::default() };
    let world = World::bounded(bounds, |_| {}).await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let basic = format!("Authorization: {BASIC_ALICE}\r\n");
    // Two at once, of whatever kind.
    for (target, headers) in [
        ("/display/x", ""),
        ("/login.action", form),
        ("/rest/api/content", form),
        ("/rest/tsv/1.0/authenticate", "Cookie: JSESSIONID=made-up\r\n"),
        ("/rest/api/content", &basic),
        ("/display/x", "Authorization: Bearer a.b.c\r\n"),
    ] {
        let mut waiting = Vec::new();
        for _ in 0..2 {
            waiting.push(sent(&world, unfinished(target, headers).as_bytes()).await);
        }
        let is_full = || async { world.send("POST", "/display/x", &[], "whole").await.status == 503 };
        eventually("two are waited for", is_full).await;
        let mut third = sent(&world, unfinished(target, headers).as_bytes()).await;
        let reply = parse(&rest(&mut third).await);
        assert_eq!((reply.status, reply.reason().as_str()), (503, "overloaded"), "{target} {headers}");
        // Whoever sends no body, and whose token is good, is served.
        let token = format!("Bearer {}", world.idp.token("alice"));
        for (method, target, body) in [
            ("GET", "/display/y", ""),
            ("GET", "/status", ""),
            ("POST", "/rest/api/y", "body"),
            ("POST", "/display/y", "body"),
        ] {
            let reply = world.send(method, target, &[("Authorization", &token)], body).await;
            assert_eq!(reply.status, 200, "{method} {target}");
        }
        drop(waiting);
        eventually("the next is served", || async {
            world.send("POST", "/display/x", &[], "whole").await.status == 200
        })
        .await;
    }
    // A body that has arrived takes no such room, however long its answer takes.
    world.wiki.behave(|wiki| wiki.is_silent = true);
    let mut slow = Vec::new();
    for _ in 0..5 {
        let post = request("POST", "/rest/slow", &[("Authorization", BASIC_ALICE)], "whole");
        slow.push(sent(&world, &post).await);
        tokio::time::sleep(SOON / 5).await;
    }
    assert_eq!(world.send("POST", "/display/x", &[], "whole").await.status, 200);
    world.wiki.behave(|wiki| wiki.is_silent = false);
    for stream in &mut slow {
        assert_eq!(parse(&rest(stream).await).status, 200);
    }
}

#[tokio::test]
async fn a_request_is_in_flight_until_its_answer_was_taken() {
    let bounds = Bounds { in_flight: 1, ..Bounds::default() };
    let world = World::bounded(bounds, |_| {}).await;
    world.wiki.behave(|wiki| wiki.lie = endless());
    let mut first = sent(&world, &request("GET", "/display/lie", &[], "")).await;
    assert!(read_head(&mut first).await.starts_with("HTTP/1.1 200"));
    assert_eq!(world.get("/display/x", &[]).await.status, 503);
    drop(first);
    eventually("the next is served", || async { world.get("/display/x", &[]).await.status == 200 }).await;
}

/// More than anybody reads.
fn endless() -> Lie {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1_u64 << 40);
    Lie { bytes: head.into(), endlessly: vec![b'x'; 64 * 1024], hangs_up: true }
}

#[tokio::test]
async fn who_drips_a_head_or_sends_none_is_hung_up_on() {
    let bounds = Bounds { head_time: SOON, ..Bounds::default() };
    let world = World::bounded(bounds, |_| {}).await;
    let (mut answer, mut drip) = sent(&world, b"GET /display/x HTTP/1.1\r\nX-Slow: ").await.into_split();
    let dripping = tokio::spawn(async move {
        while drip.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SOON / 10).await;
        }
    });
    let mut said = Vec::new();
    let _ = timeout(PATIENCE, answer.read_to_end(&mut said)).await.expect("the connection stays open");
    assert!(said.is_empty(), "{said:?}");
    dripping.await.unwrap();

    // Between two requests it is the same.
    let mut idle = sent(&world, GET.as_bytes()).await;
    assert_eq!(parse(&rest(&mut idle).await).status, 200);
    let mut silent = sent(&world, b"").await;
    assert!(rest(&mut silent).await.is_empty());
    assert_eq!(world.wiki.arrived().len(), 1);
}

/// The kernel asks for a client that is silent, for one in a tunnel, and ends its connection when nobody is there.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_silent_client_is_asked_whether_it_is_there() {
    /// Of `/proc/net/tcp`: the keepalive timer runs (kernel's `networking/proc_net_tcp`).
    const KEEPALIVE: &str = "02";
    let world = World::new().await;
    let silent = sent(&world, b"").await;
    let port = |at: std::net::SocketAddr| format!(":{:04X}", at.port());
    let (server, client) = (port(world.running.data), port(silent.local_addr().unwrap()));
    eventually("its timer runs", || async {
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let of = |line: &&str| {
            let fields: Vec<_> = line.split_ascii_whitespace().collect();
            fields[1].ends_with(&server) && fields[2].ends_with(&client)
        };
        let timer = sockets.lines().skip(1).find(of).and_then(|line| line.split_ascii_whitespace().nth(5));
        timer.and_then(|timer| timer.split_once(':')).is_some_and(|(kind, hundredths)| {
            kind == KEEPALIVE && (1..=6000).contains(&u32::from_str_radix(hundredths, 16).unwrap())
        })
    })
    .await;
}

#[tokio::test]
async fn a_body_that_stops_is_408_and_never_arrives_as_a_whole_one() {
    let bounds = Bounds { idle_time: SOON, ..Bounds::default() };
    let world = World::bounded(bounds, |_| {}).await;
    let token = format!("Bearer {}", world.idp.token("alice"));
    for content_type in ["application/json", "application/x-www-form-urlencoded"] {
        let head = format!(
            "POST /rest/api/content HTTP/1.1\r\nHost: wiki\r\nAuthorization: {token}\r\n\
             Content-Type: {content_type}\r\nContent-Length: 10\r\n\r\nabc"
        );
        let mut stream = sent(&world, head.as_bytes()).await;
        let reply = parse(&rest(&mut stream).await);
        assert_eq!((reply.status, reply.reason().as_str()), (408, "request_timeout"), "{content_type}");
        assert_eq!(reply.header("connection"), Some("close"));
    }
    assert!(world.wiki.arrived().is_empty());
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_given_up_and_so_is_confluences() {
    let bounds = Bounds { idle_time: SOON, ..Bounds::default() };
    let world = World::bounded(bounds, |_| {}).await;
    world.wiki.behave(|wiki| wiki.lie = endless());
    let stream = sent(&world, &request("GET", "/display/lie", &[], "")).await;
    eventually("it has arrived", || async { !world.wiki.arrived().is_empty() }).await;
    let connection = world.wiki.last().connection;
    eventually("Confluence is rid of it", || async { world.wiki.has_ended(connection) }).await;
    drop(stream);
}

#[tokio::test]
async fn what_nobody_takes_stays_where_it_is() {
    /// More than the kernel keeps for the four ends of two connections.
    const MUCH: usize = 256 * 1024 * 1024;
    let world = World::new().await;
    world.wiki.behave(|wiki| wiki.lie = endless());
    let unread = sent(&world, &request("GET", "/display/lie", &[], "")).await;
    let stalled = async {
        let mut before = None;
        while before != Some(world.wiki.lied()) && world.wiki.lied() < MUCH {
            before = Some(world.wiki.lied());
            tokio::time::sleep(SOON).await;
        }
        world.wiki.lied()
    };
    assert!(stalled.await < MUCH, "an answer that nobody reads was taken from Confluence");
    drop(unread);

    let head =
        format!("PUT /display/unread HTTP/1.1\r\nHost: wiki\r\nContent-Length: {}\r\n\r\n", 1_u64 << 40);
    let mut upload = sent(&world, head.as_bytes()).await;
    let (block, mut taken) = (vec![b'x'; 64 * 1024], 0);
    while taken < MUCH
        && let Ok(written) = timeout(SOON, upload.write(&block)).await
    {
        taken += written.unwrap();
    }
    assert!(taken < MUCH, "a body that Confluence does not read was taken from the client");
    assert_eq!(world.get("/display/x", &[]).await.status, 200, "others are served meanwhile");
}

#[tokio::test]
async fn strangers_who_send_their_forms_slowly_hold_up_no_form_with_a_good_token() {
    const ROOM: usize = 2 * 1024 * 1024;
    let world = World::new().await;
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let mut strangers = Vec::new();
    for _ in 0..17 {
        let head = format!(
            "POST /rest/api/content HTTP/1.1\r\nHost: wiki\r\n{}: {}\r\nContent-Length: {ROOM}\r\n\r\n",
            form.0, form.1
        );
        let mut stranger = sent(&world, head.as_bytes()).await;
        // What does not fit into anybody's buffer any more waits as well.
        let _ = timeout(SOON, stranger.write_all(&vec![b'x'; ROOM - 10])).await;
        strangers.push(stranger);
    }
    // Until all of it is taken that is.
    tokio::time::sleep(SOON).await;
    let bearer = format!("Bearer {}", world.idp.token("alice"));
    let reply = world.send("POST", "/rest/api/content", &[form, ("Authorization", &bearer)], "a=1").await;
    assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"user":"alice"}"#));
    for stranger in &mut strangers {
        let mut byte = [0];
        let waits = timeout(Duration::from_millis(1), stranger.peek(&mut byte)).await.is_err();
        assert!(waits, "the form with a token waited for the others to be over");
    }
}
