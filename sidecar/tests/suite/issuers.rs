//! More than one issuer: nothing of one counts for another.

use serde_json::{Value, json};

use crate::support::{World, eventually, idp::Idp, keys};

const API: &str = "/rest/api/content";

/// Two issuers with one key id for two keys; the second is an OpenID Connect issuer of any make.
async fn two() -> (World, Idp) {
    let partner = Idp::start().await;
    partner.publish_only(keys::other(), "k1");
    let entry = json!({"issuer": partner.issuer(), "audiences": ["wiki"]});
    let world = World::with(|config| config["openIdIssuers"] = json!([entry])).await;
    let token = partners(&partner, json!({}));
    eventually("the partner's keys are known", || async { world.get_as(API, &token).await.status == 200 })
        .await;
    (world, partner)
}

fn partners(partner: &Idp, changes: Value) -> String {
    let mut claims = partner.claims("bob");
    claims["aud"] = json!("wiki");
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    keys::sign(keys::other(), "k1", &claims)
}

#[tokio::test]
async fn each_issuer_has_its_own_keys_audiences_and_clients() {
    let (world, partner) = two().await;
    assert_eq!(world.get_as(API, &world.idp.token("alice")).await.text(), r#"{"user":"alice"}"#);
    assert_eq!(world.get_as(API, &partners(&partner, json!({}))).await.text(), r#"{"user":"bob"}"#);
    let reports =
        json!({"azp": "reports", "client_id": "reports", "preferred_username": "service-account-reports"});
    let table = [
        (partners(&partner, json!({"iss": world.idp.issuer()})), 401, "signature_invalid"),
        (world.idp.token_with(json!({"iss": partner.issuer(), "aud": "wiki"})), 401, "signature_invalid"),
        (partners(&partner, json!({"aud": "account"})), 401, "audience_mismatch"),
        (partners(&partner, json!({"typ": "ID"})), 401, "not_an_access_token"),
        (partners(&partner, reports), 403, "service_account_unmapped"),
        (partners(&partner, json!({"iss": format!("{}/", partner.issuer())})), 401, "issuer_mismatch"),
    ];
    for (token, status, reason) in table {
        let reply = world.get_as(API, &token).await;
        assert_eq!((reply.status, reply.reason().as_str()), (status, reason));
    }
}

#[tokio::test]
async fn losing_one_issuer_costs_the_other_nothing() {
    let (world, partner) = two().await;
    world.idp.set_down(true);
    assert_eq!(world.get_as(API, &partners(&partner, json!({"jti": "x"}))).await.status, 200);
    partner.publish(keys::realm(), "k9");
    let mut claims = partner.claims("bob");
    claims["aud"] = json!("wiki");
    let token = keys::sign(keys::realm(), "k9", &claims);
    eventually("a new key of the other", || async { world.get_as(API, &token).await.status == 200 }).await;
}
