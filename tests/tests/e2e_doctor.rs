//! What is wrong between the realm, the policy and the network, and what the status of the wiki's policy says of it, beside what
//! `e2e_bad_input` shows without pods and `e2e_provisioning` with an audience. Runs after the guide, which leaves the policy Ready,
//! and leaves it so.
#![cfg(feature = "cluster-tests")]

use anyhow::{Result, ensure};
use restward_tests::{
    command::kubectl,
    keycloak::{by_client_credentials, token_of},
    policy::{self, until, until_advised},
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, ECHO, get, token_names_its_user},
    world::{WIKI, WIKI_NAMESPACE, World},
};
use serde_json::{Value, json};

/// Where the policy's `backchannelURL` leads.
const KEYCLOAK: &str = "keycloak.keycloak.svc";
/// Of a network that is nowhere (RFC 5737).
const NOWHERE: &str = "192.0.2.1";

/// One test, as all of it changes the same policy.
#[tokio::test]
async fn status_says_what_is_wrong_and_what_to_do() {
    let world = World::find().await.unwrap();
    is_ready().await.unwrap();
    lightweight_tokens(&world).await.unwrap();
    tokens_without_openid(&world).await.unwrap();
    validate(&Value::Null).await.unwrap();
    is_ready().await.unwrap();
    blocked_egress(&world).await.unwrap();
    is_ready().await.unwrap();
}

async fn is_ready() -> Result<()> {
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.map(drop)
}

async fn validate(validation: &Value) -> Result<()> {
    policy::patch(&json!({"spec": {"tokens": {"validation": validation}}}).to_string()).await?;
    until(WIKI_NAMESPACE, policy::NAME, "ConfigCurrent", "True", "Current", QUICK).await.map(drop)
}

/// Each call with the token is refused for this reason.
async fn is_refused(world: &World, token: String, reason: &str) -> Result<()> {
    let token = Auth::Bearer(token);
    eventually(&format!("a call is refused: {reason}"), QUICK, || async {
        let answer = get(world, ECHO, &token).await?;
        ensure!(answer.reason().as_deref() == Some(reason), "{} {:?}", answer.status, answer.reason());
        Ok(())
    })
    .await
}

/// Nobody asks the realm what they leave out.
async fn lightweight_tokens(world: &World) -> Result<()> {
    validate(&json!("Local")).await?;
    is_refused(world, token_of(world, "wiki-light", "alice").await?, "username_unusable").await?;
    until_advised("LightweightTokens", "spec.keycloak.clientSecretRef", true).await
}

async fn tokens_without_openid(world: &World) -> Result<()> {
    validate(&json!("UserInfo")).await?;
    is_refused(world, by_client_credentials(world, "reports").await?, "openid_scope_missing").await?;
    until_advised("OpenidMissing", "scope=openid", true).await
}

/// The pods cannot reach the address that the operator reaches: in their eyes its name leads nowhere.
async fn blocked_egress(world: &World) -> Result<()> {
    roll_out(json!({"ip": NOWHERE, "hostnames": [KEYCLOAK]})).await?;
    let message =
        until(WIKI_NAMESPACE, policy::NAME, "IdentityProviderReachable", "False", "Degraded", SLOW).await?;
    for part in [KEYCLOAK, "network policy", "the pods' egress is blocked"] {
        ensure!(message.contains(part), "'{part}' is not in: {message}");
    }
    // The pod that has just come has the keys that the operator saw.
    token_names_its_user(world, SLOW).await?;
    roll_out(json!({"ip": NOWHERE, "$patch": "delete"})).await
}

async fn roll_out(alias: Value) -> Result<()> {
    let patch = json!({"spec": {"template": {"spec": {"hostAliases": [alias]}}}}).to_string();
    let workload = format!("statefulset/{WIKI}");
    kubectl(&["patch", &workload, "-n", WIKI_NAMESPACE, "-p", &patch]).await?;
    kubectl(&["rollout", "status", &workload, "-n", WIKI_NAMESPACE, "--timeout=300s"]).await.map(drop)
}
