//! Tokens that reach Confluence as their user, and tokens that do not.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};

use crate::{
    keycloak::{by_authorization_code, by_client_credentials, by_password, outlive, user_token},
    table::Table,
    wiki::{Answer, Auth, CONTENT, ECHO, get},
    world::World,
};

/// A token of a client whose tokens live for seconds; got early, so that it is old when it is used.
pub(super) async fn short_lived(world: &World) -> Result<String> {
    let response = by_password(world, "atlassian", "wiki-short", "alice").await?;
    response["access_token"].as_str().map(Into::into).ok_or_else(|| anyhow!("no access token"))
}

pub(super) async fn accepted(world: &World, table: &mut Table) -> Result<()> {
    table.section("Valid tokens");
    let token = by_client_credentials(world, "reports").await?;
    table.status("client credentials: GET /rest/api/content/", 200, &bearer(world, CONTENT, &token).await?);
    table.echoed_as(
        "client credentials: the mapped user",
        "svc-reports",
        &bearer(world, ECHO, &token).await?,
    );

    let token = by_authorization_code(world, "alice").await?;
    let answer = bearer(world, CONTENT, &token).await?;
    table.status("authorization code: GET /rest/api/content/", 200, &answer);
    let user = answer.header("x-ausername").unwrap_or_default();
    table.add("authorization code: X-AUSERNAME", "alice", user, user == "alice");
    let answer = bearer(world, ECHO, &token).await?;
    table.echoed_as("authorization code: Confluence sees the user", "alice", &answer);
    let leaked = answer.body.contains(&token);
    table.add("the token itself does not reach Confluence", "no", if leaked { "yes" } else { "no" }, !leaked);

    let token = user_token(world, "jürgen").await?;
    table.echoed_as("a user with a non-ASCII name", "jürgen", &bearer(world, ECHO, &token).await?);
    let odd =
        format!("{ECHO}?xoauth_requestor_id=admin&%78oauth_requestor_id=admin&user_id=admin&a=%C3%BC+b&a=");
    table.echoed_as(
        "a request that tries to name another user",
        "jürgen",
        &bearer(world, &odd, &token).await?,
    );
    Ok(())
}

pub(super) async fn refused(world: &World, table: &mut Table, short_lived: &str) -> Result<()> {
    table.section("No token, and tokens that are not good enough");
    let answer = get(world, CONTENT, &Auth::None).await?;
    table.refused("no token", 401, "credential_missing", &answer);
    let challenge = answer.header("www-authenticate").unwrap_or_default().to_owned();
    table.add(
        "no token: the challenge (RFC 6750)",
        "Bearer …",
        &challenge,
        challenge.starts_with("Bearer ") && !challenge.contains("error"),
    );

    let good = user_token(world, "alice").await?;
    let answer = bearer(world, CONTENT, "garbage").await?;
    table.add(
        "garbage",
        "401",
        format!("{} {}", answer.status, answer.reason().unwrap_or_default()),
        answer.status == 401 && answer.reason().is_some(),
    );
    table.refused(
        "a changed signature",
        401,
        "signature_invalid",
        &bearer(world, CONTENT, &damaged(&good)?).await?,
    );
    let other = by_password(world, "other", "wiki-rest", "alice").await?;
    let other = other["access_token"].as_str().unwrap_or_default();
    table.refused("another realm's token", 401, "issuer_mismatch", &bearer(world, CONTENT, other).await?);
    let response = by_password(world, "atlassian", "wiki-rest", "alice").await?;
    let id = response["id_token"].as_str().unwrap_or_default();
    table.refused("an ID token", 401, "not_an_access_token", &bearer(world, CONTENT, id).await?);

    outlive(short_lived, Duration::from_secs(30)).await?;
    table.refused("an expired token", 401, "token_expired", &bearer(world, CONTENT, short_lived).await?);

    let unknown = user_token(world, "mallory-unknown").await?;
    table.refused(
        "a user whom Confluence does not know",
        403,
        "user_unknown",
        &bearer(world, CONTENT, &unknown).await?,
    );
    let disabled = user_token(world, "dora").await?;
    table.refused(
        "a user whom Confluence has disabled",
        403,
        "user_unknown",
        &bearer(world, CONTENT, &disabled).await?,
    );
    let unmapped = by_client_credentials(world, "wiki-rest").await?;
    let answer = bearer(world, CONTENT, &unmapped).await?;
    table.refused("a client that is not in serviceAccounts", 403, "service_account_unmapped", &answer);
    let told = answer.body.contains("wiki-rest") && answer.body.contains("serviceAccounts");
    table.add("… and the answer names the entry to add", "yes", if told { "yes" } else { "no" }, told);
    Ok(())
}

async fn bearer(world: &World, path: &str, token: &str) -> Result<Answer> {
    get(world, path, &Auth::Bearer(token.to_owned())).await
}

/// The token with one character in the middle of its signature changed.
fn damaged(token: &str) -> Result<String> {
    let at = token.rfind('.').ok_or_else(|| anyhow!("not a JWT"))? + 20;
    ensure!(at < token.len(), "the signature is too short");
    let (head, tail) = token.split_at(at);
    let replacement = if tail.starts_with('A') { 'B' } else { 'A' };
    Ok(format!("{head}{replacement}{}", tail.get(1..).unwrap_or_default()))
}
