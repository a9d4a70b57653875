//! The identity provider changes while people work: nobody's call fails.

use serde_json::json;

use crate::support::{CLIENT_SECRET, World, callers::Callers, eventually, idp::Idp, keys};

const API: &str = "/rest/api/content";
const NEXT_SECRET: &str = "the-next-secret";

/// A world in which the provider is asked about every token, as whose issuer it stays known wherever it is.
async fn introspecting() -> World {
    World::with(|config| {
        let issuer = format!("{}/realms/wiki", config["issuers"][0]["host"].as_str().unwrap());
        config["issuers"][0]["acceptedIssuers"] = json!([issuer]);
        config["issuers"][0]["ownClient"] = json!("secret");
        config["tokens"] = json!({"validation": "Introspection"});
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_clients_secret_is_replaced() {
    let mut world = introspecting().await;
    world.idp.online(|online| online.client_secret = Some(CLIENT_SECRET));
    let callers = Callers::start(&world);
    callers.make(20).await;
    world.mount_client_secret(Some(NEXT_SECRET)).await;
    callers.make(20).await;
    let status = world.status().await;
    assert_eq!(status["identityProvider"]["reason"], "Reachable");
    assert!(status["advisories"].to_string().contains("ClientSecretNotTaken: "), "{status}");
    // Something else changes before the provider hears of it.
    world.reconfigure(|config| config["basicAuth"] = json!("Deny")).await;
    callers.make(20).await;
    world.idp.online(|online| online.client_secret = Some(NEXT_SECRET));
    callers.make(50).await;
    let status = world.status().await;
    assert!(!status["advisories"].to_string().contains("ClientSecretNotTaken: "), "{status}");
    callers.end().await;
    // The secret from before is forgotten.
    world.idp.online(|online| online.client_secret = Some(CLIENT_SECRET));
    let reply = world.get_as(API, &world.idp.token_with(json!({"jti": "after"}))).await;
    assert_eq!((reply.status, reply.reason().as_str()), (503, "validation_unavailable"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_authorities_of_the_provider_are_replaced() {
    let mut world = World::new().await;
    let callers = Callers::start(&world);
    callers.make(20).await;
    world.mount_authority(keys::authority("first")).await;
    callers.make(20).await;
    world.idp.set_down(true);
    world.mount_authority(keys::authority("second")).await;
    callers.make(20).await;
    world.idp.set_down(false);
    world.has_metric("restward_sidecar_identity_provider_reachable 1").await;
    callers.make(20).await;
    callers.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_provider_moves_to_another_host() {
    let mut world = introspecting().await;
    let there = Idp::start().await;
    there.set_down(true);
    let callers = Callers::start(&world);
    callers.make(20).await;
    let host = there.base();
    world.reconfigure(|config| config["issuers"][0]["host"] = json!(host)).await;
    callers.make(20).await;
    assert_eq!(there.questions(), 0, "it does not answer yet");
    there.set_down(false);
    eventually("it is asked there", || async { there.questions() > 0 }).await;
    callers.make(50).await;
    world.idp.set_down(true);
    callers.make(50).await;
    callers.end().await;
}
