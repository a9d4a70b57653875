//! What status says of refused tokens: which kind of fault it was, and only of tokens that the issuer has signed.

use serde_json::{Value, json};

use crate::support::{World, keys};

async fn told(world: &World) -> Vec<String> {
    let status = world.status().await;
    let advisories = status["advisories"].as_array().cloned().unwrap_or_default();
    let word = |advisory: &Value| advisory.as_str().unwrap().split(':').next().unwrap().to_owned();
    advisories.iter().map(word).filter(|word| word != "AnonymousAccessEnabled").collect()
}

#[tokio::test]
async fn faults_of_signed_tokens_are_told_by_their_kind_and_nothing_else_of_them_is() {
    let now = keys::now();
    let table = [
        (json!({"aud": "payroll"}), "audience_mismatch", "AudienceMissing"),
        (json!({"jti": "onrtro:1"}), "audience_mismatch", "AudienceMissing"),
        (json!({"jti": "onltro:1"}), "audience_mismatch", "LightweightTokens"),
        // A mapper put one in.
        (json!({"jti": "onltro:1", "aud": "payroll"}), "audience_mismatch", "AudienceMissing"),
        (
            json!({"aud": "confluence", "jti": "onltro:1", "preferred_username": null}),
            "username_unusable",
            "LightweightTokens",
        ),
        (
            json!({"aud": "confluence", "iat": now + 90, "exp": now + 300}),
            "token_not_yet_valid",
            "ClocksDiffer",
        ),
    ];
    for (changes, reason, advice) in table {
        let world = World::with(|config| config["issuers"][0]["audiences"] = json!(["confluence"])).await;
        let mut forged = world.idp.claims("alice");
        forged.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let forged = keys::sign(keys::other(), "k1", &forged);
        assert_eq!(world.get_as("/rest/api/content", &forged).await.reason(), "signature_invalid");
        assert_eq!(told(&world).await, [""; 0], "whoever makes tokens up writes nothing into status");

        let reply = world.get_as("/rest/api/content", &world.idp.token_with(changes.clone())).await;
        assert_eq!(reply.reason(), reason, "{changes}");
        assert_eq!(told(&world).await, [advice], "{changes}");
        let light = reply.json()["message"].as_str().unwrap().contains("It is a lightweight access token");
        assert_eq!(light, advice == "LightweightTokens", "{changes}");
        let status = world.status().await.to_string();
        assert!(!["payroll", "onl", "alice", "scripts"].iter().any(|part| status.contains(part)), "{status}");
    }
}

#[tokio::test]
async fn other_refusals_and_good_tokens_are_no_advice() {
    let world = World::with(|config| {
        config["issuers"][0]["audiences"] = json!(["confluence"]);
        config["issuers"][0]["authorizedParties"] = json!(["scripts"]);
    })
    .await;
    let now = keys::now();
    for (changes, status) in [
        (json!({"aud": "confluence"}), 200),
        (json!({"aud": "confluence", "exp": now - 90}), 401),
        (json!({"aud": "confluence", "azp": "other"}), 401),
        (json!({"aud": "confluence", "typ": "ID"}), 401),
        (json!({"aud": "confluence", "preferred_username": null}), 403),
    ] {
        let reply = world.get_as("/rest/api/content", &world.idp.token_with(changes.clone())).await;
        assert_eq!(reply.status, status, "{changes}");
    }
    assert_eq!(told(&world).await, [""; 0]);
}
