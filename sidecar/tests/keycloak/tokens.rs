//! What local validation makes of each kind of token.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use opentelemetry::trace::SpanKind;
use serde_json::json;

use crate::{
    realm::{Keycloak, access_token, is, outcome},
    support::{eventually, keys},
};

pub(crate) async fn every_kind(keycloak: &Keycloak) {
    let world = keycloak.world(|_| {}).await;
    for client in ["wiki-rest", "wiki-es256", "wiki-ps256", "wiki-eddsa"] {
        let token = keycloak.token(client, "alice").await;
        // Keycloak makes the key with the first token that needs it, and keys are asked for once in ten seconds.
        eventually(client, || async { outcome(&world, &token).await == is(200, "alice") }).await;
    }
    assert_eq!(outcome(&world, &keycloak.token_of("reports").await).await, is(200, "svc-reports"));
    assert_eq!(
        outcome(&world, &keycloak.token_of("unmapped").await).await,
        is(403, "service_account_unmapped")
    );
    let response = keycloak.login("wiki-rest", "bob", "openid").await;
    assert_eq!(outcome(&world, &access_token(&response)).await, is(200, "bob"));
    for (member, reason) in [("id_token", "not_an_access_token"), ("refresh_token", "not_an_access_token")] {
        let token = response[member].as_str().unwrap();
        assert_eq!(outcome(&world, token).await, is(401, reason), "{member}");
    }
    let other = access_token(&keycloak.login_in("other", "wiki-rest", "alice", "").await);
    assert_eq!(outcome(&world, &other).await, is(401, "issuer_mismatch"));
    let hmac = keycloak.token("wiki-hs256", "alice").await;
    assert_eq!(outcome(&world, &hmac).await, is(401, "algorithm_not_allowed"));
    let light = keycloak.token("wiki-light", "alice").await;
    assert_eq!(outcome(&world, &light).await, is(403, "username_unusable"));
    let disabled = keycloak.login("wiki-rest", "eve-disabled", "").await;
    assert_eq!(disabled["error_description"], "Account disabled");
    let no_proof = keycloak.login("wiki-dpop", "alice", "").await;
    assert!(no_proof["access_token"].is_null(), "{no_proof}");
}

pub(crate) async fn each_outcome_is_in_the_trace(keycloak: &Keycloak) {
    let (world, spans) = keycloak.traced().await;
    let refresh =
        keycloak.login("wiki-rest", "alice", "").await["refresh_token"].as_str().unwrap().to_owned();
    for (token, decision, reason) in [
        (keycloak.token("wiki-rest", "alice").await, "as_user", None),
        (keycloak.token("wiki-hs256", "alice").await, "refused", Some("algorithm_not_allowed")),
        (keycloak.token("wiki-light", "alice").await, "refused", Some("username_unusable")),
        (refresh, "refused", Some("not_an_access_token")),
    ] {
        spans.reset();
        outcome(&world, &token).await;
        let recorded = spans.get_finished_spans().unwrap();
        let server = recorded.iter().find(|span| span.span_kind == SpanKind::Server).unwrap();
        let word = |key: &str| {
            let pair = server.attributes.iter().find(|pair| pair.key.as_str() == key);
            pair.map(|pair| pair.value.as_str().into_owned())
        };
        assert_eq!(word("restward.decision").as_deref(), Some(decision));
        assert_eq!(word("restward.reason").as_deref(), reason);
        assert!(!format!("{recorded:?}").contains(token.rsplit('.').next().unwrap()), "the token is in it");
    }
}

pub(crate) async fn tokens_expire(keycloak: &Keycloak) {
    let world = keycloak.world(|config| config["tokens"] = json!({"clockSkew": "0s"})).await;
    let token = keycloak.token("wiki-short", "alice").await;
    assert_eq!(outcome(&world, &token).await, is(200, "alice"));
    eventually("the token expires", || async { outcome(&world, &token).await == is(401, "token_expired") })
        .await;
}

pub(crate) async fn algorithms_can_be_narrowed(keycloak: &Keycloak) {
    let world = keycloak.world(|config| config["tokens"] = json!({"algorithms": ["ES256"]})).await;
    assert_eq!(outcome(&world, &keycloak.token("wiki-es256", "alice").await).await, is(200, "alice"));
    for client in ["wiki-rest", "wiki-ps256", "wiki-eddsa"] {
        let token = keycloak.token(client, "alice").await;
        assert_eq!(outcome(&world, &token).await, is(401, "algorithm_not_allowed"), "{client}");
    }
}

pub(crate) async fn scopes_roles_and_groups(keycloak: &Keycloak) {
    let required = json!({
        "scopes": ["openid"], "realmRoles": ["wiki-user"], "groups": ["/staff/wiki"],
        "clientRoles": [{"client": "wiki-gate", "role": "editor"}],
    });
    let world = keycloak.world(|config| config["tokens"] = json!({ "required": required })).await;
    let token = async |client: &str, user: &str, scope: &str| {
        access_token(&keycloak.login(client, user, scope).await)
    };
    assert_eq!(outcome(&world, &token("wiki-rich", "bob", "openid").await).await, is(200, "bob"));
    assert_eq!(outcome(&world, &token("wiki-rich", "bob", "").await).await, is(403, "scope_missing"));
    assert_eq!(outcome(&world, &token("wiki-rich", "alice", "openid").await).await, is(403, "role_missing"));
    assert_eq!(outcome(&world, &token("wiki-rest", "bob", "openid").await).await, is(403, "group_missing"));
}

pub(crate) async fn rules_about_what_tokens_grant(keycloak: &Keycloak) {
    let bob = access_token(&keycloak.login("wiki-rich", "bob", "openid").await);
    let alice = keycloak.token("wiki-rest", "alice").await;
    let mut world = keycloak.world(|_| {}).await;
    let about_bob = [
        json!({"scopes": ["openid"]}),
        json!({"realmRoles": ["wiki-user"]}),
        json!({"clientRoles": [{"client": "wiki-gate", "role": "editor"}]}),
        json!({"groups": ["/staff/wiki"]}),
        json!({"clients": ["wiki-rich"]}),
        json!({"users": ["BOB"], "cidrs": ["127.0.0.0/8"], "methods": ["GET"]}),
    ];
    for mut rule in about_bob {
        rule["action"] = json!("Deny");
        world.reconfigure(|config| config["rules"] = json!([rule])).await;
        assert_eq!(outcome(&world, &bob).await, is(403, "rule_denied"), "{rule}");
        assert_eq!(outcome(&world, &alice).await, is(200, "alice"), "{rule}");
    }
    let elsewhere = json!([{"action": "Deny", "cidrs": ["192.0.2.0/24"]}]);
    world.reconfigure(|config| config["rules"] = elsewhere).await;
    assert_eq!(outcome(&world, &bob).await, is(200, "bob"));
}

pub(crate) async fn audiences_and_parties(keycloak: &Keycloak) {
    let narrow = |member: &'static str, value: &'static str| {
        keycloak.world(move |config| config["issuers"][0][member] = json!([value]))
    };
    let (rest, aud) = (keycloak.token("wiki-rest", "bob").await, keycloak.token("wiki-aud", "bob").await);
    let world = narrow("audiences", "confluence").await;
    assert_eq!(outcome(&world, &aud).await, is(200, "bob"));
    assert_eq!(outcome(&world, &rest).await, is(401, "audience_mismatch"));
    let world = narrow("authorizedParties", "wiki-aud").await;
    assert_eq!(outcome(&world, &aud).await, is(200, "bob"));
    assert_eq!(outcome(&world, &rest).await, is(401, "party_mismatch"));
}

pub(crate) async fn a_second_realm(keycloak: &Keycloak) {
    let entry = json!({"issuer": keycloak.issuer("other"), "audiences": ["account"]});
    let world = keycloak.world(|config| config["openIdIssuers"] = json!([entry])).await;
    let token = access_token(&keycloak.login_in("other", "wiki-rest", "alice", "").await);
    eventually("the second realm's keys", || async { outcome(&world, &token).await == is(200, "alice") })
        .await;
    assert_eq!(outcome(&world, &keycloak.token("wiki-rest", "bob").await).await, is(200, "bob"));
}

pub(crate) async fn bound_to_a_key(keycloak: &Keycloak) {
    let url = "https://wiki.example.com";
    let world = keycloak.world(|config| config["externalURLs"] = json!([url])).await;
    let token = keycloak.bound_token("wiki-dpop", "alice", keys::other()).await;
    assert_eq!(outcome(&world, &token).await, is(401, "proof_required"));
    let shown = format!("DPoP {token}");
    let proof = keys::proof(keys::other(), "GET", &format!("{url}/rest/api/content"), Some(&token));
    let headers = [("Authorization", shown.as_str()), ("DPoP", proof.as_str())];
    assert_eq!(world.get("/rest/api/content", &headers).await.text(), r#"{"user":"alice"}"#);
    assert_eq!(world.get("/rest/api/content", &headers).await.reason(), "proof_replayed");
}

pub(crate) async fn bound_to_a_certificate(keycloak: &Keycloak) {
    let trusted = json!({"cidrs": ["127.0.0.1"], "clientCertificateHeader": "Client-Cert"});
    let world = keycloak.world(|config| config["trustedProxies"] = trusted).await;
    let header = |der: Vec<u8>| format!(":{}:", BASE64_STANDARD.encode(der));
    let mine = header(keys::certificate(keys::other()));
    let anothers = header(keys::certificate(keys::realm()));
    let token = keycloak.token_by_mtls("wiki-mtls", "alice", &mine).await;
    assert_eq!(outcome(&world, &token).await, is(401, "certificate_required"));
    let bearer = format!("Bearer {token}");
    let shown = async |certificate: &str| {
        let headers = [("Authorization", bearer.as_str()), ("Client-Cert", certificate)];
        world.get("/rest/api/content", &headers).await
    };
    assert_eq!(shown(&mine).await.text(), r#"{"user":"alice"}"#);
    assert_eq!(shown(&anothers).await.reason(), "certificate_required");
}
