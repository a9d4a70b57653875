//! Bodies, tunnels and the end.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{
    World, eventually,
    http::{exchange, parse, raw, read_head, request},
    wiki::Wiki,
};

#[tokio::test]
async fn large_bodies_stream_both_ways() {
    let world = World::new().await;
    let token = format!("Bearer {}", world.idp.token("alice"));
    let body = "y".repeat(32 * 1024 * 1024);
    let headers = [("Authorization", token.as_str()), ("Content-Type", "multipart/form-data; boundary=b")];
    let reply = world.send("POST", "/rest/api/content/1/child/attachment", &headers, &body).await;
    assert_eq!(reply.status, 200);
    assert_eq!(world.wiki.last().body.len(), body.len());
    let reply = world.get_as("/rest/big", &world.idp.token("alice")).await;
    assert_eq!((reply.status, reply.body.len()), (200, 32 * 1024 * 1024));
}

#[tokio::test]
async fn a_refusal_does_not_wait_for_the_body() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.running.data).await.unwrap();
    let head = "POST /rest/api/content HTTP/1.1\r\nHost: wiki\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 100000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let reply = parse(&answer);
    assert_eq!((reply.status, reply.header("connection")), (401, Some("close")));
}

#[tokio::test]
async fn a_body_is_asked_for_after_the_credential_was_checked() {
    let world = World::new().await;
    let token = world.idp.token("alice");
    let mut stream = TcpStream::connect(world.running.data).await.unwrap();
    let head = format!(
        "PUT /rest/api/content/1 HTTP/1.1\r\nHost: wiki\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Expect: 100-Continue\r\nContent-Length: 3\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(read_head(&mut stream).await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    let arrived = world.wiki.last();
    assert_eq!((arrived.body.as_slice(), arrived.header("expect")), (&b"abc"[..], None));
}

#[tokio::test]
async fn a_head_has_the_length_and_no_body() {
    let world = World::new().await;
    let token = format!("Bearer {}", world.idp.token("alice"));
    let reply = world.send("HEAD", "/rest/api/content", &[("Authorization", &token)], "").await;
    assert_eq!((reply.status, reply.header("content-length"), reply.body.len()), (200, Some("16"), 0));
}

const HANDSHAKE: &str = "GET /synchrony-proxy/v1 HTTP/1.1\r\nHost: wiki\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";

#[tokio::test]
async fn websockets_become_tunnels() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.running.data).await.unwrap();
    stream.write_all(format!("{HANDSHAKE}X-Forwarded-User: admin\r\n\r\n").as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    stream.write_all(b"\x81\x05hello").await.unwrap();
    let mut echoed = [0; 7];
    stream.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"\x81\x05hello");
    assert_eq!(world.wiki.last().header("x-forwarded-user"), None);
}

#[tokio::test]
async fn nothing_else_becomes_a_tunnel() {
    let world = World::new().await;
    let token = world.idp.token("alice");
    let cases = [
        HANDSHAKE.replace("websocket", "h2c") + "HTTP2-Settings: x\r\n",
        HANDSHAKE.replace("/synchrony-proxy/v1", "/rest/api/content")
            + &format!("Authorization: Bearer {token}\r\n"),
    ];
    for head in cases {
        let head = head.replace("keep-alive, Upgrade", "close, Upgrade");
        let reply = exchange(world.running.data, format!("{head}\r\n").as_bytes()).await;
        assert_eq!(reply.status, 200, "{head}");
        let arrived = world.wiki.last();
        assert_eq!((arrived.header("upgrade"), arrived.header("http2-settings")), (None, None));
    }
}

/// What a client sends before it knows whether there is a tunnel is no request, and reaches nobody but the tunnel's end.
#[tokio::test]
async fn bytes_before_a_101_reach_nobody_else() {
    let world = World::new().await;
    let smuggled = "GET /rest/api/smuggled HTTP/1.1\r\nHost: wiki\r\nConnection: close\r\n\r\n";
    // Confluence declines: both are requests, and the second is judged as one.
    let declined = HANDSHAKE.replace("/synchrony-proxy/v1", "/synchrony-proxy/declined");
    let answer = raw(world.running.data, format!("{declined}\r\n{smuggled}").as_bytes()).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("HTTP/1.1 401"), "{answer}");
    assert_eq!(world.wiki.last().header("upgrade"), Some("websocket"));
    // Confluence accepts: they are the first bytes of the tunnel, behind the 101.
    let mut stream = TcpStream::connect(world.running.data).await.unwrap();
    stream.write_all(format!("{HANDSHAKE}\r\n{smuggled}").as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 101"));
    let mut echoed = vec![0; smuggled.len()];
    stream.read_exact(&mut echoed).await.unwrap();
    assert_eq!(echoed, smuggled.as_bytes());
    assert_eq!(world.wiki.arrived().len(), 2);
}

#[tokio::test]
async fn confluence_down_is_502_and_time_has_limits() {
    let world = World::start(
        |config| config["upstream"]["timeouts"] = serde_json::json!({"request": "200ms"}),
        |_| {},
        |_, wiki| wiki.behave(|wiki| wiki.is_silent = true),
    )
    .await;
    world.is_trusted().await;
    let reply = world.get_as("/rest/slow", &world.idp.token("alice")).await;
    assert_eq!((reply.status, reply.reason().as_str()), (504, "upstream_timeout"));
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let world = World::start(|_| {}, |pod| pod.upstream_port = closed, |_, _| {}).await;
    let reply = world.get("/display/x", &[]).await;
    assert_eq!((reply.status, reply.reason().as_str()), (502, "upstream_unreachable"));
}

/// The next calibration of its own accord is 15 seconds away.
#[tokio::test]
async fn a_confluence_that_has_just_come_up_serves_its_first_callers() {
    let world = World::start(|_| {}, |_| {}, |_, wiki| wiki.behave(|wiki| wiki.is_elsewhere = true)).await;
    world.has_metric("restward_sidecar_keys_usable 1").await;
    let alice = world.idp.token("alice");
    let early = world.get_as("/rest/api/content", &alice).await;
    assert_eq!((early.status, early.reason().as_str()), (503, "user_check_unavailable"));
    assert!(world.wiki.arrived().is_empty());
    let looks = |wiki: &Wiki| wiki.all_arrived().iter().filter(|it| it.path() == "/status").count();
    let (begin, before) = (Instant::now(), looks(&world.wiki));
    for _ in 0..5 {
        join_all([&alice; 4].map(|token| world.get_as("/rest/api/content", token))).await;
    }
    let allowed = usize::try_from(begin.elapsed().as_secs()).unwrap() + 1;
    let asked = looks(&world.wiki) - before;
    assert!((1..=allowed).contains(&asked), "{asked} looks in {:?}", begin.elapsed());
    world.wiki.behave(|wiki| wiki.is_elsewhere = false);
    let bob = world.idp.token("bob");
    let first = join_all([&alice, &bob, &alice].map(|token| world.get_as("/rest/api/content", token))).await;
    assert_eq!(first.iter().map(|reply| reply.status).collect::<Vec<_>>(), [200; 3]);
}

#[tokio::test]
async fn a_drain_waits_until_its_deadline_and_says_that_something_was_in_flight() {
    let world = World::new().await;
    world.wiki.behave(|wiki| wiki.is_silent = true);
    let mut stream = TcpStream::connect(world.running.data).await.unwrap();
    let token = format!("Bearer {}", world.idp.token("alice"));
    stream.write_all(&request("GET", "/rest/slow", &[("Authorization", &token)], "")).await.unwrap();
    eventually("the user was asked for", || async { world.wiki.checks_of("alice") == 1 }).await;
    let World { wiki, running, .. } = world;
    assert!(!running.drain(Duration::from_millis(300)).await);
    drop(wiki);
}

#[tokio::test]
async fn draining_finishes_what_is_in_flight_and_takes_nothing_new() {
    let world = World::new().await;
    world.wiki.behave(|wiki| wiki.is_silent = true);
    let (data, token) = (world.running.data, world.idp.token("alice"));
    let headers = format!("Bearer {token}");
    let in_flight = tokio::spawn(async move {
        exchange(data, &request("GET", "/rest/slow", &[("Authorization", &headers)], "")).await
    });
    eventually("the user was asked for", || async { world.wiki.checks_of("alice") == 1 }).await;
    let World { wiki, running, idp, .. } = world;
    let drained = tokio::spawn(running.drain(Duration::from_secs(10)));
    eventually("nobody listens any more", || async { TcpStream::connect(data).await.is_err() }).await;
    assert!(!in_flight.is_finished());
    wiki.behave(|wiki| wiki.is_silent = false);
    assert_eq!(in_flight.await.unwrap().status, 200);
    assert!(drained.await.unwrap());
    drop(idp);
}

#[tokio::test]
async fn nobody_who_sends_nothing_holds_up_the_end() {
    let world = World::new().await;
    let connect = || TcpStream::connect(world.running.data);
    let silent = connect().await.unwrap();
    let mut idle = connect().await.unwrap();
    idle.write_all(b"GET /display/x HTTP/1.1\r\nHost: wiki\r\n\r\n").await.unwrap();
    read_head(&mut idle).await;
    let mut tunnel = connect().await.unwrap();
    tunnel.write_all(format!("{HANDSHAKE}\r\n").as_bytes()).await.unwrap();
    read_head(&mut tunnel).await;
    assert!(world.running.drain(Duration::from_secs(10)).await, "something was in flight");
    drop((silent, idle, tunnel));
}
