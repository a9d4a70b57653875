//! Tokens that count in their holder's hands only, and tokens of a second realm.

use anyhow::{Context as _, Result};
use serde_json::json;
use url::Url;

use super::grants::{bearer, settled};
use crate::{
    holder::Holder,
    keycloak::{by_password, user_token},
    policy,
    table::Table,
    wiki::{Answer, Auth, CONTENT, ECHO, finish},
    world::{ISSUER_HOST, World},
};

pub(super) async fn to_a_key(world: &World, table: &mut Table) -> Result<()> {
    table.section("Tokens bound to a key (DPoP): kubectl patch externalURLs");
    let holder = Holder::new()?;
    let token = holder.token_of_its_key(world, "alice").await?;
    let url = format!("{}{ECHO}", world.wiki_url);
    let public = Url::parse(&url)?.origin().ascii_serialization();
    policy::patch(&json!({"spec": {"externalURLs": [public]}}).to_string()).await?;

    let answer = settled(
        || async { show(world, &token, &holder.proof("GET", &url, Some(&token))?).await },
        |answer| answer.status == 200,
    );
    table.echoed_as("with a proof of its key", "alice", &answer.await?);
    table.refused("as a plain Bearer token", 401, "proof_required", &bearer(world, ECHO, &token).await?);
    let used = holder.proof("GET", &url, Some(&token))?;
    table.status("a proof …", 200, &show(world, &token, &used).await?);
    table.refused("… that was used before", 401, "proof_replayed", &show(world, &token, &used).await?);
    let elsewhere = holder.proof("GET", &format!("{}{CONTENT}", world.wiki_url), Some(&token))?;
    table.refused("a proof for another URL", 401, "proof_invalid", &show(world, &token, &elsewhere).await?);
    let strangers = Holder::new()?.proof("GET", &url, Some(&token))?;
    table.refused("a proof of another key", 401, "proof_invalid", &show(world, &token, &strangers).await?);
    policy::patch(r#"{"spec":{"externalURLs":null}}"#).await
}

async fn show(world: &World, token: &str, proof: &str) -> Result<Answer> {
    let request = world.http.get(format!("{}{ECHO}", world.wiki_url)).header("DPoP", proof);
    finish(request, &Auth::Raw(format!("DPoP {token}"))).await
}

pub(super) async fn to_a_certificate(world: &World, table: &mut Table) -> Result<()> {
    table.section("Tokens bound to a certificate (mutual TLS): kubectl patch trustedProxies");
    let (holder, stranger) = (Holder::new()?, Holder::new()?);
    let token = holder.token_of_its_certificate(world, "alice").await?;
    let through_proxy = async |certificate: String| {
        let request = world.http.get(format!("{}{ECHO}", world.wiki_url)).header("Client-Cert", certificate);
        finish(request, &Auth::Bearer(token.clone())).await
    };
    let answer = through_proxy(holder.client_cert()).await?;
    table.refused("while no proxy is trusted", 401, "certificate_required", &answer);

    // The host is the proxy, whatever address it has to the pod: the sidecar hands it on.
    let mine = bearer(world, ECHO, &user_token(world, "alice").await?).await?.json();
    let headers = mine["headers"].as_array().context("no echo")?;
    let forwarded = headers.iter().find(|header| header[0] == "x-forwarded-for");
    let address = forwarded.and_then(|header| header[1].as_str()).context("the echo names no address")?;
    let trusted = json!({"cidrs": [address], "clientCertificateHeader": "Client-Cert"});
    policy::patch(&json!({"spec": {"trustedProxies": trusted}}).to_string()).await?;
    let answer = settled(|| through_proxy(holder.client_cert()), |answer| answer.status == 200).await?;
    table.echoed_as("over a connection of its holder", "alice", &answer);
    let answer = through_proxy(stranger.client_cert()).await?;
    table.refused("over a connection of somebody else", 401, "certificate_required", &answer);
    let answer = bearer(world, ECHO, &token).await?;
    table.refused("over a connection without a certificate", 401, "certificate_required", &answer);
    policy::patch(r#"{"spec":{"trustedProxies":null}}"#).await
}

pub(super) async fn second_realm(world: &World, table: &mut Table) -> Result<()> {
    table.section("A second realm: kubectl patch issuers");
    let response = by_password(world, "other", "wiki-rest", "alice").await?;
    let token = response["access_token"].as_str().context("no access token")?;
    table.refused("while it is not listed", 401, "issuer_mismatch", &bearer(world, ECHO, token).await?);
    let issuer = |audience: &str| {
        json!([{
            "issuer": format!("https://{ISSUER_HOST}/auth/realms/other"), "audiences": [audience],
            "backchannelURL": "https://keycloak.keycloak.svc:8443", "certificateAuthorities": "Keycloak",
        }])
    };
    policy::patch(&json!({"spec": {"issuers": issuer("account")}}).to_string()).await?;
    let answer = settled(|| bearer(world, ECHO, token), |answer| answer.status == 200).await?;
    table.echoed_as("listed, for an audience of its tokens", "alice", &answer);
    policy::patch(&json!({"spec": {"issuers": issuer("confluence")}}).to_string()).await?;
    let answer = settled(|| bearer(world, ECHO, token), |answer| answer.status != 200).await?;
    table.refused("listed, for another audience", 401, "audience_mismatch", &answer);
    policy::patch(r#"{"spec":{"issuers":null}}"#).await?;
    let answer = settled(
        || bearer(world, ECHO, token),
        |answer| answer.reason().as_deref() == Some("issuer_mismatch"),
    );
    table.refused("listed no more", 401, "issuer_mismatch", &answer.await?);
    Ok(())
}
