//! WebSockets on real Tomcat: where they pass, and where nothing becomes a tunnel.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    support::http::{exchange, parse, raw, read_head, request},
    wiki::{PATIENCE, Wiki},
};

const SYNCHRONY: &str = "/confluence/synchrony-proxy/v1";
/// Tomcat would open a WebSocket here.
const ON_REST: &str = "/confluence/rest/standin/1.0/websocket";
const ALICE: &str = "Basic YWxpY2U6YWxpY2UtcGFzc3dvcmQ=";

/// A handshake (RFC 6455 section 4.1) with more headers, each with its line end.
fn handshake(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: wiki\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// A text as a client sends it, masked with zeros (RFC 6455 section 5.3), and as a server does.
fn frames(text: &str) -> (Vec<u8>, Vec<u8>) {
    let length = u8::try_from(text.len()).unwrap();
    let client = [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat();
    (client, [&[0x81, length], text.as_bytes()].concat())
}

async fn echoes(stream: &mut TcpStream, text: &str) {
    let (sent, expected) = frames(text);
    stream.write_all(&sent).await.unwrap();
    let mut echoed = vec![0; expected.len()];
    timeout(PATIENCE, stream.read_exact(&mut echoed)).await.unwrap().unwrap();
    assert_eq!(echoed, expected);
}

async fn connected(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

#[tokio::test]
async fn an_upgrade_for_synchrony_passes_and_echoes() {
    let wiki = Wiki::start(&[]);
    let sidecar = wiki.whole_sidecar().await;
    // As a page sends it, and with a token that is of no use there.
    for more in ["Cookie: JSESSIONID=x\r\nOrigin: http://wiki\r\n", "Authorization: Bearer a.b.c\r\n"] {
        let mut stream = connected(sidecar.data, handshake(SYNCHRONY, more).as_bytes()).await;
        let head = read_head(&mut stream).await.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101"), "{head}");
        // The answer to the key of RFC 6455 section 1.3: both ends speak of the same handshake.
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        for text in ["hello", "and again"] {
            echoes(&mut stream, text).await;
        }
    }
}

#[tokio::test]
async fn nothing_on_the_rest_api_becomes_a_tunnel() {
    let wiki = Wiki::start(&[]);
    let sidecar = wiki.whole_sidecar().await;
    let tomcat = SocketAddr::from(([127, 0, 0, 1], wiki.port));
    let basic = format!("Authorization: {ALICE}\r\n");
    let mut direct = connected(tomcat, handshake(ON_REST, &basic).as_bytes()).await;
    assert!(read_head(&mut direct).await.starts_with("HTTP/1.1 101"), "Tomcat itself would");
    echoes(&mut direct, "hello").await;

    let (frame, _) = frames("hello");
    let odd = ["/confluence/rest;x=y/standin/1.0/websocket", "/confluence//rest/standin/1.0/websocket"];
    for path in [ON_REST].iter().chain(&odd) {
        for more in ["", "Cookie: JSESSIONID=x\r\n", basic.as_str(), "Authorization: Bearer a.b.c\r\n"] {
            let bytes = [handshake(path, more).as_bytes(), &frame].concat();
            let answer = String::from_utf8_lossy(&raw(sidecar.data, &bytes).await).into_owned();
            // Tomcat's own WebSocket says 404 to what is no handshake any more. A frame is no request.
            let mut statuses = answer.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]);
            assert!(matches!(statuses.next(), Some("401" | "404")), "{path} {more}: {answer}");
            assert!(matches!(statuses.next(), None | Some("400")), "{path} {more}: {answer}");
            assert!(!answer.contains("hello"), "{path} {more}: {answer}");
        }
    }
}

#[tokio::test]
async fn an_answer_other_than_101_is_no_tunnel() {
    const SMUGGLED: &str =
        "GET /confluence/rest/standin/1.0/echo/smuggled HTTP/1.1\r\nHost: wiki\r\nConnection: close\r\n\r\n";
    let wiki = Wiki::start(&[("STANDIN_ANONYMOUS", "true")]);
    let sidecar = wiki.whole_sidecar().await;
    let tomcat = SocketAddr::from(([127, 0, 0, 1], wiki.port));
    let declined = [
        // Tomcat speaks no such version: 426. The others are no WebSockets.
        handshake(SYNCHRONY, "").replace("Version: 13", "Version: 99"),
        handshake("/confluence/status", ""),
        handshake("/confluence/synchrony-proxy/unknown", ""),
    ];
    for head in declined {
        let answer = raw(sidecar.data, format!("{head}{SMUGGLED}").as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(!answer.contains("HTTP/1.1 101"), "{answer}");
        // What follows is judged as a request of its own, or not at all.
        let after = answer.split("HTTP/1.1 ").nth(2).map(|answer| answer[..3].to_owned());
        assert!(matches!(after.as_deref(), None | Some("401")), "{head}: {answer}");
    }
    let log = "/confluence/rest/standin/1.0/requests";
    let seen = parse(&raw(tomcat, &request("GET", log, &[], "")).await).text();
    assert!(seen.contains("synchrony-proxy") && !seen.contains("smuggled"), "{seen}");
    // And it would be seen there.
    exchange(tomcat, SMUGGLED.as_bytes()).await;
    let seen = parse(&raw(tomcat, &request("GET", log, &[], "")).await).text();
    assert!(seen.contains("smuggled"));
}
