//! The key of the application link is replaced under people who never stop calling, first by an administrator's call and then
//! by the sidecars, which make the link as well. Runs after the guide, which leaves the wiki's policy Ready, and leaves it so.
#![cfg(feature = "cluster-tests")]
#![allow(clippy::indexing_slicing, reason = "indexing a JSON value by a name gives Null, it does not panic")]

use anyhow::{Result, anyhow, ensure};
use reqwest::Method;
use restward_tests::{
    caller::Caller,
    command::{kubectl, kubectl_json},
    keycloak::user_token,
    policy::{self, until},
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, ECHO, call, finish, get},
    world::{WIKI, WIKI_NAMESPACE, World},
};
use serde_json::{Value, json};

const CLIENT: &str = "wiki-rest";
const ROUNDS_PER_TOKEN: u32 = 250;
const LINKS: &str = "/rest/applinks/3.0/applicationlink";
const ROTATE: &str = "restward.io/rotate-consumer-key";

/// One test, as all of it changes the same policy and link.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_replaced_without_a_failed_call_by_hand_and_by_the_sidecars() {
    let world = World::find().await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
    rotate_by_hand(&world).await.unwrap();
    // The stand-in's own administrator, whose token is in a Secret of the namespace already.
    keep(r#"{"mode":"Managed","adminTokenSecretRef":{"name":"wiki-admin","key":"token"}}"#).await.unwrap();
    // The token is mounted in new pods.
    restart().await.unwrap();
    a_link_that_is_taken_away_comes_back(&world).await.unwrap();
    rotate_by_the_sidecars(&world).await.unwrap();
    keep("null").await.unwrap();
    // And not in those after them.
    restart().await.unwrap();
}

async fn restart() -> Result<()> {
    let workload = format!("statefulset/{WIKI}");
    kubectl(&["rollout", "restart", &workload, "-n", WIKI_NAMESPACE]).await?;
    kubectl(&["rollout", "status", &workload, "-n", WIKI_NAMESPACE, "--timeout=300s"]).await?;
    until(WIKI_NAMESPACE, policy::NAME, "Injected", "True", "Injected", QUICK).await?;
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.map(drop)
}

async fn keep(application_link: &str) -> Result<()> {
    policy::patch(&format!(
        r#"{{"spec":{{"upstream":{{"identity":{{"oauth1":{{"applicationLink":{application_link}}}}}}}}}}}"#
    ))
    .await?;
    // A pod that is made before the operator knows is injected by the policy from before.
    until(WIKI_NAMESPACE, policy::NAME, "Programmed", "True", "Programmed", QUICK).await.map(drop)
}

/// `status.applicationLink`.
async fn shown() -> Result<Value> {
    Ok(policy::read().await?["status"]["applicationLink"].clone())
}

/// What status says of configuration and link.
async fn conditions() -> Result<String> {
    let policy = policy::read().await?;
    let told = ["ConfigCurrent", "UpstreamTrusted"].map(|kind| policy::condition(&policy, kind));
    Ok(format!("{told:?}"))
}

async fn ask_for_a_new_key(value: &str) -> Result<()> {
    let policy = format!("restapiauthpolicy/{}", policy::NAME);
    let annotation = format!("{ROTATE}={value}-{}", std::process::id());
    kubectl(&["annotate", &policy, "-n", WIKI_NAMESPACE, "--overwrite", &annotation]).await.map(drop)
}

async fn rotate_by_hand(world: &World) -> Result<()> {
    let caller = Caller::start(world, CLIENT, ROUNDS_PER_TOKEN);
    let before = shown().await?;
    let status_key = stored("status-key").await?;
    ask_for_a_new_key("by-hand").await?;
    let next = eventually("every sidecar has the next key", QUICK, || async {
        let next = shown().await?["next"].clone();
        ensure!(next["allHaveIt"] == true, "{next}");
        Ok(next)
    })
    .await?;
    ensure!(
        next["fingerprint"] != before["fingerprint"] && next["instructions"].to_string().contains("curl"),
        "{next}"
    );
    the_status_key_is_another(&status_key).await?;
    let key = before["consumerKey"].as_str().ok_or_else(|| anyhow!("no consumer key"))?;
    let body = json!({"key": key, "name": key, "description": null, "sharedSecret": null, "publicKey": next["publicKey"],
        "outgoing": false, "twoLOAllowed": true, "executingTwoLOUser": null, "twoLOImpersonationAllowed": true});
    let path =
        format!("/rest/applinks-oauth/1.0/applicationlink/{}/authentication/consumer", link(world).await?);
    let request = world.http.put(format!("{}{path}", world.wiki_url)).json(&body);
    let put = finish(request, &Auth::Bearer(world.admin_token.clone())).await?;
    ensure!(put.status == 201, "{put:?}");
    until_it_is_the_key(&next["fingerprint"]).await?;
    caller.stop_clean().await.map(drop)
}

/// An item of the policy's keys; `Null` when it is not there.
async fn stored(item: &str) -> Result<Value> {
    let uid = policy::read().await?["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let secret = kubectl_json(&["get", "secret", "restward-keys", "-n", WIKI_NAMESPACE]).await?;
    Ok(secret["data"][format!("{uid}.{item}")].clone())
}

/// Before anybody has put anything into the link, and every sidecar is heard by it.
async fn the_status_key_is_another(before: &Value) -> Result<()> {
    eventually("the status key from before is deleted", QUICK, || async {
        ensure!(stored("previous-status-key").await?.is_null(), "it is there");
        Ok(())
    })
    .await?;
    let now = stored("status-key").await?;
    ensure!(now.is_string() && before.is_string() && now != *before, "the status key is the one from before");
    until(WIKI_NAMESPACE, policy::NAME, "ConfigCurrent", "True", "Current", QUICK).await.map(drop)
}

async fn rotate_by_the_sidecars(world: &World) -> Result<()> {
    let caller = Caller::start(world, CLIENT, ROUNDS_PER_TOKEN);
    let before = shown().await?;
    ask_for_a_new_key("managed").await?;
    eventually("the sidecars have replaced the key", QUICK, || async {
        let now = shown().await?;
        ensure!(now["next"].is_null() && now["fingerprint"] != before["fingerprint"], "{now}");
        Ok(())
    })
    .await?;
    caller.stop_clean().await?;
    until(WIKI_NAMESPACE, policy::NAME, "UpstreamTrusted", "True", "Trusted", QUICK).await.map(drop)
}

async fn until_it_is_the_key(fingerprint: &Value) -> Result<()> {
    eventually("the next key is the key", QUICK, || async {
        let now = shown().await?;
        ensure!(now["next"].is_null() && now["fingerprint"] == *fingerprint, "{now}");
        Ok(())
    })
    .await
}

async fn a_link_that_is_taken_away_comes_back(world: &World) -> Result<()> {
    let admin = Auth::Bearer(world.admin_token.clone());
    let gone = call(world, Method::DELETE, &format!("{LINKS}/{}", link(world).await?), &admin).await?;
    ensure!(gone.status == 200, "{gone:?}");
    let bearer = Auth::Bearer(user_token(world, "alice").await?);
    eventually("the sidecars make it again", QUICK, || async {
        let answer = get(world, ECHO, &bearer).await?;
        let is_alice = answer.echoed_user().as_deref() == Some("alice");
        ensure!(is_alice, "{} {:?}; {}", answer.status, answer.reason(), conditions().await?);
        let told = shown().await?["repaired"].clone();
        ensure!(told.as_str().is_some_and(|told| told.contains("it was made")), "{told}");
        let events =
            kubectl(&["get", "events", "-n", WIKI_NAMESPACE, "-o", "jsonpath={.items[*].reason}"]).await?;
        ensure!(events.contains("ApplicationLinkRepaired"), "no Event tells");
        Ok(())
    })
    .await
}

/// Id of the policy's link.
async fn link(world: &World) -> Result<String> {
    let key = shown().await?["consumerKey"].clone();
    let listed =
        get(world, "/rest/applinks/latest/listApplicationlinks", &Auth::Bearer(world.admin_token.clone()))
            .await?;
    let listed = listed.json();
    let all = listed["list"].as_array().ok_or_else(|| anyhow!("no list: {listed}"))?;
    let own = all.iter().map(|entry| &entry["application"]).find(|link| link["name"] == key);
    Ok(own.and_then(|link| link["id"].as_str()).ok_or_else(|| anyhow!("no link in {listed}"))?.to_owned())
}
