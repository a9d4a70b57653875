//! What Keycloak itself says about tokens, and what each mode sees of it.

use serde_json::{Value, json};

use crate::{
    realm::{Keycloak, access_token, is, outcome},
    support::{World, eventually, keys},
};

/// A sidecar that is the client `wiki-gate` of the realm.
async fn validating(keycloak: &Keycloak, validation: &str) -> World {
    keycloak
        .world(|config| {
            config["tokens"] = json!({ "validation": validation });
            config["issuers"][0]["ownClient"] = json!("secret");
        })
        .await
}

pub(crate) async fn auto_introspects_lightweight_tokens(keycloak: &Keycloak) {
    let mut world = validating(keycloak, "Auto").await;
    let light = keycloak.token("wiki-light", "alice").await;
    assert_eq!(outcome(&world, &light).await, is(200, "alice"));
    assert_eq!(outcome(&world, &keycloak.token("wiki-rest", "alice").await).await, is(200, "alice"));
    // The token has no audience, the answer has: the audience check runs on the answer.
    world.reconfigure(|config| config["issuers"][0]["audiences"] = json!(["wiki-gate"])).await;
    assert_eq!(outcome(&world, &light).await, is(200, "alice"));
    world.reconfigure(|config| config["issuers"][0]["audiences"] = json!(["confluence"])).await;
    assert_eq!(outcome(&world, &light).await, is(401, "audience_mismatch"));
    // Client credentials with a lightweight token: the answer names the service account.
    world.reconfigure(|config| config["issuers"][0]["audiences"] = json!([])).await;
    let of_client = keycloak.token_of("wiki-light").await;
    assert_eq!(outcome(&world, &of_client).await, is(403, "service_account_unmapped"));
    let account = json!([{"client": "wiki-light", "username": "svc-reports"}]);
    world.reconfigure(|config| config["serviceAccounts"] = account).await;
    assert_eq!(outcome(&world, &of_client).await, is(200, "svc-reports"));
}

pub(crate) async fn introspection_sees_what_local_validation_does_not(keycloak: &Keycloak) {
    let mut asking = validating(keycloak, "Introspection").await;
    let local = validating(keycloak, "Local").await;
    let token = keycloak.token("wiki-rich", "bob").await;
    for world in [&asking, &local] {
        assert_eq!(outcome(world, &token).await, is(200, "bob"));
    }
    // What was answered counts for half a minute: a token that was not asked about yet shows it at once.
    let revoked = keycloak.token("wiki-rich", "bob").await;
    keycloak.revoke("wiki-rich", &revoked).await;
    assert_eq!(outcome(&asking, &revoked).await, is(401, "token_inactive"));
    assert_eq!(outcome(&local, &revoked).await, is(200, "bob"), "documented: until it expires");

    let of_disabled = keycloak.token("wiki-rich", "bob").await;
    keycloak.enable("bob", false).await;
    let seen = (outcome(&asking, &of_disabled).await, outcome(&local, &of_disabled).await);
    keycloak.enable("bob", true).await;
    assert_eq!(seen, (is(401, "token_inactive"), is(200, "bob")));

    // A token in whose audience the asking client is not: inactive since Keycloak 26.6.2, and status says why.
    let stranger = keycloak.token("wiki-rest", "alice").await;
    assert_eq!(outcome(&asking, &stranger).await, is(401, "token_inactive"));
    let advisories = asking.status().await["advisories"].to_string();
    assert!(advisories.contains("ClientNotInAudience: "), "{advisories}");

    // A secret that Keycloak does not take leaves the one from before, as long as it takes that.
    asking.mount_client_secret(Some("wrong")).await;
    let token = keycloak.token("wiki-rich", "bob").await;
    assert_eq!(outcome(&asking, &token).await, is(200, "bob"));
    let advisories = asking.status().await["advisories"].to_string();
    assert!(advisories.contains("ClientSecretNotTaken: "), "{advisories}");
    keycloak.set_secret("wiki-gate", "another").await;
    let token = keycloak.token("wiki-rich", "bob").await;
    let seen = outcome(&asking, &token).await;
    keycloak.set_secret("wiki-gate", "wiki-gate-secret").await;
    assert_eq!(seen, is(503, "validation_unavailable"));
    let advisories = asking.status().await["advisories"].to_string();
    assert!(advisories.contains("ClientRejected: "), "{advisories}");
}

pub(crate) async fn userinfo_wants_openid(keycloak: &Keycloak) {
    let world = validating(keycloak, "UserInfo").await;
    let with = access_token(&keycloak.login("wiki-rest", "alice", "openid").await);
    assert_eq!(outcome(&world, &with).await, is(200, "alice"));
    let without = keycloak.token("wiki-rest", "alice").await;
    assert_eq!(outcome(&world, &without).await, is(403, "openid_scope_missing"));
    let advisories = world.status().await["advisories"].to_string();
    assert!(advisories.contains("OpenidMissing: "), "{advisories}");

    // The session ends: userinfo knows at once.
    let login = keycloak.login("wiki-rest", "alice", "openid").await;
    let session: Value = keycloak_claims(&access_token(&login))["sid"].clone();
    keycloak.admin("DELETE", &format!("/sessions/{}", session.as_str().unwrap()), Value::Null).await;
    assert_eq!(outcome(&world, &access_token(&login)).await, is(401, "token_inactive"));
}

/// The sidecar has no secret: a cluster's issuer says which ServiceAccount its pod has, and the realm which client that is.
pub(crate) async fn the_service_account_is_the_client(keycloak: &Keycloak) {
    let mut world = keycloak
        .world(|config| {
            config["tokens"] = json!({"validation": "Introspection"});
            config["issuers"][0]["ownClient"] = json!({"assertion": "wiki-pods"});
        })
        .await;
    let cluster = world.idp.issuer();
    let provider = json!({"alias": "cluster", "providerId": "kubernetes", "enabled": true, "config": {"issuer": cluster}});
    keycloak.admin("PUT", "/identity-provider/instances/cluster", provider).await;
    let service_account = "system:serviceaccount:atlassian:wiki-confluence";
    let assertion = |subject: &str, audience: String| {
        let now = keys::now();
        let claims = json!({
            "iss": cluster, "sub": subject, "aud": [audience], "iat": now, "nbf": now, "exp": now + 3600,
            "jti": format!("{subject}-{audience}"),
        });
        keys::sign(keys::realm(), "k1", &claims)
    };
    // Each token is asked about once in a while: a new one for each question.
    for (subject, audience) in [
        ("system:serviceaccount:atlassian:other", keycloak.issuer("atlassian")),
        (service_account, keycloak.issuer("other")),
    ] {
        world.mount_client_assertion(&assertion(subject, audience)).await;
        let token = keycloak.token("wiki-rich", "bob").await;
        assert_eq!(outcome(&world, &token).await, is(503, "validation_unavailable"), "{subject}");
        let advisories = world.status().await["advisories"].to_string();
        assert!(advisories.contains("ClientRejected: "), "{advisories}");
    }
    // Last, as what was taken counts on beside another.
    world.mount_client_assertion(&assertion(service_account, keycloak.issuer("atlassian"))).await;
    let token = keycloak.token("wiki-rich", "alice").await;
    assert_eq!(outcome(&world, &token).await, is(200, "alice"));
}

fn keycloak_claims(token: &str) -> Value {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as B64};
    serde_json::from_slice(&B64.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// Last of all, as it revokes what other scenarios use.
pub(crate) async fn not_before_revokes_everything(keycloak: &Keycloak) {
    let world =
        keycloak.world(|config| config["tokens"] = json!({"revocation": {"pollInterval": "1s"}})).await;
    let token = keycloak.token("wiki-rest", "alice").await;
    assert_eq!(outcome(&world, &token).await, is(200, "alice"));
    let just_after = keycloak_claims(&token)["iat"].as_i64().unwrap() + 1;
    keycloak.admin("PUT", "", json!({"notBefore": just_after})).await;
    eventually("the realm's not-before is heard", || async {
        outcome(&world, &token).await == is(401, "token_revoked")
    })
    .await;
    // The second in which tokens are young enough may not have begun yet.
    eventually("a token issued since is accepted", || async {
        let young = keycloak.token("wiki-rest", "alice").await;
        outcome(&world, &young).await == is(200, "alice")
    })
    .await;
}
