//! Tokens of the identity provider: the promise of the project, end to end.

use serde_json::json;

use crate::support::{World, keys};

#[tokio::test]
async fn a_valid_token_reaches_confluence_as_its_user() {
    let world = World::new().await;
    let reply = world.get_as("/rest/api/content?limit=2&x=a+b%7E", &world.idp.token("alice")).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"user":"alice"}"#));
    assert_eq!(reply.header("x-ausername"), Some("alice"));
    let arrived = world.wiki.last();
    assert_eq!(arrived.user.as_deref(), Some("alice"));
    assert!(arrived.target.starts_with("/rest/api/content?xoauth_requestor_id=alice&"), "{}", arrived.target);
    assert!(arrived.all("authorization").iter().all(|value| value.starts_with("OAuth ")));
    let audit = world.last_audit();
    assert_eq!(
        (&audit["decision"], &audit["user"], &audit["path_class"]),
        (&json!("as_user"), &json!("alice"), &json!("protected"))
    );
    assert_eq!(audit["token"]["client"], "scripts");
}

#[tokio::test]
async fn no_or_a_bad_token_is_401_with_its_reason_and_nothing_is_forwarded() {
    let world = World::new().await;
    let now = keys::now();
    let good = world.idp.token("alice");
    let (head, signature) = good.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let cases = [
        (Some("garbage".to_owned()), "token_malformed"),
        (Some(String::new()), "token_malformed"),
        (Some("a.b.c".to_owned()), "token_malformed"),
        (Some(format!("{head}.{flipped}{}", &signature[1..])), "signature_invalid"),
        (Some(world.idp.token_with(json!({"exp": now - 60}))), "token_expired"),
        (Some(world.idp.token_with(json!({"nbf": now + 120}))), "token_not_yet_valid"),
        (
            Some(world.idp.token_with(json!({"iss": "https://sso.example.com/realms/other"}))),
            "issuer_mismatch",
        ),
        (Some(world.idp.token_with(json!({"typ": "ID"}))), "not_an_access_token"),
        (Some(world.idp.token_with(json!({"typ": "Refresh"}))), "not_an_access_token"),
        (Some(world.idp.token_with(json!({"exp": null}))), "claims_malformed"),
        (Some(keys::sign(keys::other(), "k1", &world.idp.claims("alice"))), "signature_invalid"),
        (None, "credential_missing"),
    ];
    for (token, reason) in cases {
        let reply = match &token {
            Some(token) => world.get_as("/rest/api/content", token).await,
            None => world.get("/rest/api/content", &[]).await,
        };
        assert_eq!((reply.status, reply.reason().as_str()), (401, reason), "{token:?}");
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer realm=\"wiki\""), "{challenge}");
        assert_eq!(challenge.contains("error="), token.is_some(), "{challenge}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("content-type"), Some("application/json;charset=UTF-8"));
        assert_eq!(reply.json()["requestId"].as_str(), reply.header("x-request-id"));
    }
    assert!(world.wiki.arrived().is_empty(), "{:?}", world.wiki.arrived());
}

#[tokio::test]
async fn a_bad_token_is_never_saved_by_a_good_session() {
    let world = World::new().await;
    let headers = [("Authorization", "Bearer a.b.c"), ("Cookie", "JSESSIONID=good")];
    assert_eq!(world.get("/rest/api/content", &headers).await.status, 401);
    assert!(world.wiki.arrived().is_empty());
}

#[tokio::test]
async fn users_that_cannot_be_named_are_403() {
    let world = World::new().await;
    let account = |client: &str| json!({"azp": client, "client_id": client, "preferred_username": format!("service-account-{client}")});
    for (changes, reason) in [
        (json!({"preferred_username": null}), "username_unusable"),
        (json!({"preferred_username": ""}), "username_unusable"),
        (json!({"preferred_username": "a\r\nb"}), "username_unusable"),
        (json!({"preferred_username": "mallory"}), "user_unknown"),
        (account("unmapped"), "service_account_unmapped"),
    ] {
        let reply = world.get_as("/rest/api/content", &world.idp.token_with(changes.clone())).await;
        assert_eq!((reply.status, reply.reason().as_str()), (403, reason), "{changes}");
    }
    assert!(world.wiki.arrived().is_empty());
    let unmapped = world.get_as("/rest/api/content", &world.idp.token_with(account("unmapped"))).await;
    assert!(unmapped.text().contains("unmapped"), "{}", unmapped.text());
    let reply = world.get_as("/rest/api/content", &world.idp.token_with(account("reports"))).await;
    assert_eq!(reply.text(), r#"{"user":"svc-reports"}"#);
}

#[tokio::test]
async fn a_token_that_grants_too_little_is_403_and_says_what_is_missing() {
    let required = json!({"scopes": ["wiki"], "groups": ["/staff"]});
    let world = World::with(|config| config["tokens"] = json!({ "required": required })).await;
    let reply = world.get_as("/rest/api/content", &world.idp.token_with(json!({"scope": "openid"}))).await;
    assert_eq!((reply.status, reply.reason().as_str()), (403, "scope_missing"));
    assert!(reply.text().contains("scope 'wiki'"), "{}", reply.text());
    let challenge = reply.header("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    let reply = world.get_as("/rest/api/content", &world.idp.token_with(json!({"scope": "wiki"}))).await;
    assert_eq!((reply.status, reply.reason().as_str()), (403, "group_missing"));
    assert_eq!(reply.header("www-authenticate"), None);
    assert!(world.wiki.arrived().is_empty());
    let enough = json!({"scope": "wiki", "groups": ["/staff"]});
    assert_eq!(world.get_as("/rest/api/content", &world.idp.token_with(enough)).await.status, 200);
}

#[tokio::test]
async fn confluence_is_asked_once_whom_it_knows() {
    let world = World::new().await;
    for _ in 0..3 {
        assert_eq!(world.get_as("/rest/api/content", &world.idp.token("alice")).await.status, 200);
    }
    assert_eq!(world.wiki.checks_of("alice"), 1);
}

#[tokio::test]
async fn the_client_cannot_name_another_user_beside_its_token() {
    let world = World::new().await;
    let token = format!("Bearer {}", world.idp.token("alice"));
    let headers = [
        ("Authorization", token.as_str()),
        ("Cookie", "JSESSIONID=good"),
        ("X-Forwarded-User", "bob"),
        ("X_Forwarded_User", "bob"),
        ("Remote.User", "bob"),
        ("X-Seraph-Trusted-App-ID", "x"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example.com"),
        ("User-Agent", "WebDAVFS/3.0"),
    ];
    let target = "/rest/api/content;jsessionid=good?%78oauth_requestor_id=bob&os_username=bob&oauth_nonce=1&os_authType=none";
    let reply = world.get(target, &headers).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"user":"alice"}"#));
    let arrived = world.wiki.last();
    assert_eq!(arrived.target, "/rest/api/content?xoauth_requestor_id=alice");
    for name in [
        "cookie",
        "x-forwarded-user",
        "x_forwarded_user",
        "remote.user",
        "x-seraph-trusted-app-id",
        "x-forwarded-proto",
        "x-forwarded-host",
    ] {
        assert_eq!(arrived.header(name), None, "{name}");
    }
    assert!(!arrived.header("user-agent").unwrap().contains("WebDAV"));
}

#[tokio::test]
async fn a_form_is_cleaned_and_signed_with_its_parameters() {
    let world = World::new().await;
    let token = format!("Bearer {}", world.idp.token("alice"));
    let form = ("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8");
    let headers = [("Authorization", token.as_str()), form];
    let body = "title=a+b%26c&xoauth_requestor_id=bob&oauth%5Ftoken=x&os_password=y&k";
    let reply = world.send("POST", "/rest/api/content", &headers, body).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"user":"alice"}"#));
    let arrived = String::from_utf8(world.wiki.last().body).unwrap();
    assert!(
        arrived.starts_with("title=") && !arrived.contains("bob") && !arrived.contains("os_"),
        "{arrived}"
    );

    let latin = [
        ("Authorization", token.as_str()),
        ("Content-Type", "application/x-www-form-urlencoded; charset=utf-16"),
    ];
    assert_eq!(world.send("POST", "/rest/api/content", &latin, "a=b").await.status, 415);
    let large = "a=".to_owned() + &"x".repeat(2 * 1024 * 1024 + 1);
    assert_eq!(world.send("POST", "/rest/api/content", &headers, &large).await.status, 413);
}

/// Tomcat reads compressed bytes as parameters, and others by the charset that a form names. Whoever sends them to the API: a form
/// may be somebody's login.
#[tokio::test]
async fn forms_that_hide_names_are_refused() {
    let world = World::new().await;
    let token = format!("Bearer {}", world.idp.token("alice"));
    let form = "application/x-www-form-urlencoded";
    for (content_type, encoding) in [
        (form.to_owned(), "gzip"),
        (form.to_owned(), "identity, deflate"),
        (format!("{form};charset=UTF-16"), "identity"),
        (format!("{form}; Charset=\"iso-8859-1\""), "identity"),
    ] {
        for authorization in [token.as_str(), "Basic YWxpY2U6eA=="] {
            let headers = [
                ("Authorization", authorization),
                ("Content-Type", content_type.as_str()),
                ("Content-Encoding", encoding),
            ];
            let reply = world.send("POST", "/rest/api/content", &headers, "a=b").await;
            let shown = format!("{authorization} {content_type} {encoding}");
            assert_eq!((reply.status, reply.reason().as_str()), (415, "form_charset"), "{shown}");
        }
    }
    assert!(world.wiki.arrived().is_empty());
    let login =
        [("Authorization", "Basic YWxpY2U6eA=="), ("Content-Type", form), ("Content-Encoding", "gzip")];
    assert_eq!(world.send("POST", "/dologin.action", &login, "a=b").await.status, 200, "not on pages");
}

#[tokio::test]
async fn answers_carry_no_session_and_stay_out_of_shared_caches() {
    let world = World::new().await;
    let reply = world.get_as("/rest/api/content", &world.idp.token("alice")).await;
    assert_eq!(reply.header("set-cookie"), None);
    assert_eq!(reply.header("cache-control"), Some("private"));
    assert!(reply.header("vary").unwrap().contains("Authorization"));
}

#[tokio::test]
async fn an_answer_for_somebody_else_is_dropped_on_reads_and_kept_on_writes() {
    let world = World::new().await;
    world.wiki.behave(|wiki| wiki.claims_to_be = Some("bob".into()));
    let token = world.idp.token("alice");
    let reply = world.get_as("/rest/api/content", &token).await;
    assert_eq!((reply.status, reply.reason().as_str()), (502, "identity_mismatch"));
    assert!(!reply.text().contains("bob"));
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    assert_eq!(world.send("POST", "/rest/api/content", &headers, "{}").await.status, 200);
    // A 502 would have the write repeated; instead the user is refused from then on.
    let reply = world.send("POST", "/rest/api/content", &headers, "{}").await;
    assert_eq!((reply.status, reply.reason().as_str()), (502, "identity_mismatch"));
    assert_eq!(world.wiki.arrived().len(), 2);
    world.has_metric("restward_sidecar_rejected_assertions_total 2").await;
}

#[tokio::test]
async fn a_refused_assertion_is_502_and_says_nothing_of_oauth() {
    let world = World::new().await;
    world.wiki.behave(|wiki| wiki.refuses_assertions = true);
    let reply = world.get_as("/rest/api/content", &world.idp.token("alice")).await;
    assert_eq!((reply.status, reply.reason().as_str()), (502, "upstream_rejected_assertion"));
    assert!(!format!("{reply:?}").contains("oauth_problem"));
}

#[tokio::test]
async fn without_the_link_only_tokens_wait() {
    let world = World::start(|_| {}, |_| {}, |_, wiki| wiki.behave(|wiki| wiki.has_no_link = true)).await;
    world.has_metric("restward_sidecar_keys_usable 1").await;
    crate::support::eventually("the missing link is known", || async {
        world.status().await["upstream"]["reason"] == "LinkMissing"
    })
    .await;
    let reply = world.get_as("/rest/api/content", &world.idp.token("alice")).await;
    assert_eq!((reply.status, reply.reason().as_str()), (503, "link_missing"));
    assert_eq!(reply.header("retry-after"), Some("10"));
    assert_eq!(world.get("/display/DS/Home", &[]).await.status, 200);
    let pat = format!("Bearer {}", crate::support::wiki::PAT);
    assert_eq!(world.get("/rest/api/content", &[("Authorization", &pat)]).await.text(), r#"{"user":"bob"}"#);
    assert_eq!(world.admin("/readyz").await.status, 200);
}

#[tokio::test]
async fn content_takes_tokens_and_ignores_bad_ones() {
    let world = World::new().await;
    let reply = world.get_as("/download/attachments/1/a.pdf", &world.idp.token("alice")).await;
    assert_eq!(reply.text(), r#"{"user":"alice"}"#);
    let reply = world.get_as("/display/DS/Home", "a.b.c").await;
    assert_eq!(reply.text(), r#"{"user":"anonymous"}"#);
    assert_eq!(world.wiki.last().header("authorization"), None);
    assert_eq!(world.last_audit()["decision"], "stripped");
    let foreign = [("Authorization", "Bearer a.b.c"), ("Cookie", "JSESSIONID=good")];
    assert_eq!(world.get("/display/DS/Home", &foreign).await.text(), r#"{"user":"bob"}"#);
    world.get_as("/login.action", &world.idp.token("alice")).await;
    assert_eq!(world.wiki.last().header("authorization"), None);
}
