//! One id joins what the client got, what Confluence received, and the audit line, whoever made the answer.

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::support::{
    Reply, World,
    http::{parse, read_head, request},
    wiki::Lie,
};

const ASKED: [(&str, &str); 1] = [("X-Request-Id", "abc-1")];

fn ids(reply: &Reply) -> Vec<&str> {
    reply.headers.iter().filter(|(name, _)| name == "x-request-id").map(|(_, id)| id.as_str()).collect()
}

fn with_ids_of_its_own(status: &str) -> Lie {
    let head = format!(
        "HTTP/1.1 {status}\r\nX-Request-Id: of-confluence\r\nx-request-id: of-a-plug-in\r\nContent-Length: 0\r\n\r\n"
    );
    Lie { bytes: head.into_bytes(), ..Lie::default() }
}

#[tokio::test]
async fn an_answer_has_the_one_id_of_its_request_whoever_made_it() {
    let world = World::with(|config| config["audit"] = serde_json::json!({"lines": "All"})).await;
    world.is_trusted().await;
    let bearer = format!("Bearer {}", world.idp.token("alice"));
    let with_token = [ASKED[0], ("Authorization", bearer.as_str())];
    for (path, headers, lie, status) in [
        ("/rest/api/content", &with_token[..], Lie::default(), 200),
        ("/display/lie", &ASKED, with_ids_of_its_own("200 OK"), 200),
        ("/display/lie", &ASKED, with_ids_of_its_own("304 Not Modified"), 304),
        ("/display/lie", &ASKED, with_ids_of_its_own("404 Not Found"), 404),
        ("/display/lie", &ASKED, with_ids_of_its_own("500 Oops"), 500),
        // The sidecar's own: Confluence gave no answer, the caller has no token, there is a document.
        ("/display/lie", &ASKED, Lie { hangs_up: true, ..Lie::default() }, 502),
        ("/rest/api/content", &ASKED, Lie::default(), 401),
        ("/.well-known/oauth-protected-resource", &ASKED, Lie::default(), 200),
    ] {
        world.wiki.behave(|wiki| wiki.lie = lie.clone());
        let before = world.wiki.arrived().len();
        let reply = world.get(path, headers).await;
        assert_eq!((reply.status, ids(&reply)), (status, vec!["abc-1"]), "{path}");
        assert_eq!(world.last_audit()["request_id"], "abc-1", "{path}");
        for arrived in &world.wiki.arrived()[before..] {
            assert_eq!(arrived.all("x-request-id"), ["abc-1"], "{path}");
        }
    }
    assert_eq!(world.wiki.arrived().len(), 6, "six of them were Confluence's to answer");
}

#[tokio::test]
async fn a_new_id_is_told_too() {
    let world = World::with(|config| config["audit"] = serde_json::json!({"lines": "All"})).await;
    world.wiki.behave(|wiki| wiki.lie = with_ids_of_its_own("404 Not Found"));
    let reply = world.get("/display/lie", &[]).await;
    let arrived = world.wiki.last();
    assert_eq!(ids(&reply), arrived.all("x-request-id"));
    assert_eq!(world.last_audit()["request_id"], ids(&reply)[0]);
}

#[tokio::test]
async fn a_tunnel_begins_with_it() {
    let world = World::new().await;
    let headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ASKED[0]];
    let mut stream = TcpStream::connect(world.running.data).await.unwrap();
    stream.write_all(&request("GET", "/synchrony-proxy/v1", &headers, "")).await.unwrap();
    let reply = parse(read_head(&mut stream).await.as_bytes());
    assert_eq!((reply.status, ids(&reply)), (101, vec!["abc-1"]));
}
