//! Tokens that the identity provider itself is asked about.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{CLIENT_ID, CLIENT_SECRET, World, keys, logs};

const API: &str = "/rest/api/content";

async fn validating(validation: &str) -> World {
    World::with(|config| {
        config["tokens"] = json!({ "validation": validation });
        config["issuers"][0]["ownClient"] = json!("secret");
    })
    .await
}

fn active(world: &World, changes: &Value) -> (u16, Value) {
    let mut answer = world.idp.claims("alice");
    answer["active"] = json!(true);
    for (name, value) in changes.as_object().unwrap() {
        answer[name] = value.clone();
    }
    (200, answer)
}

/// Status, and the reason or the user.
async fn outcome(world: &World, token: &str) -> (u16, String) {
    let reply = world.get_as(API, token).await;
    let word =
        if reply.status == 200 { reply.json()["user"].as_str().unwrap().to_owned() } else { reply.reason() };
    (reply.status, word)
}

fn is(status: u16, word: &str) -> (u16, String) {
    (status, word.to_owned())
}

#[tokio::test]
async fn introspection_decides_and_is_asked_once() {
    let world = validating("Introspection").await;
    let token = world.idp.token("alice");
    for reply in join_all((0..20).map(|_| world.get_as(API, &token))).await {
        assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"user":"alice"}"#));
    }
    assert_eq!(outcome(&world, &token).await, is(200, "alice"));
    let asked = world.idp.online(|online| online.asked.clone());
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(
        asked[0].1.starts_with("Basic ") && asked[0].2.contains("token_type_hint=access_token"),
        "{asked:?}"
    );

    world.idp.online(|online| online.introspection = Some((200, json!({"active": false}))));
    assert_eq!(outcome(&world, &world.idp.token("bob")).await, is(401, "token_inactive"));
    // What was answered before still counts for a while.
    assert_eq!(outcome(&world, &token).await, is(200, "alice"));
}

#[tokio::test]
async fn made_up_tokens_cost_the_provider_nothing() {
    let world = validating("Introspection").await;
    let forged = keys::sign(keys::other(), "k1", &world.idp.claims("alice"));
    assert_eq!(outcome(&world, &forged).await, is(401, "signature_invalid"));
    let expired = world.idp.token_with(json!({"exp": keys::now() - 60}));
    assert_eq!(outcome(&world, &expired).await, is(401, "token_expired"));
    assert_eq!(
        outcome(&world, &world.idp.token_with(json!({"typ": "ID"}))).await,
        is(401, "not_an_access_token")
    );
    assert_eq!(world.idp.questions(), 0);
}

#[tokio::test]
async fn the_answer_and_not_the_token_says_for_whom_it_is() {
    let mut world = validating("Introspection").await;
    let required = json!({"scopes": ["wiki"]});
    world
        .reconfigure(|config| {
            config["tokens"]["required"] = required;
            config["issuers"][0]["audiences"] = json!(["wiki"]);
            config["issuers"][0]["authorizedParties"] = json!(["scripts"]);
        })
        .await;
    let good = json!({"aud": "wiki", "scope": "wiki"});
    let table = [
        (json!({}), is(200, "alice")),
        (json!({"preferred_username": "bob"}), is(200, "bob")),
        (json!({"aud": "account"}), is(401, "audience_mismatch")),
        (json!({"aud": null}), is(503, "validation_unavailable")),
        (json!({"azp": "other"}), is(401, "party_mismatch")),
        (json!({"scope": "openid"}), is(403, "scope_missing")),
        (json!({"cnf": {"jkt": "x"}}), is(401, "proof_required")),
        (json!({"typ": "Refresh"}), is(401, "not_an_access_token")),
        (json!({"iss": "https://other"}), is(503, "validation_unavailable")),
    ];
    for (number, (changes, want)) in table.into_iter().enumerate() {
        let (status, mut answer) = active(&world, &good);
        for (name, value) in changes.as_object().unwrap() {
            answer[name] = value.clone();
        }
        world.idp.online(|online| online.introspection = Some((status, answer)));
        let mut claims = good.clone();
        claims["jti"] = json!(format!("t-{number}"));
        let got = outcome(&world, &world.idp.token_with(claims)).await;
        assert_eq!(got, want, "{changes}");
    }
    // The token says nothing of an audience, the answer does.
    let answer = active(&world, &good);
    world.idp.online(|online| online.introspection = Some(answer));
    assert_eq!(outcome(&world, &world.idp.token("alice")).await, is(200, "alice"));
}

#[tokio::test]
async fn auto_asks_about_lightweight_tokens_only() {
    let world = validating("Auto").await;
    assert_eq!(outcome(&world, &world.idp.token("alice")).await, is(200, "alice"));
    assert_eq!(world.idp.questions(), 0);
    let answer = active(&world, &json!({"jti": "onltro:1"}));
    world.idp.online(|online| online.introspection = Some(answer));
    let light = world.idp.token_with(json!({"jti": "onltro:1", "preferred_username": null, "sub": null}));
    assert_eq!(outcome(&world, &light).await, is(200, "alice"));
    assert_eq!(world.idp.questions(), 1);
}

#[tokio::test]
async fn userinfo_names_the_user_and_wants_openid() {
    let world = validating("UserInfo").await;
    let token = world.idp.token("alice");
    assert_eq!(outcome(&world, &token).await, is(200, "alice"));
    let asked = world.idp.online(|online| online.asked.clone());
    assert_eq!((asked.len(), asked[0].1.clone()), (1, format!("Bearer {token}")));

    let renamed = json!({"sub": "s-1", "preferred_username": "bob"});
    world.idp.online(|online| online.userinfo = Some((200, renamed)));
    assert_eq!(outcome(&world, &world.idp.token_with(json!({"jti": "2"}))).await, is(200, "bob"));
    world.idp.online(|online| online.userinfo = Some((401, json!({}))));
    assert_eq!(outcome(&world, &world.idp.token_with(json!({"jti": "3"}))).await, is(401, "token_inactive"));
    world.idp.online(|online| online.userinfo = Some((403, json!({}))));
    let reply = world.get_as(API, &world.idp.token_with(json!({"jti": "4"}))).await;
    assert_eq!((reply.status, reply.reason().as_str()), (403, "openid_scope_missing"));
    assert!(reply.header("www-authenticate").unwrap().contains("insufficient_scope"));
    let advisories = world.status().await["advisories"].to_string();
    assert!(advisories.contains("OpenidMissing: "), "{advisories}");
}

#[tokio::test]
async fn who_cannot_be_asked_makes_no_token_valid_or_invalid() {
    let world = validating("Introspection").await;
    let token = world.idp.token("alice");
    assert_eq!(outcome(&world, &token).await, is(200, "alice"));
    world.idp.set_down(true);
    assert_eq!(outcome(&world, &token).await, is(200, "alice"), "what was answered counts for a while");
    let reply = world.get_as(API, &world.idp.token("bob")).await;
    assert_eq!((reply.status, reply.reason().as_str()), (503, "validation_unavailable"));
    assert_eq!(reply.header("retry-after"), Some("10"));
    world.idp.set_down(false);
    crate::support::eventually("the provider is asked again", || async {
        outcome(&world, &world.idp.token("bob")).await == is(200, "bob")
    })
    .await;
}

#[tokio::test]
async fn the_sidecars_own_credentials_are_needed_reloaded_and_never_shown() {
    let mut world = validating("Introspection").await;
    let provider = async |world: &World| world.status().await["identityProvider"]["reason"].clone();
    assert_eq!(provider(&world).await, "Reachable");
    world.mount_client_secret(None).await;
    assert_eq!(provider(&world).await, "ClientNotAccepted", "known before the first token comes");
    assert_eq!(outcome(&world, &world.idp.token("alice")).await, is(503, "validation_unavailable"));
    let advisories = world.status().await["advisories"].to_string();
    assert!(advisories.contains("ClientSecretMissing: "), "{advisories}");

    world.mount_client_secret(Some("rotated-secret-77")).await;
    assert_eq!(provider(&world).await, "Reachable");
    assert_eq!(outcome(&world, &world.idp.token("alice")).await, is(200, "alice"));
    world.idp.online(|online| online.introspection = Some((401, json!({"error": "invalid_client"}))));
    assert_eq!(outcome(&world, &world.idp.token("bob")).await, is(503, "validation_unavailable"));
    let status = world.status().await.to_string();
    assert!(status.contains("ClientRejected: "), "{status}");
    assert_eq!(provider(&world).await, "ClientNotAccepted");
    world.idp.online(|online| online.introspection = None);
    assert_eq!(outcome(&world, &world.idp.token_with(json!({"jti": "again"}))).await, is(200, "alice"));
    assert_eq!(provider(&world).await, "Reachable", "it accepts the client again");
    let everything = format!("{status}{}{}{}", world.audit.text(), logs::text(), world.metrics().await);
    for secret in [CLIENT_SECRET, "rotated-secret-77", "d2lraS1nYXRlO"] {
        assert!(!everything.contains(secret), "{secret}");
    }
    assert!(!everything.contains(&format!("{CLIENT_ID}:")));
}

#[tokio::test]
async fn a_token_of_the_service_account_stands_for_the_secret() {
    let mut world = World::with(|config| {
        config["tokens"] = json!({"validation": "Introspection"});
        config["issuers"][0]["ownClient"] = json!({"assertion": "wiki-pods"});
    })
    .await;
    // The Secret of another time is mounted still, and is not the one to use.
    assert_eq!(world.status().await["identityProvider"]["reason"], "ClientNotAccepted");
    assert_eq!(outcome(&world, &world.idp.token("alice")).await, is(503, "validation_unavailable"));
    let advisories = world.status().await["advisories"].to_string();
    assert!(advisories.contains("ClientAssertionMissing: "), "{advisories}");

    for assertion in ["e30.e30.Zmlyc3Q", "e30.e30.cmVuZXdlZA"] {
        world.mount_client_assertion(assertion).await;
        assert_eq!(outcome(&world, &world.idp.token("alice")).await, is(200, "alice"));
        let (_, authorization, form) = world.idp.online(|online| online.asked.pop()).unwrap();
        assert_eq!(authorization, "");
        assert!(form.contains("&client_id=wiki-pods&client_assertion_type=urn%3Aietf"), "{form}");
        assert!(form.ends_with(&format!("&client_assertion={assertion}")), "{form}");
        let everything = format!("{}{}", world.status().await, logs::text());
        assert!(!everything.contains(assertion));
    }
}

#[tokio::test]
async fn a_realm_that_revokes_everything_is_heard() {
    let polling = |every: &str| {
        let every = json!({"revocation": {"pollInterval": every}});
        World::with(|config| config["tokens"] = every)
    };
    let world = polling("1s").await;
    let old = world.idp.token_with(json!({"iat": keys::now() - 60}));
    assert_eq!(outcome(&world, &old).await, is(200, "alice"));
    world.idp.revoke_before(keys::now() - 30);
    crate::support::eventually("the old token is refused", || async {
        outcome(&world, &old).await == is(401, "token_revoked")
    })
    .await;
    assert_eq!(outcome(&world, &world.idp.token("alice")).await, is(200, "alice"), "a new one is not");
}
