//! The identity provider's keys: absent, stale, unknown.

use serde_json::{Value, json};

use crate::support::{World, eventually, keys};

#[tokio::test]
async fn without_keys_tokens_wait_and_the_wiki_stays_up() {
    let world = World::start(|_| {}, |_| {}, |idp, _| idp.set_down(true)).await;
    let accepted = world.get_as("/rest/api/content", &world.idp.token("alice")).await;
    assert_eq!(world.get("/rest/api/content", &[]).await.status, 401);
    // Without discovery not even the issuer's name is known.
    assert!(matches!(accepted.status, 401 | 503), "{}", accepted.status);
    assert_eq!(world.get("/display/DS/Home", &[]).await.status, 200);
    assert_eq!(world.admin("/readyz").await.status, 200);
    assert!(world.wiki.arrived().iter().all(|arrived| !arrived.target.starts_with("/rest")));
}

#[tokio::test]
async fn known_issuer_without_keys_is_503() {
    let world = World::start(
        |config| {
            let base = config["issuers"][0]["host"].as_str().unwrap().to_owned();
            config["issuers"][0]["acceptedIssuers"] = json!([format!("{base}/realms/wiki")]);
        },
        |_| {},
        |idp, _| idp.set_down(true),
    )
    .await;
    let reply = world.get_as("/rest/api/content", &world.idp.token("alice")).await;
    assert_eq!((reply.status, reply.reason().as_str()), (503, "keys_unavailable"));
    assert!(reply.header("retry-after").is_some());
    assert!(world.wiki.arrived().is_empty());
}

#[tokio::test]
async fn known_keys_serve_while_the_provider_is_down() {
    let world = World::new().await;
    world.idp.set_down(true);
    assert_eq!(world.get_as("/rest/api/content", &world.idp.token("alice")).await.status, 200);
}

/// What the operator saw when the realm had its first key only.
fn seed(config: &mut Value) {
    let issuer = format!("{}/realms/wiki", config["issuers"][0]["host"].as_str().unwrap());
    config["issuers"][0]["lastKnown"] = json!({
        "issuer": issuer, "jwksUri": format!("{issuer}/certs"), "jwks": {"keys": [keys::jwk(keys::realm(), "k1")]}
    });
}

#[tokio::test]
async fn a_cold_start_while_the_provider_is_down_serves_with_the_last_known_keys() {
    let world = World::start(seed, |_| {}, |idp, _| idp.set_down(true)).await;
    world.is_trusted().await;
    assert_eq!(world.get_as("/rest/api/content", &world.idp.token("alice")).await.status, 200);
    // Whether an unknown key is a new one nobody can say now.
    let unknown = keys::sign(keys::other(), "k2", &world.idp.claims("alice"));
    let reply = world.get_as("/rest/api/content", &unknown).await;
    assert_eq!((reply.status, reply.reason().as_str()), (503, "keys_unavailable"));
}

#[tokio::test]
async fn a_new_key_is_found_when_its_first_token_comes() {
    let world = World::start(seed, |_| {}, |idp, _| idp.set_down(true)).await;
    world.is_trusted().await;
    world.idp.publish(keys::other(), "k2");
    world.idp.set_down(false);
    let token = keys::sign(keys::other(), "k2", &world.idp.claims("alice"));
    let is_known = || async { world.get_as("/rest/api/content", &token).await.status == 200 };
    eventually("the key is found", is_known).await;
}

#[tokio::test]
async fn unknown_keys_ask_at_most_once_in_a_window() {
    let world = World::new().await;
    let before = world.idp.fetches();
    let tokens: Vec<String> = (0..20)
        .map(|i| keys::sign(keys::other(), &format!("unknown-{i}"), &world.idp.claims("alice")))
        .collect();
    let asked = tokens.iter().map(|token| world.get_as("/rest/api/content", token));
    for reply in futures::future::join_all(asked).await {
        assert_eq!((reply.status, reply.reason().as_str()), (401, "key_unknown"));
    }
    assert!(world.idp.fetches() - before <= 1, "{} fetches", world.idp.fetches() - before);
    assert_eq!(world.get_as("/rest/api/content", &world.idp.token("alice")).await.status, 200);
}

#[tokio::test]
async fn a_change_of_policy_while_the_provider_is_down_costs_no_keys() {
    let mut world = World::new().await;
    world.idp.set_down(true);
    world.reconfigure(|config| config["issuers"][0]["authorizedParties"] = json!(["scripts"])).await;
    assert_eq!(world.get_as("/rest/api/content", &world.idp.token("alice")).await.status, 200);
    let other = world.idp.token_with(json!({"azp": "other"}));
    assert_eq!(world.get_as("/rest/api/content", &other).await.reason(), "party_mismatch");
}
