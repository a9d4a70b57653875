//! Tokens that are bound to a certificate of the client, which a proxy in front passes on (RFC 8705).

use base64::{Engine as _, prelude::BASE64_STANDARD};
use restward_sidecar::certificate::Thumbprint;
use serde_json::{Value, json};

use crate::support::{World, keys};

const API: &str = "/rest/api/content";

async fn world(trusted: Value) -> World {
    World::with(|config| config["trustedProxies"] = trusted).await
}

fn by_proxy() -> Value {
    json!({"cidrs": ["127.0.0.1/32"], "clientCertificateHeader": "Client-Cert"})
}

fn bound(world: &World, certificate: &[u8]) -> String {
    world.idp.token_with(json!({"cnf": {"x5t#S256": Thumbprint::of_der(certificate).as_str()}}))
}

async fn show(world: &World, token: &str, certificates: &[&[u8]]) -> (u16, String) {
    let authorization = format!("Bearer {token}");
    let lines: Vec<_> = certificates.iter().map(|der| format!(":{}:", BASE64_STANDARD.encode(der))).collect();
    let mut headers = vec![("Authorization", authorization.as_str())];
    headers.extend(lines.iter().map(|line| ("Client-Cert", line.as_str())));
    let reply = world.get(API, &headers).await;
    let user = reply.json()["user"].as_str().map(str::to_owned);
    (reply.status, user.unwrap_or_else(|| reply.reason()))
}

#[tokio::test]
async fn a_bound_token_counts_over_its_holders_connection_only() {
    let world = world(by_proxy()).await;
    let mine = keys::certificate(keys::other());
    let token = bound(&world, &mine);
    let (accepted, refused) = ((200, "alice".to_owned()), (401, "certificate_required".to_owned()));
    assert_eq!(show(&world, &token, &[]).await, refused);
    assert_eq!(show(&world, &token, &[&mine]).await, accepted);
    // Now the token is remembered: with its certificate, not without.
    assert_eq!(show(&world, &token, &[]).await, refused);
    assert_eq!(show(&world, &token, &[b"another"]).await, refused);
    assert_eq!(show(&world, &token, &[b"another", &mine]).await, refused);
    assert_eq!(show(&world, &world.idp.token("alice"), &[&mine]).await, accepted, "bound to none");
}

#[tokio::test]
async fn only_a_trusted_proxy_says_who_is_connected() {
    let elsewhere = json!({"cidrs": ["192.0.2.0/24"], "clientCertificateHeader": "Client-Cert"});
    let mine = keys::certificate(keys::other());
    for trusted in [json!({}), json!({"cidrs": ["127.0.0.1/32"]}), elsewhere] {
        let world = world(trusted.clone()).await;
        let outcome = show(&world, &bound(&world, &mine), &[&mine]).await;
        assert_eq!(outcome, (401, "certificate_required".to_owned()), "{trusted}");
    }
}
