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
    let mut client = existing_client(world, client).await?;
    client["secret"] = secret.into();
    let path = path(&client)?;
    ask(world, Method::PUT, &path, Some(&client)).await.map(drop)
}

/// The client of this id, if there is one.
///
/// # Errors
/// When Keycloak refuses.
pub async fn client(world: &World, id: &str) -> Result<Option<Value>> {
    let found = ask(world, Method::GET, &format!("/clients?clientId={id}"), None).await?;
    Ok(found.get(0).cloned())
}

async fn existing_client(world: &World, id: &str) -> Result<Value> {
    client(world, id).await?.with_context(|| format!("no client {id}"))
}

fn path(client: &Value) -> Result<String> {
    Ok(format!("/clients/{}", client["id"].as_str().context("a client without an id")?))
}

/// Takes a client away.
///
/// # Errors
/// When there is none, or Keycloak refuses.
pub async fn delete_client(world: &World, id: &str) -> Result<()> {
    let path = path(&existing_client(world, id).await?)?;
    ask(world, Method::DELETE, &path, None).await.map(drop)
}

/// Whether there is a client scope of this name.
///
/// # Errors
/// When Keycloak refuses.
pub async fn has_client_scope(world: &World, name: &str) -> Result<bool> {
    let scopes = ask(world, Method::GET, "/client-scopes", None).await?;
    Ok(scopes.as_array().is_some_and(|scopes| scopes.iter().any(|scope| scope["name"] == name)))
}

/// Makes a client that may make others.
///
/// # Errors
/// When Keycloak refuses.
pub async fn create_manager_of_clients(world: &World, id: &str, secret: &str) -> Result<()> {
    let client = json!({"clientId": id, "secret": secret, "publicClient": false, "serviceAccountsEnabled": true,
        "standardFlowEnabled": false});
    ask(world, Method::POST, "/clients", Some(&client)).await?;
    let account = format!("{}/service-account-user", path(&existing_client(world, id).await?)?);
    let user = ask(world, Method::GET, &account, None).await?;
    let user = user["id"].as_str().context("no service account")?;
    let management = existing_client(world, "realm-management").await?;
    let role = ask(world, Method::GET, &format!("{}/roles/manage-clients", path(&management)?), None).await?;
    let management = management["id"].as_str().context("no id")?;
    let mappings = format!("/users/{user}/role-mappings/clients/{management}");
    ask(world, Method::POST, &mappings, Some(&json!([role]))).await.map(drop)
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
