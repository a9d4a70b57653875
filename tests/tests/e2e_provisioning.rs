//! `keycloak.provisioning`: the operator makes what callers need in the realm, keeps it and takes it away. Runs after the guide,
//! which leaves the wiki's policy Ready, and leaves it so.
#![cfg(feature = "cluster-tests")]
#![allow(clippy::indexing_slicing, reason = "indexing a JSON value by a name gives Null, it does not panic")]

use anyhow::{Context as _, Result, ensure};
use restward_tests::{
    command::{apply, kubectl},
    keycloak::{by_client_secret, user_token},
    policy::{self, until},
    realm, release,
    wait::{SLOW, eventually},
    wiki::{Auth, ECHO, get},
    world::{WIKI_NAMESPACE, World},
};
use serde_json::{Value, json};

/// The operator's client in the realm, and the Secret that says so.
const MANAGER: &str = "restward-operator";
const MANAGER_SECRET: &str = "restward-operator-secret-of-the-test";
const REFERENCE: &str = "keycloak-admin";
/// The chart's value with the Secrets that the operator may read.
const READABLE: &str = "keycloakProvisioning.secretNames";
/// A script's client, and its user in Confluence.
const SCRIPT: &str = "nightly";
const USER: &str = "svc-reports";
const ANOTHER: &str = "weekly";
const AUDIENCE: &str = "wiki-api";

/// One test, as all of it changes the same policy and realm.
#[tokio::test]
async fn a_script_gets_its_client_by_the_policy() {
    let world = World::find().await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
    realm::create_manager_of_clients(&world, MANAGER, MANAGER_SECRET).await.unwrap();
    name_the_manager(&world).await.unwrap();
    wish_for(&[SCRIPT]).await.unwrap();
    is_advised_of("ProvisioningFailed", "keycloakProvisioning.secretNames").await.unwrap();
    release::set(READABLE, &json!([REFERENCE])).await.unwrap();

    is_made(&[SCRIPT]).await.unwrap();
    is_told(&format!("make the client '{SCRIPT}'")).await.unwrap();
    the_script_calls(&world).await.unwrap();
    others_lack_the_audience(&world).await.unwrap();
    // The realm is looked at every five minutes, and when the policy wants something else.
    realm::delete_client(&world, SCRIPT).await.unwrap();
    wish_for(&[SCRIPT, ANOTHER]).await.unwrap();
    is_made(&[SCRIPT, ANOTHER]).await.unwrap();
    is_told(&format!("make the client '{ANOTHER}'")).await.unwrap();
    the_script_calls(&world).await.unwrap();
    it_is_taken_away(&world).await.unwrap();
    as_before(&world).await.unwrap();
}

async fn name_the_manager(world: &World) -> Result<()> {
    let secret = json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": REFERENCE, "namespace": WIKI_NAMESPACE},
        "stringData": {"keycloak-url": "https://keycloak.keycloak.svc:8443/auth", "admin-client-id": MANAGER,
            "admin-client-secret": MANAGER_SECRET, "ca.crt": world.ca_pem}});
    apply(&secret.to_string()).await.map(drop)
}

async fn wish(provisioning: Value) -> Result<()> {
    let accounts = json!([{"client": "reports", "username": USER}, {"client": SCRIPT, "username": USER}]);
    let change = json!({"keycloak": {"provisioning": provisioning}, "tokens": {"audiences": [AUDIENCE]},
        "serviceAccounts": accounts});
    policy::patch(&json!({"spec": change}).to_string()).await
}

async fn wish_for(clients: &[&str]) -> Result<()> {
    let clients: Vec<_> =
        clients.iter().map(|client| json!({"client": client, "purpose": "ServiceAccount"})).collect();
    wish(json!({"adminSecretRef": {"name": REFERENCE}, "clientScope": AUDIENCE, "clients": clients})).await
}

async fn is_advised_of(advice: &str, what: &str) -> Result<()> {
    policy::until_advised(advice, what, true).await?;
    ensure!(!policy::read().await?.to_string().contains(MANAGER_SECRET), "the policy holds the secret");
    Ok(())
}

/// With the secret that Keycloak made.
async fn the_script_calls(world: &World) -> Result<()> {
    eventually("the script's client is there, and Confluence knows it", SLOW, || async {
        let client = realm::client(world, SCRIPT).await?.context("no such client")?;
        let secret = client["secret"].as_str().context("no secret")?;
        let token = Auth::Bearer(by_client_secret(world, SCRIPT, secret).await?);
        let answer = get(world, ECHO, &token).await?;
        ensure!(answer.echoed_user().as_deref() == Some(USER), "{} {:?}", answer.status, answer.reason());
        Ok(())
    })
    .await
}

async fn is_made(clients: &[&str]) -> Result<()> {
    eventually("status tells what was made", SLOW, || async {
        let status = policy::read().await?["status"]["provisioning"].clone();
        ensure!(status["clientScope"] == AUDIENCE && status["clients"] == json!(clients), "{status}");
        Ok(())
    })
    .await
}

/// By an Event that says this.
async fn is_told(what: &str) -> Result<()> {
    eventually(&format!("an Event tells: {what}"), SLOW, || async {
        let field = "--field-selector=reason=RealmProvisioned";
        let notes = "jsonpath={.items[*].message}";
        let events = kubectl(&["get", "events", "-n", WIKI_NAMESPACE, field, "-o", notes]).await?;
        ensure!(events.contains(what), "{events}");
        Ok(())
    })
    .await
}

/// And the administrator is told why.
async fn others_lack_the_audience(world: &World) -> Result<()> {
    let token = Auth::Bearer(user_token(world, "alice").await?);
    let answer = get(world, ECHO, &token).await?;
    ensure!(answer.status == 401 && answer.reason().as_deref() == Some("audience_mismatch"), "{answer:?}");
    is_advised_of("AudienceMissing", "spec.tokens.audiences").await
}

async fn it_is_taken_away(world: &World) -> Result<()> {
    wish(json!({"state": "Absent"})).await?;
    eventually("what was made is gone", SLOW, || async {
        for client in [SCRIPT, ANOTHER] {
            ensure!(realm::client(world, client).await?.is_none(), "the client {client} is there");
        }
        ensure!(!realm::has_client_scope(world, AUDIENCE).await?, "the client scope is there");
        let status = policy::read().await?["status"]["provisioning"].clone();
        ensure!(status["clientScope"].is_null() && status["clients"].is_null(), "{status}");
        Ok(())
    })
    .await
}

async fn as_before(world: &World) -> Result<()> {
    let change = json!({"keycloak": {"provisioning": null}, "tokens": {"audiences": null},
        "serviceAccounts": [{"client": "reports", "username": USER}]});
    policy::patch(&json!({"spec": change}).to_string()).await?;
    release::set(READABLE, &json!([])).await?;
    kubectl(&["delete", "secret", REFERENCE, "-n", WIKI_NAMESPACE]).await?;
    realm::delete_client(world, MANAGER).await?;
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.map(drop)
}
