//! Heads that must not be read in two ways, and headers that must not arrive.

use crate::support::World;

#[tokio::test]
async fn heads_that_say_two_things_are_refused() {
    let world = World::new().await;
    let good = format!("Bearer {}", world.idp.token("alice"));
    for (headers, status, reason) in [
        (
            vec![("Authorization", good.as_str()), ("Authorization", good.as_str())],
            400,
            "multiple_authorization",
        ),
        (vec![("authorization", good.as_str()), ("AUTHORIZATION", "Basic x")], 400, "multiple_authorization"),
        (vec![("Host", "a"), ("Host", "b")], 400, "malformed_request"),
        (vec![("Host", "")], 400, "malformed_request"),
        (vec![("Host", "user@wiki")], 400, "malformed_request"),
        (vec![("Content-Type", "a/b"), ("Content-Type", "c/d")], 400, "malformed_request"),
        (vec![("Expect", "something")], 417, "expectation_failed"),
    ] {
        let reply = world.get("/rest/api/content", &headers).await;
        assert_eq!((reply.status, reply.reason().as_str()), (status, reason), "{headers:?}");
    }
    for method in ["TRACE", "TRACK", "CONNECT"] {
        let target = if method == "CONNECT" { "wiki:80" } else { "/display/x" };
        let reply = world.send(method, target, &[], "").await;
        assert_eq!(reply.status, 405, "{method}");
    }
    assert!(world.wiki.arrived().is_empty());
}

#[tokio::test]
async fn headers_that_name_a_user_arrive_on_no_path() {
    let world = World::new().await;
    let headers = [
        ("X-Forwarded-User", "admin"),
        ("x_forwarded_user", "admin"),
        ("X.Forwarded.User", "admin"),
        ("REMOTE_USER", "admin"),
        ("X-Remote-User", "admin"),
        ("X-Seraph-Trusted-App-Cert", "x"),
    ];
    for target in ["/display/DS/Home", "/status", "/login.action", "/rest/applinks/3.0/manifest"] {
        assert_eq!(world.get(target, &headers).await.status, 200);
    }
    let cors = [&headers[..], &[("Access-Control-Request-Method", "GET")]].concat();
    assert_eq!(world.send("OPTIONS", "/rest/api/content", &cors, "").await.status, 200);
    let arrived = world.wiki.arrived();
    assert!(arrived.len() >= 4);
    for arrived in arrived {
        for (name, _) in &headers {
            assert_eq!(arrived.header(name), None, "{name} at {}", arrived.target);
        }
    }
}

#[tokio::test]
async fn the_peer_and_a_request_id_are_added() {
    let world = World::new().await;
    let headers = [
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Request-Id", "abc-1"),
        ("Keep-Alive", "5"),
        ("TE", "trailers"),
        ("Proxy-Authorization", "Basic x"),
    ];
    world.get("/display/DS/Home", &headers).await;
    let arrived = world.wiki.last();
    assert_eq!(arrived.all("x-forwarded-for"), ["203.0.113.9, 127.0.0.1"]);
    assert_eq!(arrived.all("x-request-id"), ["abc-1"]);
    assert_eq!(arrived.version, "HTTP/1.1");
    for name in ["keep-alive", "te", "proxy-authorization", "connection"] {
        assert_eq!(arrived.header(name), None, "{name}");
    }
    world.get("/display/DS/Home", &[]).await;
    assert_eq!(world.wiki.last().header("x-request-id").unwrap().len(), 32);
}
