//! Getting tokens as clients do.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, anyhow, bail};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::{
    command::run,
    wait::eventually,
    world::{ISSUER_HOST, World},
};

/// Asks the token endpoint of a realm.
///
/// # Errors
/// When Keycloak refuses; with its answer.
pub async fn token_response(world: &World, realm: &str, form: &[(&str, &str)]) -> Result<Value> {
    let url = format!("{}/realms/{realm}/protocol/openid-connect/token", world.keycloak_url);
    let answer = world.https.post(url).form(form).send().await?;
    let status = answer.status();
    let body: Value = answer.json().await?;
    if !status.is_success() {
        bail!("Keycloak answered {status}: {body}");
    }
    Ok(body)
}

fn access_token(response: &Value) -> Result<String> {
    response["access_token"].as_str().map(Into::into).ok_or_else(|| anyhow!("no access_token in the answer"))
}

/// A token by client credentials.
///
/// # Errors
/// When Keycloak refuses.
pub async fn by_client_credentials(world: &World, client: &str) -> Result<String> {
    by_client_secret(world, client, &format!("{client}-secret")).await
}

/// The same by a client with a secret of its own.
///
/// # Errors
/// When Keycloak refuses.
pub async fn by_client_secret(world: &World, client: &str, secret: &str) -> Result<String> {
    let form = [("grant_type", "client_credentials"), ("client_id", client), ("client_secret", secret)];
    access_token(&token_response(world, "atlassian", &form).await?)
}

/// Access and ID token by user name and password, which the test realm allows.
///
/// # Errors
/// When Keycloak refuses.
pub async fn by_password(world: &World, realm: &str, client: &str, user: &str) -> Result<Value> {
    let (secret, password) = (format!("{client}-secret"), password_of(user));
    let form = [
        ("grant_type", "password"),
        ("client_id", client),
        ("client_secret", &secret),
        ("username", user),
        ("password", &password),
        ("scope", "openid"),
    ];
    token_response(world, realm, &form).await
}

/// An access token by user name and password.
///
/// # Errors
/// When Keycloak refuses.
pub async fn user_token(world: &World, user: &str) -> Result<String> {
    token_of(world, "wiki-rest", user).await
}

/// The same by another client of the realm.
///
/// # Errors
/// When Keycloak refuses.
pub async fn token_of(world: &World, client: &str, user: &str) -> Result<String> {
    access_token(&by_password(world, "atlassian", client, user).await?)
}

/// Revokes one access token (RFC 7009).
///
/// # Errors
/// When Keycloak refuses.
pub async fn revoke(world: &World, client: &str, token: &str) -> Result<()> {
    let url = format!("{}/realms/atlassian/protocol/openid-connect/revoke", world.keycloak_url);
    let secret = format!("{client}-secret");
    let form = [("client_id", client), ("client_secret", &secret), ("token", token)];
    world.https.post(url).form(&form).send().await?.error_for_status()?;
    Ok(())
}

/// A user's password in the test realm: the first part of the name, in ASCII, and `-password`.
pub fn password_of(user: &str) -> String {
    format!("{}-password", user.split('-').next().unwrap_or(user).replace('ü', "ue"))
}

/// A token by authorization code: the real login form, driven by a script.
///
/// # Errors
/// When the flow fails.
pub async fn by_authorization_code(world: &World, user: &str) -> Result<String> {
    let base = format!("https://{ISSUER_HOST}/auth");
    let client = ["--client", "wiki-rest", "--client-secret", "wiki-rest-secret"];
    log_in(world, user, &[&["--url", &base, "--realm", "atlassian"][..], &client].concat()).await
}

/// What a person does who opens the page of a device code: logs in and says yes.
///
/// # Errors
/// When Keycloak shows something else.
pub async fn approve_device(world: &World, user: &str, page: &str) -> Result<()> {
    log_in(world, user, &["--device", page]).await.map(drop)
}

async fn log_in(world: &World, user: &str, more: &[&str]) -> Result<String> {
    let ca = std::env::temp_dir().join(format!("restward-ca-{}.crt", std::process::id()));
    std::fs::write(&ca, &world.ca_pem)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("standins/login");
    let resolve = format!("{ISSUER_HOST}:443:{}", world.keycloak_address);
    let password = password_of(user);
    let path = ca.to_string_lossy();
    let args = ["--user", user, "--password", &password, "--ca", &path, "--resolve", &resolve];
    let said = run(&script.to_string_lossy(), &[&args[..], more].concat(), None).await;
    std::fs::remove_file(&ca)?;
    Ok(said?.trim().to_owned())
}

/// Waits until `token` is expired beyond the tolerated difference of clocks.
///
/// # Errors
/// When the token has no `exp` or lives too long for a test.
pub async fn outlive(token: &str, clock_skew: Duration) -> Result<()> {
    let claims = token.split('.').nth(1).context("not a JWT")?;
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims)?)?;
    let end = claims["exp"].as_u64().context("no exp")? + clock_skew.as_secs() + 1;
    eventually("the short-lived token expires", Duration::from_mins(2), || async {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        if now > end { Ok(()) } else { bail!("{} s left", end - now) }
    })
    .await
}
