//! `POST /explain`: why a token is refused, check by check.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};

use crate::support::{World, exchange, logs, request};

async fn explain(world: &World, query: &str, token: &str) -> Value {
    let target = format!("/explain{query}");
    exchange(world.running.admin, &request("POST", &target, &[], token)).await.json()
}

/// Outcome, or reason, of one check.
fn of<'a>(explained: &'a Value, check: &str) -> &'a str {
    let steps = explained["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["check"] == check);
    step.map_or("absent", |step| step["reason"].as_str().or_else(|| step["outcome"].as_str()).unwrap())
}

#[tokio::test]
async fn a_good_token_passes_every_check_and_a_bad_one_says_all_that_is_wrong() {
    let world = World::with(|config| {
        config["issuers"][0]["audiences"] = json!(["wiki"]);
        config["rules"] = json!([{"action": "ReadOnly"}]);
    })
    .await;
    let good = world.idp.token_with(json!({"aud": "wiki"}));
    let explained = explain(&world, "?path=/rest/api/content", &format!("Bearer {good}\n")).await;
    assert_eq!((&explained["accepted"], &explained["user"]), (&json!(true), &json!("alice")), "{explained}");
    let checks =
        ["form", "signature", "issuer", "kind", "lifetime", "audience", "user", "rules", "confluence"];
    for check in checks {
        assert_eq!(of(&explained, check), "passed", "{check}: {explained}");
    }
    let writes = explain(&world, "?path=/rest/api/content&method=PUT", &good).await;
    assert_eq!((&writes["accepted"], of(&writes, "rules")), (&json!(false), "read_only"));

    let bad = world.idp.token_with(json!({"exp": 1000, "aud": "other", "typ": "ID"}));
    let explained = explain(&world, "", &bad).await;
    assert_eq!(explained["accepted"], json!(false));
    for (check, want) in [
        ("signature", "passed"),
        ("kind", "not_an_access_token"),
        ("lifetime", "token_expired"),
        ("audience", "audience_mismatch"),
        ("token", "not_an_access_token"),
        ("user", "absent"),
    ] {
        assert_eq!(of(&explained, check), want, "{check}: {explained}");
    }
    let unknown =
        explain(&world, "", &world.idp.token_with(json!({"aud": "wiki", "preferred_username": "mallory"})))
            .await;
    assert_eq!((&unknown["accepted"], of(&unknown, "confluence")), (&json!(false), "user_unknown"));
    assert_eq!(of(&explain(&world, "", "a b").await, "form"), "token_malformed");
    assert_eq!(of(&explain(&world, "", crate::support::wiki::PAT).await, "kind"), "skipped");

    assert_eq!(world.audit.text(), "");
    for token in [good, bad] {
        assert!(!logs::text().contains(token.rsplit('.').next().unwrap()));
    }
}

#[tokio::test]
async fn only_the_pod_itself_is_told_and_only_a_token_is_read() {
    let world = World::new().await;
    assert_eq!(exchange(world.running.admin, &request("GET", "/explain", &[], "")).await.status, 404);
    let large = "a".repeat(64 * 1024 + 1);
    assert_eq!(exchange(world.running.admin, &request("POST", "/explain", &[], &large)).await.status, 413);
    assert_eq!(exchange(world.running.admin, &request("POST", "/metrics", &[], "")).await.status, 405);
    let admin = restward_sidecar::admin::from_pod_itself;
    assert!(admin(SocketAddr::from((Ipv4Addr::LOCALHOST, 1))));
    assert!(admin("[::ffff:127.0.0.1]:1".parse().unwrap()));
    assert!(!admin("10.0.0.1:1".parse().unwrap()) && !admin("[2001:db8::1]:1".parse().unwrap()));
}
