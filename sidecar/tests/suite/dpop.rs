//! Tokens that are bound to a key of the client (RFC 9449).

use serde_json::json;

use crate::support::{Reply, World, keys};

const URL: &str = "https://wiki.example.com";
const API: &str = "/rest/api/content";

async fn world() -> World {
    World::with(|config| config["externalURLs"] = json!([URL])).await
}

fn bound(world: &World) -> String {
    world.idp.token_with(json!({"typ": "DPoP", "cnf": {"jkt": keys::thumbprint(keys::other())}}))
}

fn proof(method: &str, target: &str, token: &str) -> String {
    keys::proof(keys::other(), method, &format!("{URL}{target}"), Some(token))
}

async fn show(world: &World, scheme: &str, token: &str, proofs: &[&str]) -> Reply {
    let authorization = format!("{scheme} {token}");
    let mut headers = vec![("Authorization", authorization.as_str())];
    headers.extend(proofs.iter().map(|proof| ("DPoP", *proof)));
    world.get(&format!("{API}?limit=1"), &headers).await
}

#[tokio::test]
async fn a_bound_token_counts_with_a_fresh_proof_only() {
    let world = world().await;
    let token = bound(&world);
    for scheme in ["DPoP", "dpop"] {
        let reply = show(&world, scheme, &token, &[&proof("GET", API, &token)]).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"user":"alice"}"#));
    }
    let arrived = world.wiki.last();
    assert_eq!(arrived.header("dpop"), None);
    assert!(arrived.all("authorization").iter().all(|value| value.starts_with("OAuth ")));

    // The token is remembered now: with its key, and neither without one nor with another.
    assert_eq!(show(&world, "Bearer", &token, &[]).await.reason(), "proof_required");
    let strangers = keys::proof(keys::realm(), "GET", &format!("{URL}{API}"), Some(&token));
    assert_eq!(show(&world, "DPoP", &token, &[&strangers]).await.reason(), "proof_invalid");

    let used = proof("GET", API, &token);
    assert_eq!(show(&world, "DPoP", &token, &[&used]).await.status, 200);
    let again = show(&world, "DPoP", &token, &[&used]).await;
    assert_eq!((again.status, again.reason().as_str()), (401, "proof_replayed"));
    let challenge = again.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with("DPoP ") && challenge.contains("error=\"invalid_dpop_proof\""),
        "{challenge}"
    );
}

#[tokio::test]
async fn a_used_proof_stays_used_when_the_configuration_changes() {
    let mut world = world().await;
    let token = bound(&world);
    let used = proof("GET", API, &token);
    assert_eq!(show(&world, "DPoP", &token, &[&used]).await.status, 200);
    world.reconfigure(|config| config["basicAuth"] = json!("Deny")).await;
    let again = show(&world, "DPoP", &token, &[&used]).await;
    assert_eq!((again.status, again.reason().as_str()), (401, "proof_replayed"));
    assert_eq!(show(&world, "DPoP", &token, &[&proof("GET", API, &token)]).await.status, 200);
}

#[tokio::test]
async fn what_does_not_belong_together_is_refused() {
    let world = world().await;
    let (token, plain) = (bound(&world), world.idp.token("alice"));
    let good = || proof("GET", API, &token);
    let strangers = keys::proof(keys::realm(), "GET", &format!("{URL}{API}"), Some(&token));
    let cases = [
        ("Bearer", &token, vec![], "proof_required"),
        ("Bearer", &token, vec![good()], "proof_required"),
        ("DPoP", &token, vec![], "proof_invalid"),
        ("DPoP", &token, vec![good(), good()], "proof_invalid"),
        ("DPoP", &token, vec!["a b".to_owned()], "proof_invalid"),
        ("DPoP", &token, vec![strangers], "proof_invalid"),
        ("DPoP", &token, vec![proof("POST", API, &token)], "proof_invalid"),
        ("DPoP", &token, vec![proof("GET", "/rest/api/user", &token)], "proof_invalid"),
        ("DPoP", &token, vec![proof("GET", API, &plain)], "proof_invalid"),
        ("DPoP", &plain, vec![proof("GET", API, &plain)], "proof_invalid"),
    ];
    for (scheme, token, proofs, reason) in cases {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let reply = show(&world, scheme, token, &proofs).await;
        assert_eq!((reply.status, reply.reason().as_str()), (401, reason), "{scheme} {proofs:?}");
    }
    let opaque = show(&world, "DPoP", "opaque", &[&good()]).await;
    assert_eq!((opaque.status, opaque.reason().as_str()), (401, "token_malformed"));
    assert!(world.wiki.arrived().is_empty());
}

#[tokio::test]
async fn without_external_urls_bound_tokens_are_refused() {
    let world = World::new().await;
    let token = bound(&world);
    let reply = show(&world, "DPoP", &token, &[&proof("GET", API, &token)]).await;
    assert_eq!((reply.status, reply.reason().as_str()), (401, "proof_invalid"));
    assert!(reply.text().contains("administrator has to list"), "{}", reply.text());
}
