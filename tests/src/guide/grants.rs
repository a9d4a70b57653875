//! More kinds of tokens, and what a policy can ask of them beside a good signature.

use std::future::Future;

use anyhow::{Result, ensure};

use crate::{
    keycloak::{revoke, token_of},
    policy,
    table::Table,
    wait::{QUICK, eventually},
    wiki::{Answer, Auth, CONTENT, ECHO, get},
    world::World,
};

pub(super) async fn kinds(world: &World, table: &mut Table) -> Result<()> {
    table.section("Other kinds of tokens");
    for (client, algorithm) in [("wiki-es256", "ES256"), ("wiki-ps256", "PS256"), ("wiki-eddsa", "EdDSA")] {
        let token = token_of(world, client, "alice").await?;
        // Keycloak makes a key with the first token that needs it, and the sidecar asks for keys at most every ten seconds.
        let answer = settled(|| bearer(world, ECHO, &token), |answer| answer.status == 200).await?;
        table.echoed_as(format!("signed with {algorithm}"), "alice", &answer);
    }
    let light = token_of(world, "wiki-light", "alice").await?;
    table.echoed_as(
        "a lightweight token, which names nobody: Keycloak is asked",
        "alice",
        &bearer(world, ECHO, &light).await?,
    );
    let revoked = token_of(world, "wiki-light", "alice").await?;
    revoke(world, "wiki-light", &revoked).await?;
    table.refused(
        "… and one that was revoked",
        401,
        "token_inactive",
        &bearer(world, CONTENT, &revoked).await?,
    );
    Ok(())
}

pub(super) async fn demands(world: &World, table: &mut Table) -> Result<()> {
    table.section("kubectl patch: tokens.audiences, tokens.required");
    policy::patch(r#"{"spec":{"tokens":{"audiences":["confluence"]}}}"#).await?;
    let stranger = token_of(world, "wiki-rest", "alice").await?;
    let answer = settled(|| bearer(world, CONTENT, &stranger), |answer| answer.status != 200).await?;
    table.refused("a token for another audience", 401, "audience_mismatch", &answer);
    let meant = token_of(world, "wiki-aud", "alice").await?;
    table.status("a token for this one", 200, &bearer(world, CONTENT, &meant).await?);

    policy::patch(r#"{"spec":{"tokens":{"audiences":null,"required":{"realmRoles":["wiki-user"]}}}}"#)
        .await?;
    let without = token_of(world, "wiki-rich", "alice").await?;
    let answer = settled(|| bearer(world, CONTENT, &without), |answer| answer.status == 403).await?;
    table.refused("a user without the required role", 403, "role_missing", &answer);
    let with = token_of(world, "wiki-rich", "bob").await?;
    table.status("a user who has it", 200, &bearer(world, CONTENT, &with).await?);

    policy::patch(r#"{"spec":{"tokens":{"required":null}}}"#).await?;
    let answer = settled(|| bearer(world, CONTENT, &without), |answer| answer.status == 200).await?;
    table.status("required no more", 200, &answer);
    Ok(())
}

pub(super) async fn bearer(world: &World, path: &str, token: &str) -> Result<Answer> {
    get(world, path, &Auth::Bearer(token.to_owned())).await
}

/// The first answer that is `wanted`: a patch reaches the sidecar within seconds.
pub(super) async fn settled<F>(mut ask: impl FnMut() -> F, wanted: impl Fn(&Answer) -> bool) -> Result<Answer>
where
    F: Future<Output = Result<Answer>>,
{
    eventually("the answer changes", QUICK, || {
        let asked = ask();
        let wanted = &wanted;
        async move {
            let answer = asked.await?;
            ensure!(wanted(&answer), "{} {:?}", answer.status, answer.reason());
            Ok(answer)
        }
    })
    .await
}
