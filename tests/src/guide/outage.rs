//! Keycloak is stopped: the wiki stays up, and tokens that were issued before are still checked.

use anyhow::{Result, ensure};

use super::ui;
use crate::{
    command::kubectl,
    keycloak::user_token,
    policy,
    table::Table,
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, CONTENT, get},
    world::{KEYCLOAK, WIKI_NAMESPACE, World},
};

pub(super) async fn keycloak_down(world: &World, table: &mut Table) -> Result<()> {
    table.section("Keycloak stopped");
    let token = user_token(world, "alice").await?;
    scale(0).await?;
    eventually("Keycloak is gone", QUICK, || async {
        let pods = kubectl(&["get", "pods", "-n", KEYCLOAK, "-o", "name"]).await?;
        ensure!(pods.trim().is_empty(), "{pods}");
        Ok(())
    })
    .await?;
    ui::people_work_on(world, table, ", Keycloak stopped").await?;
    table.status(
        "a token issued before, Keycloak stopped",
        200,
        &get(world, CONTENT, &Auth::Bearer(token)).await?,
    );
    table.refused(
        "no token, Keycloak stopped",
        401,
        "credential_missing",
        &get(world, CONTENT, &Auth::None).await?,
    );
    scale(1).await?;
    kubectl(&["rollout", "status", &format!("deployment/{KEYCLOAK}"), "-n", KEYCLOAK, "--timeout=360s"])
        .await?;
    policy::until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await?;
    table.add("Keycloak is back: the policy is Ready", "True", "True", true);
    Ok(())
}

async fn scale(replicas: u8) -> Result<()> {
    kubectl(&["scale", &format!("deployment/{KEYCLOAK}"), "-n", KEYCLOAK, &format!("--replicas={replicas}")])
        .await
        .map(drop)
}
