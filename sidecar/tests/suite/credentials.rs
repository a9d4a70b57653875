//! Everything that is not a token of the identity provider.

use serde_json::json;

use crate::support::{
    CONSUMER, World,
    wiki::{BASIC_ALICE, PAT, Wiki},
};

#[tokio::test]
async fn basic_is_refused_and_allowed_by_the_policy_without_a_restart() {
    let mut world = World::new().await;
    let basic = [("Authorization", BASIC_ALICE)];
    let reply = world.get("/rest/api/content?os_authType=none&a=b", &basic).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"user":"alice"}"#));
    assert_eq!(world.wiki.last().target, "/rest/api/content?a=b&os_authType=basic");
    let wrong = world.get("/rest/api/content", &[("Authorization", "Basic eDp5")]).await;
    assert_eq!(wrong.status, 401);
    assert_eq!(wrong.header("www-authenticate"), Some(crate::support::CHALLENGE));

    world.reconfigure(|config| config["basicAuth"] = json!("Deny")).await;
    let before = world.wiki.arrived().len();
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for (method, target, headers, body) in [
        ("GET", "/rest/api/content", vec![("Authorization", BASIC_ALICE)], ""),
        ("GET", "/rest/api/content", vec![("authorization", "bASIC YWxpY2U6c2VjcmV0LW9mLWFsaWNl")], ""),
        ("GET", "/rest/api/content", vec![("Authorization", BASIC_ALICE), ("Cookie", "JSESSIONID=good")], ""),
        ("GET", "/rest/api/content?os_username=alice&os_password=x", vec![], ""),
        (
            "GET",
            "/rest/api/content?os%5fusername=alice&os_password=x",
            vec![("Cookie", "JSESSIONID=good")],
            "",
        ),
        ("POST", "/rest/api/content", vec![form], "a=b&os_username=alice&os_password=x"),
        ("POST", "/rest/api/content", vec![form], "a=b&%6fs_username=alice&os_password=x"),
        ("POST", "/rpc/xmlrpc", vec![("Content-Type", "text/xml")], "<methodCall/>"),
        ("POST", "/plugins/servlet/soap-axis1/x", vec![("Content-Type", "text/xml")], "<x/>"),
        ("GET", "/download/attachments/1/a.pdf", vec![("Authorization", BASIC_ALICE)], ""),
        ("GET", "/plugins/servlet/confluence/default", vec![("Authorization", BASIC_ALICE)], ""),
    ] {
        let reply = world.send(method, target, &headers, body).await;
        assert_eq!(
            (reply.status, reply.reason().as_str()),
            (401, "basic_denied"),
            "{method} {target} {headers:?}"
        );
    }
    // A token that would be removed from a page does not hide them.
    let login = "/display/DS/Home?os_username=alice&os_password=x";
    let bad = world.get(login, &[("Authorization", "Bearer a.b.c"), ("Cookie", "JSESSIONID=good")]).await;
    assert_eq!((bad.status, bad.reason().as_str()), (401, "token_malformed"));
    assert_eq!(world.wiki.arrived().len(), before);
    let good = world.get_as(login, &world.idp.token("alice")).await;
    assert_eq!((good.status, world.wiki.last().target.contains("os_")), (200, false));
    // The login page itself goes on working.
    let login = world.send("POST", "/dologin.action", &[form], "os_username=alice&os_password=x").await;
    assert_eq!(login.status, 200);
    assert_eq!(world.wiki.last().body, b"os_username=alice&os_password=x");

    world.reconfigure(|config| config["basicAuth"] = json!("Audit")).await;
    assert_eq!(world.get("/rest/api/content", &basic).await.status, 200);
    assert_eq!(world.last_audit()["decision"], "would_refuse");
    assert_eq!(world.last_audit()["reason"], "basic_denied");
    let pat = format!("Bearer {PAT}");
    let beside = "/rest/api/content?os_username=a&os_password=x";
    assert_eq!(world.get(beside, &[("Authorization", &pat)]).await.status, 200);
    assert_eq!(world.last_audit()["reason"], "basic_denied");
}

#[tokio::test]
async fn a_session_must_be_real() {
    let world = World::new().await;
    let reply = world.get("/rest/api/content?os_authType=none", &[("Cookie", "JSESSIONID=good")]).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"user":"bob"}"#));
    assert!(reply.header("set-cookie").is_some());
    assert_eq!(world.wiki.last().target, "/rest/api/content?os_authType=cookie");
    let reply = world.get("/rest/api/content", &[("Cookie", "JSESSIONID=made-up")]).await;
    assert_eq!(reply.status, 401);
    assert_eq!(reply.header("www-authenticate"), Some(crate::support::CHALLENGE));
    let page = world.get("/display/DS/Home", &[("Cookie", "JSESSIONID=made-up")]).await;
    assert_eq!((page.status, world.wiki.last().target.as_str()), (200, "/display/DS/Home"));
}

#[tokio::test]
async fn personal_access_tokens_must_be_confluences() {
    let mut world = World::new().await;
    let good = format!("Bearer {PAT}");
    assert_eq!(world.get("/rest/api/content", &[("Authorization", &good)]).await.text(), r#"{"user":"bob"}"#);
    assert_eq!(world.wiki.last().header("authorization"), Some(good.as_str()));
    let wrong = good.replace("pYWd", "pYWx").replace("cFdu", "cFdv");
    let reply = world.get("/rest/api/content", &[("Authorization", &wrong)]).await;
    assert_eq!((reply.status, reply.reason().as_str()), (401, "credential_not_accepted"));
    world.reconfigure(|config| config["credentials"] = json!({"personalAccessToken": "Deny"})).await;
    let reply = world.get("/rest/api/content", &[("Authorization", &good)]).await;
    assert_eq!((reply.status, reply.reason().as_str()), (401, "personal_access_token_denied"));
    assert_eq!(world.wiki.arrived().len(), 1);
}

const LINK: &str = "OAuth oauth_consumer_key=\"jira\", oauth_token=\"\", oauth_signature_method=\"RSA-SHA1\", \
                    oauth_signature=\"x%3D\", oauth_timestamp=\"1\", oauth_nonce=\"n\"";

#[tokio::test]
async fn application_links_pass_as_they_came() {
    let world = World::new().await;
    let target = "/rest/api/content?a=%7e&os_authType=none&xoauth_requestor_id=bob";
    let headers =
        [("Authorization", LINK), ("X-Forwarded-Proto", "https"), ("Host", "Wiki.example.com:8443")];
    let reply = world.get(target, &headers).await;
    // The signature is made up, so Confluence refuses it, and its partner may read why.
    assert_eq!(reply.status, 401);
    assert!(reply.header("www-authenticate").unwrap().contains("oauth_problem"));
    let arrived = world.wiki.last();
    assert_eq!(arrived.target, target);
    assert_eq!(arrived.header("authorization"), Some(LINK));
    assert_eq!(arrived.header("host"), Some("Wiki.example.com:8443"));
    assert_eq!(arrived.header("x-forwarded-proto"), Some("https"));
}

/// What is signed with an application link, or hashed into its JWT (`qsh`), is spelled as it was sent.
#[tokio::test]
async fn what_partners_sign_is_not_spelled_anew() {
    let world = World::new().await;
    let odd = "b=%7e&a=+&a=%20&=x&c=%zz&os_authType=none";
    let jwt = "JWT eyJ4IjoxfQ.eyJxc2giOiJ4In0.c2ln";
    let in_query = format!("{odd}&jwt=eyJ4IjoxfQ.eyJxc2giOiJ4In0.c2ln");
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for (method, path, query, authorization, body) in [
        ("GET", "/plugins/servlet/streams", odd, jwt, ""),
        ("GET", "/plugins/servlet/streams", &in_query, "", ""),
        ("GET", "/rest/token-auth/api/edit", odd, jwt, ""),
        ("GET", "/rest/token-auth/api/edit", &in_query, "", ""),
        ("POST", "/rest/api/content", odd, LINK, "b=%7e&a=+&&=x&c=%zz"),
        ("POST", "/plugins/servlet/streams", odd, LINK, "b=%7e&a=+&&=x&c=%zz"),
    ] {
        let target = format!("{path}?{query}");
        let headers = [
            ("Host", "Wiki.example.com:8443"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "other.example.com"),
            form,
            ("Authorization", authorization),
        ];
        let sent = if authorization.is_empty() { &headers[..4] } else { &headers[..] };
        world.send(method, &target, sent, body).await;
        let arrived = world.wiki.last();
        assert_eq!((arrived.target.as_str(), arrived.body.as_slice()), (target.as_str(), body.as_bytes()));
        for (name, value) in sent {
            assert_eq!(arrived.all(name), [*value], "{target} {name}");
        }
    }
}

#[tokio::test]
async fn oauth_that_confluence_would_skip_is_refused() {
    let world = World::new().await;
    let incomplete = LINK.replace("oauth_token=\"\", ", "");
    let unquoted = LINK.replace("oauth_nonce=\"n\"", "oauth_nonce=n");
    for headers in [
        vec![("Authorization", incomplete.as_str())],
        vec![("Authorization", unquoted.as_str())],
        vec![("Authorization", LINK), ("User-Agent", "Microsoft-WebDAV-MiniRedir/10.0")],
    ] {
        let reply = world.get("/rest/api/content", &headers).await;
        assert_eq!((reply.status, reply.reason().as_str()), (401, "oauth1_incomplete"), "{headers:?}");
    }
    // A Connection header must not take the credential off on the way.
    let hop = [("Authorization", LINK), ("Connection", "close, authorization")];
    assert_eq!(world.get("/rest/api/content", &hop).await.reason(), "credential_missing");
    assert!(world.wiki.arrived().is_empty());
}

#[tokio::test]
async fn our_own_consumer_key_works_on_loopback_only() {
    let world = World::new().await;
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let own = LINK.replace("\"jira\"", &format!("\"{CONSUMER}\""));
    let escaped = LINK.replace("oauth_consumer_key=\"jira\"", "oauth%5Fconsumer%5fkey=\"restward%2dtest\"");
    let query = format!("oauth_consumer_key={CONSUMER}&oauth_signature=x");
    let large = format!("{}&oauth_consumer_key={CONSUMER}", "a=b&".repeat(700_000));
    for path in ["/rest/api/content", "/display/DS/Home", "/login.action", "/status"] {
        for (target, headers, body) in [
            (path.to_owned(), vec![("Authorization", own.as_str())], String::new()),
            (path.to_owned(), vec![("Authorization", escaped.as_str())], String::new()),
            (format!("{path}?{query}"), vec![], String::new()),
            (path.to_owned(), vec![form], format!("a=b&{query}")),
        ] {
            let method = if body.is_empty() { "GET" } else { "POST" };
            let reply = world.send(method, &target, &headers, &body).await;
            assert_eq!(
                (reply.status, reply.reason().as_str()),
                (401, "reserved_consumer"),
                "{target} {headers:?} {body}"
            );
        }
    }
    let reply = world.send("POST", "/display/DS/Home", &[form], &large).await;
    assert_eq!(reply.reason(), "reserved_consumer");
    assert!(world.wiki.arrived().is_empty(), "{:?}", world.wiki.arrived());
}

#[tokio::test]
async fn other_schemes_are_no_credential() {
    let world = World::new().await;
    for value in ["Negotiate abc", "Digest x", "JWT a.b.c", "DPoP a.b.c", "x"] {
        let reply = world
            .get("/rest/api/content", &[("Authorization", value), ("Cookie", "JSESSIONID=made-up")])
            .await;
        assert_eq!(reply.status, 401, "{value}");
    }
    let reply = world.get("/rest/api/content?jwt=a.b.c", &[]).await;
    assert_eq!(reply.reason(), "scheme_unsupported");
    let reply = world.get("/rest/api/content?access_token=a.b.c", &[]).await;
    assert_eq!(reply.reason(), "credential_missing");
}

#[tokio::test]
async fn preflights_and_listed_paths_need_no_credential() {
    let world = World::new().await;
    let cors = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "GET")];
    assert_eq!(world.send("OPTIONS", "/rest/api/content", &cors, "").await.status, 200);
    assert_eq!(world.send("OPTIONS", "/rest/api/content", &cors[..1], "").await.status, 401);
    assert_eq!(world.send("GET", "/rest/api/content", &cors, "").await.status, 401);
    let json = [("Content-Type", "application/json"), ("Cookie", "JSESSIONID=stale")];
    let login = "/rest/tsv/1.0/authenticate?os_authType=none";
    assert_eq!(world.send("POST", login, &json, "{}").await.status, 200);
    assert_eq!(world.wiki.last().target, login);
    assert_eq!(world.get("/rest/applinks/3.0/manifest", &[]).await.status, 200);
    assert_eq!(world.get("/rest/applinks/3.0/manifest/x", &[]).await.status, 401);
}

#[tokio::test]
async fn clients_that_wait_for_a_basic_challenge_get_it_while_they_may_log_in() {
    let mut world = World::new().await;
    let reply = world.get("/rest/api/content?os_authType=basic", &[]).await;
    assert_eq!(
        (reply.status, reply.header("www-authenticate")),
        (401, Some("Basic realm=\"protected-area\""))
    );
    world.reconfigure(|config| config["basicAuth"] = json!("Deny")).await;
    let reply = world.get("/rest/api/content?os_authType=basic", &[]).await;
    assert_eq!(reply.reason(), "credential_missing");
}

#[tokio::test]
async fn a_public_wiki_may_say_so() {
    let world = World::with(|config| config["credentials"] = json!({"anonymous": "Allow"})).await;
    assert_eq!(world.get("/rest/api/content", &[]).await.text(), r#"{"user":"anonymous"}"#);
    assert_eq!(world.get_as("/rest/api/content", "a.b.c").await.status, 401);
}

#[tokio::test]
async fn a_public_wiki_is_named_in_status_and_a_private_one_is_not() {
    let advised = async |is_private: bool, anonymous: &str| {
        let world = World::start(
            |config| config["credentials"] = json!({"anonymous": anonymous}),
            |_| {},
            |_, wiki| wiki.behave(|wiki| wiki.refuses_visitors = is_private.then_some(403)),
        )
        .await;
        world.is_trusted().await;
        world.status().await["advisories"].to_string()
    };
    for (anonymous, switch) in
        [("Deny", "credentials.anonymous to Allow"), ("Allow", "credentials.anonymous to Deny")]
    {
        let public = advised(false, anonymous).await;
        assert!(public.contains("AnonymousAccessEnabled: ") && public.contains(switch), "{public}");
        assert!(!advised(true, anonymous).await.contains("AnonymousAccessEnabled"));
    }
}

#[tokio::test]
async fn users_are_named_where_visitors_may_not_use_confluence_whatever_they_are_told() {
    for status in [401, 403] {
        let private = |wiki: &Wiki| wiki.behave(|wiki| wiki.refuses_visitors = Some(status));
        let world = World::start(|_| {}, |_| {}, |_, wiki| private(wiki)).await;
        world.is_trusted().await;
        assert_eq!(
            world.get_as("/rest/api/content", &world.idp.token("alice")).await.status,
            200,
            "{status}"
        );
        let reply = world.get_as("/rest/api/content", &world.idp.token("nobody")).await;
        assert_eq!((reply.status, reply.reason().as_str()), (403, "user_unknown"), "{status}");
    }
}
