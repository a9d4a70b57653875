//! Changing the realm as its administrator does.

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::World;

const REALM: &str = "atlassian";

/// Sets a client's secret.
///
/// # Errors
/// When Keycloak refuses.
pub async fn set_secret(world: &World, client: &str, secret: &str) -> Result<()> {
    let found = ask(world, Method::GET, &format!("/clients?clientId={client}"), None).await?;
    let mut client = found[0].clone();
    let id = client["id"].as_str().with_context(|| format!("no such client: {found}"))?.to_owned();
    client["secret"] = secret.into();
    ask(world, Method::PUT, &format!("/clients/{id}"), Some(&client)).await.map(drop)
}

/// Makes this the URL under which the realm issues tokens; the empty one is Keycloak's own `hostname` again.
///
/// # Errors
/// When Keycloak refuses.
pub async fn set_frontend_url(world: &World, url: &str) -> Result<()> {
    ask(world, Method::PUT, "", Some(&json!({"attributes": {"frontendUrl": url}}))).await.map(drop)
}

async fn ask(world: &World, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
    let form = [
        ("grant_type", "password"),
        ("client_id", "admin-cli"),
        ("username", "admin"),
        ("password", "admin-password"),
    ];
    let token = world
        .https
        .post(format!("{}/realms/master/protocol/openid-connect/token", world.keycloak_url))
        .form(&form);
    let token: Value = token.send().await?.error_for_status()?.json().await?;
    let token = token["access_token"].as_str().context("no token for the administrator")?;
    let url = format!("{}/admin/realms/{REALM}{path}", world.keycloak_url);
    let request = world.https.request(method.clone(), url).bearer_auth(token);
    let request = if let Some(body) = body { request.json(body) } else { request };
    let answer = request.send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    if !status.is_success() {
        bail!("{method} {path} answered {status}: {text}");
    }
    Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
}
