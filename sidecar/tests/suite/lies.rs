//! A Confluence whose answers are not what they say: an error or a cut for the client who asked, and nothing of it for
//! anybody else.

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::support::{
    World, eventually,
    http::{exchange, raw, read_head},
    request,
    wiki::Lie,
};

fn once(bytes: impl Into<Vec<u8>>, hangs_up: bool) -> Lie {
    Lie { bytes: bytes.into(), hangs_up, ..Lie::default() }
}

async fn told(world: &World, lie: Lie) -> String {
    world.wiki.behave(|wiki| wiki.lie = lie);
    let answer = raw(world.running.data, &request("GET", "/display/lie", &[], "")).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn what_is_no_answer_is_502_and_asked_for_once() {
    let world = World::new().await;
    let lines: String = (0..200).map(|i| format!("X-{i}: y\r\n")).collect();
    let lies = [
        once("", true),
        once("HTTP/1.1 2", true),
        once("HTTP/1.1 xyz\r\n\r\n", false),
        once("HTTP/3.7 200 OK\r\nContent-Length: 0\r\n\r\n", false),
        once("220 mail.example.com ESMTP\r\n", false),
        once("HTTP/1.1 200 OK\r\nX-Split: a\rb\r\nContent-Length: 0\r\n\r\n", false),
        once("HTTP/1.1 200 OK\r\nX-Nul: a\0b\r\nContent-Length: 0\r\n\r\n", false),
        once("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", false),
        once("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", false),
        once(format!("HTTP/1.1 200 OK\r\nX-Huge: {}\r\n\r\n", "x".repeat(1024 * 1024)), false),
        once(format!("HTTP/1.1 200 OK\r\n{lines}\r\n"), false),
        once(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nraw",
            false,
        ),
    ];
    for lie in lies {
        for method in ["GET", "POST"] {
            let before = world.wiki.arrived().len();
            world.wiki.behave(|wiki| wiki.lie = lie.clone());
            let reply = world.send(method, "/display/lie", &[], "").await;
            assert_eq!((reply.status, reply.reason().as_str()), (502, "upstream_unreachable"), "{lie:?}");
            // Nothing that Confluence may have seen is repeated.
            assert_eq!(world.wiki.arrived().len(), before + 1, "{lie:?}");
            let connection = world.wiki.last().connection;
            eventually("the connection ends", || async { world.wiki.has_ended(connection) }).await;
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off() {
    let world = World::new().await;
    let answer = told(&world, once("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", true)).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nabc"), "{answer}");
    for chunks in ["3\r\nabc\r\n", "3\r\nabc\r\nzz\r\n", "3\r\nabcd\r\n0\r\n\r\n", "3\r\nabc\r\n-1\r\n"] {
        let lie = once(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"), true);
        let answer = told(&world, lie).await;
        assert!(answer.starts_with("HTTP/1.1 200") && !answer.ends_with("0\r\n\r\n"), "{chunks:?}: {answer}");
    }
}

// The storm must not take the only thread from those who are to be served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn provisional_answers_end_here_however_many_there_are() {
    let world = World::start(
        |config| config["upstream"]["timeouts"] = serde_json::json!({"request": "3s"}),
        |_| {},
        |_, _| {},
    )
    .await;
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let answer =
        told(&world, once(hint.repeat(100) + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false)).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok") && !answer.contains("103"),
        "{answer}"
    );

    let storm = Lie { endlessly: hint.repeat(1000).into(), ..Lie::default() };
    world.wiki.behave(|wiki| wiki.lie = storm);
    let data = world.running.data;
    let asking = tokio::spawn(async move { exchange(data, &request("GET", "/display/lie", &[], "")).await });
    eventually("it storms", || async { world.wiki.lied() > 0 }).await;
    assert_eq!(world.get("/display/x", &[]).await.status, 200, "others are served");
    let reply = asking.await.unwrap();
    assert_eq!((reply.status, reply.reason().as_str()), (504, "upstream_timeout"));
    let lying = world.wiki.arrived().iter().rfind(|it| it.target == "/display/lie").unwrap().connection;
    eventually("the storm is over", || async { world.wiki.has_ended(lying) }).await;
}

/// Behind an answer comes another one, for whoever asks next.
const POISONED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\
                        HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

#[tokio::test]
async fn what_comes_behind_an_answer_reaches_nobody() {
    let world = World::new().await;
    for poisoned in [
        POISONED,
        "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    ] {
        let answer = told(&world, once(poisoned, false)).await;
        assert!(answer.starts_with("HTTP/1.1 2") || answer.starts_with("HTTP/1.1 304"), "{answer}");
        assert!(!answer.contains("poison"), "{answer}");
        let lying = world.wiki.last().connection;
        for _ in 0..20 {
            let reply = world.get("/display/x", &[]).await;
            assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"user":"anonymous"}"#));
            assert_ne!(world.wiki.last().connection, lying, "the connection is used again");
        }
        eventually("the connection ends", || async { world.wiki.has_ended(lying) }).await;
    }
}

/// What the test above looks for would be seen.
#[tokio::test]
async fn poison_would_show() {
    let world = World::new().await;
    world.wiki.behave(|wiki| wiki.lie = once(POISONED, true));
    let wiki = std::net::SocketAddr::from(([127, 0, 0, 1], world.wiki.port()));
    let answer = raw(wiki, &request("GET", "/display/lie", &[], "")).await;
    assert!(answer.ends_with(b"poison"));
}

/// An answer to a request that was given up must not be the next one's.
#[tokio::test]
async fn a_connection_in_doubt_is_closed() {
    let world = World::start(
        |config| config["upstream"]["timeouts"] = serde_json::json!({"request": "200ms"}),
        |_| {},
        |_, wiki| wiki.behave(|wiki| wiki.is_silent = true),
    )
    .await;
    // Sound ones are used again: the test would see it.
    world.get("/display/x", &[]).await;
    let used = world.wiki.last().connection;
    eventually("a connection is used again", || async {
        world.get("/display/x", &[]).await;
        world.wiki.last().connection == used
    })
    .await;

    // Not answered in time. What comes of it later has no reader.
    let reply = world.get("/rest/slow", &[("Cookie", "JSESSIONID=good")]).await;
    assert_eq!(reply.status, 504);
    world.wiki.behave(|wiki| wiki.is_silent = false);
    eventually("the late answer is written", || async {
        world.wiki.arrived().iter().any(|arrived| arrived.target.starts_with("/rest/slow"))
    })
    .await;
    let late =
        world.wiki.arrived().iter().rfind(|it| it.target.starts_with("/rest/slow")).unwrap().connection;
    assert_fresh(&world, late).await;

    // A client that leaves in the middle of its answer.
    let mut leaving = TcpStream::connect(world.running.data).await.unwrap();
    leaving.write_all(&request("GET", "/rest/big", &[("Cookie", "JSESSIONID=good")], "")).await.unwrap();
    read_head(&mut leaving).await;
    let left = world.wiki.last().connection;
    drop(leaving);
    assert_fresh(&world, left).await;

    // A body that breaks off when a part of it has been forwarded.
    let mut broken = TcpStream::connect(world.running.data).await.unwrap();
    let head = "PUT /display/unread HTTP/1.1\r\nHost: wiki\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    broken.write_all(head.as_bytes()).await.unwrap();
    eventually("its head has arrived", || async { world.wiki.last().target == "/display/unread" }).await;
    let half = world.wiki.last().connection;
    broken.write_all(b"zz\r\n").await.unwrap();
    assert_fresh(&world, half).await;
}

/// The connection ends, and others get answers of their own.
async fn assert_fresh(world: &World, doubtful: usize) {
    for _ in 0..5 {
        let reply = world.get("/display/x", &[]).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"user":"anonymous"}"#));
        assert_ne!(world.wiki.last().connection, doubtful);
    }
    eventually("the connection ends", || async { world.wiki.has_ended(doubtful) }).await;
}
