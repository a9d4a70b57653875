//! `applink` on the demo's real Tomcat: seen, put right, its key replaced, taken away and made again.

use anyhow::{Result, ensure};
use restward_tests::{
    keycloak::user_token,
    policy,
    wait::{QUICK, eventually},
    wiki::{Auth, CONTENT, get, token_names_its_user},
    world::World,
};

use crate::{Secret, restward};

pub(crate) async fn all(world: &World) -> Result<()> {
    let token = Secret::new("admin-token", &world.admin_token)?;
    let file = ["--token-file", token.path()];
    let command = |name: &'static str| [&["applink", name], &file[..]].concat();
    shown().await?;
    // What is right is left as it is.
    restward(&command("apply"), "").await?.with(0)?.says("√ Confluence takes")?;
    let by_network = [&command("apply")[..], &["--url", &world.wiki_url]].concat();
    restward(&by_network, "").await?.with(0)?.says("√ Confluence takes")?;

    let before = fingerprint().await?;
    let rotated = restward(&command("rotate"), "").await?.with(0)?;
    ensure!(rotated.err.contains("3/3 Confluence takes the key"), "{}", rotated.err);
    ensure!(fingerprint().await? != before, "the key is the same");
    token_names_its_user(world, QUICK).await?;
    restward(&["applink", "verify"], "").await?.with(0)?;

    // Nobody is there to agree.
    let asked = restward(&command("remove"), "").await?.with(1)?;
    ensure!(asked.err.contains("get 503 from then on"), "{}", asked.err);
    restward(&[&command("remove")[..], &["--yes"]].concat(), "").await?.with(0)?;
    eventually("the sidecar misses its link", QUICK, || async {
        // A refused call has it look at once.
        let bearer = Auth::Bearer(user_token(world, "alice").await?);
        let answer = get(world, CONTENT, &bearer).await?;
        ensure!(answer.status >= 500, "{}", answer.status);
        restward(&["applink", "verify"], "").await?.with(1)?.says("LinkMissing").map(drop)
    })
    .await?;
    restward(&command("apply"), "").await?.with(0)?.says("√ Confluence takes")?;
    token_names_its_user(world, QUICK).await?;
    shown().await
}

async fn shown() -> Result<()> {
    restward(&["applink", "verify"], "")
        .await?
        .with(0)?
        .says("√ Confluence takes what the sidecar of wiki-confluence-0 signs")?;
    restward(&["applink", "show"], "").await?.with(0)?.says("BEGIN PUBLIC KEY").map(drop)?;
    eventually("status tells that the link is taken", QUICK, || async {
        restward(&["applink", "show"], "").await?.with(0)?.says("Confluence takes it.").map(drop)
    })
    .await
}

async fn fingerprint() -> Result<String> {
    Ok(policy::read().await?["status"]["applicationLink"]["fingerprint"].to_string())
}
