//! The application link: what works before it exists, what status says, and the three calls that make it.

use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    keycloak::user_token,
    policy,
    table::Table,
    wait::{QUICK, eventually},
    wiki::{Answer, Auth, CONTENT, finish, get},
    world::{WIKI_NAMESPACE, World},
};

pub(super) async fn before_the_link(world: &World, table: &mut Table) -> Result<()> {
    table.section("Before the application link exists");
    let patience = Duration::from_mins(3);
    let message =
        policy::until(WIKI_NAMESPACE, policy::NAME, "UpstreamTrusted", "False", "LinkMissing", patience)
            .await?;
    policy::is_shown_as(table, "Suspended").await?;
    let link = policy::read().await?["status"]["applicationLink"].clone();
    let steps = link["instructions"].to_string();
    let told = link["publicKey"].as_str().is_some_and(|key| key.contains("BEGIN PUBLIC KEY"))
        && steps.matches("curl").count() >= 3;
    table.add(
        "status shows the public key, three calls and the clicks",
        "yes",
        message.chars().take(80).collect::<String>(),
        told,
    );
    let token = user_token(world, "alice").await?;
    table.refused("valid token", 503, "link_missing", &get(world, CONTENT, &Auth::Bearer(token)).await?);
    table.status(
        "personal access token",
        200,
        &get(world, CONTENT, &Auth::Bearer(world.admin_token.clone())).await?,
    );
    table.status("login page", 200, &get(world, "/login.action", &Auth::None).await?);
    Ok(())
}

pub(super) async fn make_the_link(world: &World, table: &mut Table) -> Result<()> {
    table.section("The three calls that make the link (a system administrator's token)");
    let link = policy::read().await?["status"]["applicationLink"].clone();
    let key = link["consumerKey"].as_str().ok_or_else(|| anyhow!("status shows no consumer key"))?;
    let url = "https://restward.invalid";
    let body = json!({"id": null, "name": key, "rpcUrl": url, "displayUrl": url, "typeId": "generic"});
    let made = put(world, "/rest/applinks/3.0/applicationlink", &body).await?;
    table.status("PUT applicationlink", 201, &made);
    let id = link_id(&made.json())?;

    let body = json!({"key": key, "name": key, "description": null, "sharedSecret": null, "publicKey": link["publicKey"],
        "outgoing": false, "twoLOAllowed": true, "executingTwoLOUser": null, "twoLOImpersonationAllowed": true});
    let path = format!("/rest/applinks-oauth/1.0/applicationlink/{id}/authentication/consumer");
    table.status("PUT consumer", 201, &put(world, &path, &body).await?);

    let body = json!({"incoming": {"enabled": true, "twoLoEnabled": true, "twoLoImpersonationEnabled": true},
        "outgoing": {"enabled": false, "twoLoEnabled": false, "twoLoImpersonationEnabled": false}});
    table.status(
        "PUT status",
        204,
        &put(world, &format!("/rest/applinks/3.0/status/{id}/oauth"), &body).await?,
    );

    let message =
        policy::until(WIKI_NAMESPACE, policy::NAME, "UpstreamTrusted", "True", "Trusted", QUICK).await?;
    table.add(
        "status: UpstreamTrusted",
        "True",
        format!("True: {}", message.chars().take(80).collect::<String>()),
        true,
    );
    policy::until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", QUICK).await?;
    policy::is_shown_as(table, "Healthy").await?;
    let token = user_token(world, "alice").await?;
    eventually("a valid token is served", QUICK, || async {
        let answer = get(world, CONTENT, &Auth::Bearer(token.clone())).await?;
        ensure!(answer.status == 200, "{} {:?}", answer.status, answer.reason());
        Ok(())
    })
    .await
}

async fn put(world: &World, path: &str, body: &Value) -> Result<Answer> {
    let request = world
        .http
        .request(Method::PUT, format!("{}{path}", world.wiki_url))
        .header("accept", "application/json")
        .json(body);
    finish(request, &Auth::Bearer(world.admin_token.clone())).await
}

/// The new link's id: the last segment of the link that the answer carries.
fn link_id(answer: &Value) -> Result<String> {
    let text = answer.to_string();
    let Some(at) = text.find("/applicationlink/") else { bail!("no link in the answer: {text}") };
    let rest = text.get(at + "/applicationlink/".len()..).unwrap_or_default();
    Ok(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect())
}
