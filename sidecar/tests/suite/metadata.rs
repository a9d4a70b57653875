//! RFC 9728: from a refusal to the identity provider, as an OAuth-aware client goes.

use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn a_refused_client_finds_the_identity_provider() {
    let world = World::start(
        |_| {},
        |pod| {
            pod.context_path = "/confluence".into();
            pod.scheme = Some(restward_crds::sidecar::terms::Scheme::Https);
        },
        |_, _| {},
    )
    .await;
    world.has_metric("restward_sidecar_keys_usable 1").await;
    let refused = world.get("/confluence/rest/api/content", &[]).await;
    let challenge = refused.header("www-authenticate").unwrap();
    let named = challenge.split("resource_metadata=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(named, "https://wiki.example.com/confluence/.well-known/oauth-protected-resource");

    for path in [
        "/confluence/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/confluence",
        "/.well-known/oauth-protected-resource",
    ] {
        let reply = world.get(path, &[]).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
        let want = json!({
            "resource": "https://wiki.example.com/confluence", "resource_name": "Confluence REST API",
            "authorization_servers": [world.idp.issuer()], "bearer_methods_supported": ["header"],
        });
        assert_eq!(reply.json(), want, "{path}");
    }
    let arrived = world.wiki.arrived();
    // The sidecar's own question.
    assert!(arrived.iter().all(|it| it.target == "/confluence/status"), "{arrived:?}");
    let other = world.send("POST", "/confluence/.well-known/oauth-protected-resource", &[], "").await;
    assert_eq!(other.text(), r#"{"user":"anonymous"}"#);
}

#[tokio::test]
async fn the_policy_may_say_how_clients_reach_the_wiki() {
    let world =
        World::with(|config| config["externalURLs"] = json!(["https://wiki.example.com:8443/"])).await;
    let document = world.get("/.well-known/oauth-protected-resource", &[("Host", "evil.example.com")]).await;
    assert_eq!(document.json()["resource"], "https://wiki.example.com:8443");
}

#[tokio::test]
async fn what_nobody_knows_is_not_made_up() {
    let world = World::start(|_| {}, |_| {}, |idp, _| idp.set_down(true)).await;
    let reply = world.get("/.well-known/oauth-protected-resource", &[]).await;
    assert_eq!((reply.status, reply.reason().as_str()), (503, "keys_unavailable"));
    let two_hosts = [("Host", "wiki"), ("Host", "evil.example.com")];
    let refused = world.get("/rest/api/content", &two_hosts).await;
    assert_eq!((refused.status, refused.header("www-authenticate")), (400, None));
}

#[tokio::test]
async fn off_serves_nothing_of_its_own_and_required_scopes_are_named() {
    let path = "/.well-known/oauth-protected-resource";
    let mut world = World::with(|config| config["mode"] = json!("Off")).await;
    assert_eq!(world.get(path, &[]).await.text(), r#"{"user":"anonymous"}"#);
    world
        .reconfigure(|config| {
            config["mode"] = json!("Enforce");
            config["tokens"] = json!({"required": {"scopes": ["wiki"]}});
        })
        .await;
    assert_eq!(world.get(path, &[]).await.json()["scopes_supported"], json!(["wiki"]));
}
