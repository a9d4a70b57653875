//! Who a caller is, what that caller may do, and how often.

use serde_json::{Value, json};

use crate::support::{Reply, World, wiki::BASIC_ALICE};

const API: &str = "/rest/api/content";

async fn world(member: &str, value: Value) -> World {
    World::with(|config| config[member] = value).await
}

fn outcome(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json()["user"].as_str().map_or_else(|| reply.reason(), str::to_owned))
}

fn is(status: u16, word: &str) -> (u16, String) {
    (status, word.to_owned())
}

#[tokio::test]
async fn names_are_mapped_and_what_does_not_fit_is_nobody() {
    let world = world("usernameMapping", json!({"stripSuffix": "@example.com", "lowerCase": true})).await;
    let as_user = async |name: &str| outcome(&world.get_as(API, &world.idp.token(name)).await);
    assert_eq!(as_user("ALICE@example.com").await, is(200, "alice"));
    for name in ["alice", "alice@evil.example", "@example.com", "\u{212a}ate@example.com"] {
        assert_eq!(as_user(name).await, is(403, "username_unusable"), "{name}");
    }
    let account =
        json!({"azp": "reports", "client_id": "reports", "preferred_username": "service-account-reports"});
    assert_eq!(outcome(&world.get_as(API, &world.idp.token_with(account)).await), is(200, "svc-reports"));
}

#[tokio::test]
async fn no_token_acts_as_a_denied_user() {
    let world = world("deniedUsers", json!(["BOB", "svc-reports"])).await;
    let account =
        json!({"azp": "reports", "client_id": "reports", "preferred_username": "service-account-reports"});
    for claims in [json!({"preferred_username": "bob"}), json!({"preferred_username": "Bob"}), account] {
        let reply = world.get_as(API, &world.idp.token_with(claims.clone())).await;
        assert_eq!(outcome(&reply), is(403, "user_denied"), "{claims}");
    }
    assert!(world.wiki.arrived().is_empty());
    assert_eq!(outcome(&world.get_as(API, &world.idp.token("alice")).await), is(200, "alice"));
    let session = [("Cookie", "JSESSIONID=good")];
    assert_eq!(outcome(&world.get(API, &session).await), is(200, "bob"), "only tokens");
}

#[tokio::test]
async fn rules_decide_about_calls_and_not_about_pages() {
    let world = world(
        "rules",
        json!([
            {"action": "Allow", "users": ["alice"], "path": {"type": "PathPrefix", "value": "/rest/api"}},
            {"action": "ReadOnly", "path": {"type": "PathPrefix", "value": "/rest/api/content"}},
            {"action": "Deny"},
        ]),
    )
    .await;
    let (alice, bob) = (world.idp.token("alice"), world.idp.token("bob"));
    let send = async |method: &str, path: &str, authorization: &str, more: Option<(&str, &str)>| {
        let headers: Vec<_> = [("Authorization", authorization)].into_iter().chain(more).collect();
        outcome(&world.send(method, path, &headers, "").await)
    };
    let (alice, bob) = (format!("Bearer {alice}"), format!("Bearer {bob}"));
    assert_eq!(send("DELETE", "/rest/api/content/1", &alice, None).await, is(200, "alice"));
    assert_eq!(send("GET", "/rest/api/content/1", &bob, None).await, is(200, "bob"));
    let overridden = Some(("X-HTTP-Method-Override", "DELETE"));
    for (method, path, authorization, more, reason) in [
        ("DELETE", "/rest/api/content/1", bob.as_str(), None, "read_only"),
        ("GET", "/rest/api/content/1", &bob, overridden, "read_only"),
        ("DELETE", "/rest/api/content/1", BASIC_ALICE, None, "read_only"),
        ("GET", "/rest/api/space", &bob, None, "rule_denied"),
        ("GET", "/rest/api//space;x=1", &bob, None, "rule_denied"),
        ("GET", "/rest/other", &alice, None, "rule_denied"),
        ("GET", "/rest/api/space", BASIC_ALICE, None, "rule_denied"),
    ] {
        let before = world.wiki.arrived().len();
        assert_eq!(
            send(method, path, authorization, more).await,
            is(403, reason),
            "{method} {path} {more:?}"
        );
        assert_eq!(world.wiki.arrived().len(), before);
    }
    let page = [("Cookie", "JSESSIONID=good")];
    assert_eq!(outcome(&world.get("/rest/other", &page).await), is(200, "bob"));
    assert_eq!(outcome(&world.get("/display/x", &page).await), is(200, "bob"));
    let login = world.send("POST", "/rest/tsv/1.0/authenticate", &[], "").await;
    assert_eq!(login.status, 200, "nobody has logged in before the login");
    assert_eq!(world.get("/rest/other", &[]).await.reason(), "credential_missing");
}

#[tokio::test]
async fn the_callers_address_is_the_peers_unless_a_trusted_proxy_says_otherwise() {
    let rules = json!([{"action": "Allow", "cidrs": ["198.51.100.0/24"]}, {"action": "Deny"}]);
    let mut world = world("rules", rules).await;
    let bearer = format!("Bearer {}", world.idp.token("alice"));
    let headers = [("Authorization", bearer.as_str()), ("X-Forwarded-For", "192.0.2.1, 198.51.100.7")];
    assert_eq!(outcome(&world.get(API, &headers).await), is(403, "rule_denied"));
    assert_eq!(world.last_audit()["client"], "127.0.0.1");
    world.reconfigure(|config| config["trustedProxies"] = json!({"cidrs": ["127.0.0.0/8"]})).await;
    assert_eq!(outcome(&world.get(API, &headers).await), is(200, "alice"));
    assert_eq!(world.last_audit()["client"], "198.51.100.7");
    let forged = [("Authorization", bearer.as_str()), ("X-Forwarded-For", "198.51.100.7, 192.0.2.1")];
    assert_eq!(outcome(&world.get(API, &forged).await), is(403, "rule_denied"));
}

#[tokio::test]
async fn too_many_calls_are_429_and_say_when_to_come_back() {
    let mut world = world("rateLimits", json!([{"key": "User", "requests": 2, "period": "1h"}])).await;
    let token = world.idp.token("alice");
    for _ in 0..2 {
        assert_eq!(outcome(&world.get_as(API, &token).await), is(200, "alice"));
    }
    // Another spelling of the name and another token are the same user.
    for token in [token.clone(), world.idp.token("ALICE")] {
        let reply = world.get_as(API, &token).await;
        assert_eq!((reply.status, reply.reason().as_str()), (429, "rate_limited"));
        let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=1800).contains(&wait), "{wait}");
        assert_eq!(reply.header("ratelimit-policy"), Some("\"user\";q=2;w=3600"));
        assert_eq!(reply.header("ratelimit"), Some(format!("\"user\";r=0;t={wait}").as_str()));
    }
    // A page is not shown as to somebody without a token, either.
    assert_eq!(world.get_as("/display/x", &token).await.status, 429);
    assert_eq!(world.wiki.arrived().len(), 2);
    assert_eq!(outcome(&world.get_as(API, &world.idp.token("bob")).await), is(200, "bob"));
    // Another change of the policy forgives nothing.
    world.reconfigure(|config| config["basicAuth"] = json!("Deny")).await;
    assert_eq!(world.get_as(API, &token).await.status, 429);
}

#[tokio::test]
async fn addresses_are_counted_by_calls_with_any_credential() {
    let world = world("rateLimits", json!([{"key": "Address", "requests": 2, "period": "1h"}])).await;
    let page = [("Cookie", "JSESSIONID=good")];
    for _ in 0..3 {
        assert_eq!(world.get(API, &page).await.status, 200);
        assert_eq!(world.get(API, &[]).await.status, 401);
    }
    let wrong = [("Authorization", "Basic eDp5")];
    assert_eq!([world.get(API, &wrong).await.status, world.get_as(API, "a.b.c").await.status], [401, 401]);
    assert_eq!(world.get(API, &wrong).await.status, 429);
    assert_eq!(world.get_as(API, &world.idp.token("alice")).await.status, 429);
    assert_eq!(world.get(API, &page).await.status, 200);
}
