//! Bytes that two parsers could cut differently: at most one request of them arrives, and never one with an identity
//! that it does not have.

use crate::support::{
    World,
    http::{parse, raw},
};

/// A request that must not be understood as a second one.
const SMUGGLED: &str = "GET /rest/api/smuggled HTTP/1.1\r\nHost: wiki\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn nothing_is_smuggled() {
    let world = World::new().await;
    let smuggled_len = SMUGGLED.len();
    let heads = [
        format!(
            "POST /display/x HTTP/1.1\r\nHost: wiki\r\nContent-Length: {smuggled_len}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
        ),
        format!(
            "POST /display/x HTTP/1.0\r\nHost: wiki\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
        ),
        format!(
            "POST /display/x HTTP/1.1\r\nHost: wiki\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd{SMUGGLED}"
        ),
        format!("POST /display/x HTTP/1.1\r\nHost: wiki\r\nContent-Length: +3\r\n\r\nabc{SMUGGLED}"),
        format!("POST /display/x HTTP/1.1\r\nHost: wiki\r\nContent-Length: 3, 3\r\n\r\nabc{SMUGGLED}"),
        format!(
            "POST /display/x HTTP/1.1\r\nHost: wiki\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
        ),
        format!(
            "POST /display/x HTTP/1.1\r\nHost: wiki\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
        ),
        format!(
            "POST /display/x HTTP/1.1\r\nHost: wiki\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
        ),
        format!("GET /display/x HTTP/1.1\r\nHost: wiki\r\nX: a\r\n b\r\n\r\n{SMUGGLED}"),
        format!("GET /display/x HTTP/1.1\r\nHost: wiki\r\nX: a\nAuthorization: Basic x\r\n\r\n{SMUGGLED}"),
        format!("GET /display/x HTTP/0.9\r\nHost: wiki\r\n\r\n{SMUGGLED}"),
        format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{SMUGGLED}"),
    ];
    let mut outcomes = Vec::new();
    for head in heads {
        let before = world.wiki.arrived().len();
        let answer = String::from_utf8(raw(world.running.data, head.as_bytes()).await).unwrap();
        let statuses: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).map(|it| &it[..3]).collect();
        outcomes.push((statuses.join(" "), world.wiki.arrived().len() - before));
    }
    let refused = ("400", 0);
    let want = [
        // One request, and the connection ends with it: RFC 9112 section 6.3.
        ("200", 1),
        refused,
        refused,
        refused,
        refused,
        // The bytes would be forwarded without the coding that they are in.
        refused,
        refused,
        refused,
        refused,
        // The header behind the bare line feed is seen, and Confluence refuses the password in it.
        ("401 401", 1),
        refused,
        ("", 0),
    ];
    assert_eq!(outcomes, want.map(|(statuses, arrived)| (statuses.to_owned(), arrived)));
    // Without a credential, what was understood as a request of its own was refused.
    for arrived in world.wiki.arrived() {
        assert!(!arrived.target.contains("smuggled"), "{arrived:?}");
        assert_eq!(arrived.user, None, "{arrived:?}");
        assert_eq!(arrived.version, "HTTP/1.1");
        let framings = arrived.all("content-length").len() + arrived.all("transfer-encoding").len();
        assert!(framings <= 1, "{arrived:?}");
    }
}

/// What the test above looks for would be seen: Confluence understands these bytes as two requests.
#[tokio::test]
async fn what_is_smuggled_would_show() {
    let world = World::new().await;
    let wiki = std::net::SocketAddr::from(([127, 0, 0, 1], world.wiki.port()));
    let text = format!(
        "POST /display/x HTTP/1.1\r\nHost: wiki\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
    );
    raw(wiki, text.as_bytes()).await;
    assert_eq!(world.wiki.last().target, "/rest/api/smuggled");
}

#[tokio::test]
async fn chunks_are_framed_anew_without_extensions_and_trailers() {
    let world = World::new().await;
    let token = world.idp.token("alice");
    let text = format!(
        "PUT /rest/api/content/1 HTTP/1.1\r\nHost: wiki\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Transfer-Encoding: chunked\r\nTrailer: X-Forwarded-User\r\n\r\n3;ext=1\r\nabc\r\n0\r\nX-Forwarded-User: bob\r\n\r\n"
    );
    let answer = raw(world.running.data, text.as_bytes()).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&answer));
    let arrived = world.wiki.last();
    assert_eq!((arrived.body.as_slice(), arrived.user.as_deref()), (&b"abc"[..], Some("alice")));
    assert_eq!(arrived.all("trailer").len() + arrived.all("x-forwarded-user").len(), 0);
}

#[tokio::test]
async fn a_broken_body_never_arrives_as_a_whole_one() {
    let world = World::new().await;
    let token = world.idp.token("alice");
    for body in [
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
        "Content-Length: 10\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    ] {
        let text = format!(
            "PUT /rest/api/content/1 HTTP/1.1\r\nHost: wiki\r\nAuthorization: Bearer {token}\r\n{body}"
        );
        let mut stream = tokio::net::TcpStream::connect(world.running.data).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, text.as_bytes()).await.unwrap();
        tokio::io::AsyncWriteExt::shutdown(&mut stream).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await;
        let reply = parse(&answer);
        assert_eq!((reply.status, reply.reason().as_str()), (400, "malformed_request"), "{body}");
        assert_eq!(reply.header("connection"), Some("close"), "{body}");
    }
    assert!(world.wiki.arrived().is_empty(), "{:?}", world.wiki.arrived());
}

#[tokio::test]
async fn two_requests_of_one_connection_are_judged_one_by_one() {
    let world = World::new().await;
    let token = world.idp.token("alice");
    let text = format!(
        "GET /rest/api/a HTTP/1.1\r\nHost: wiki\r\nAuthorization: Bearer {token}\r\n\r\n\
         GET /rest/api/b HTTP/1.1\r\nHost: wiki\r\nConnection: close\r\n\r\n"
    );
    let answer = String::from_utf8(raw(world.running.data, text.as_bytes()).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("HTTP/1.1 401"), "{answer}");
    assert_eq!(world.wiki.arrived().len(), 1);
}

#[tokio::test]
async fn old_load_balancers_are_answered_and_confluence_never_sees_http_1_0() {
    let world = World::new().await;
    let answer = raw(world.running.data, b"GET /display/x HTTP/1.0\r\n\r\n").await;
    assert!(answer.windows(3).any(|window| window == b"200"));
    assert_eq!(world.wiki.last().version, "HTTP/1.1");
    let answer = raw(world.running.data, b"GET /rest/api HTTP/1.0\r\n\r\n").await;
    assert!(answer.windows(3).any(|window| window == b"401"));
}
