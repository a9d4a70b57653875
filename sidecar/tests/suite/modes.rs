//! Audit and Off, and what gets an audit line.

use serde_json::json;

use crate::support::{CONSUMER, World, wiki::BASIC_ALICE};

#[tokio::test]
async fn audit_lets_all_pass_as_without_the_sidecar_and_says_what_it_would_refuse() {
    let world = World::with(|config| {
        config["mode"] = json!("Audit");
        config["basicAuth"] = json!("Deny");
    })
    .await;
    let two = [("Authorization", "Basic a"), ("Authorization", "Basic b")];
    for (target, headers, reason) in [
        ("/rest/api/content", &[][..], "credential_missing"),
        ("/rest/api/content", &[("Authorization", BASIC_ALICE)][..], "basic_denied"),
        ("/rest/api/content", &[("Authorization", "Bearer a.b.c")][..], "token_malformed"),
        ("/rest/api/content", &[("Authorization", "Negotiate x")][..], "scheme_unsupported"),
        ("/x/..;/rest", &[][..], "ambiguous_target"),
        ("/rest/api/content", &two[..], "multiple_authorization"),
    ] {
        world.get(target, headers).await;
        let arrived = world.wiki.last();
        assert_eq!(arrived.target, target);
        assert_eq!(arrived.all("authorization").len(), headers.len(), "{headers:?}");
        let audit = world.last_audit();
        assert_eq!((&audit["decision"], &audit["reason"]), (&json!("would_refuse"), &json!(reason)));
    }
    world.get("/rest/api/content", &[("Cookie", "JSESSIONID=made-up"), ("X-Forwarded-User", "admin")]).await;
    assert_eq!(world.wiki.last().target, "/rest/api/content");
    assert_eq!(world.wiki.last().header("x-forwarded-user"), None);
    assert_eq!(
        world.get_as("/rest/api/content", &world.idp.token("alice")).await.text(),
        r#"{"user":"alice"}"#
    );
    world.get_as("/display/DS/Home", "a.b.c").await;
    assert_eq!(world.wiki.last().header("authorization"), Some("Bearer a.b.c"));
    assert_eq!(world.last_audit()["decision"], "would_refuse");
    let large = "a=".to_owned() + &"x".repeat(2 * 1024 * 1024 + 1);
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(world.send("POST", "/rest/api/content", &[form], &large).await.status, 200);
    assert_eq!(world.wiki.last().body.len(), large.len());
    let metrics = world.metrics().await;
    assert!(metrics.contains(r#"decision="would_refuse",reason="credential_missing"#), "{metrics}");
}

#[tokio::test]
async fn off_decides_nothing() {
    let world = World::with(|config| {
        config["mode"] = json!("Off");
        config["basicAuth"] = json!("Deny");
    })
    .await;
    assert_eq!(world.get("/rest/api/content", &[]).await.text(), r#"{"user":"anonymous"}"#);
    assert_eq!(
        world.get("/rest/api/content", &[("Authorization", BASIC_ALICE)]).await.text(),
        r#"{"user":"alice"}"#
    );
    world.get_as("/rest/api/content", "a.b.c").await;
    assert_eq!(world.wiki.last().header("authorization"), Some("Bearer a.b.c"));
}

#[tokio::test]
async fn in_no_mode_is_our_key_of_use_outside() {
    for mode in ["Audit", "Off"] {
        let world = World::with(|config| config["mode"] = json!(mode)).await;
        let query = format!("/rest/api/content?oauth_consumer_key={CONSUMER}");
        assert_eq!(world.get(&query, &[]).await.reason(), "reserved_consumer", "{mode}");
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        let body = format!("oauth_consumer_key={CONSUMER}");
        assert_eq!(
            world.send("POST", "/rest/api/x", &[form], &body).await.reason(),
            "reserved_consumer",
            "{mode}"
        );
        assert!(world.wiki.arrived().is_empty());
    }
}

#[tokio::test]
async fn pages_get_audit_lines_only_when_asked_for() {
    let mut world = World::new().await;
    world.get("/display/x", &[]).await;
    world.get("/status", &[]).await;
    assert_eq!(world.audit.text(), "");
    world.get("/rest/api/content", &[]).await;
    assert_eq!(world.audit.text().lines().count(), 1);
    world.reconfigure(|config| config["audit"] = json!({"lines": "All"})).await;
    world.get("/display/x", &[]).await;
    let line = world.last_audit();
    assert_eq!((&line["path_class"], &line["decision"]), (&json!("content"), &json!("passed")));
    world.get("/login.action", &[]).await;
    assert_eq!(world.last_audit()["path_class"], "open");
}
