//! `token get --device`: a person who approves in a browser while the program waits.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use restward_tests::{
    keycloak::approve_device,
    world::{ISSUER_HOST, WIKI_NAMESPACE, World},
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use super::restward;

pub(super) async fn code(world: &World) -> Result<()> {
    let resolve = format!("{ISSUER_HOST}:443:{}", world.keycloak_address);
    let arguments = ["restward", "-n", WIKI_NAMESPACE, "token", "get", "--client-id", "wiki-cli", "--device"];
    let mut waiting = Command::new("kubectl")
        .args(arguments)
        .args(["--resolve", &resolve])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut said = BufReader::new(waiting.stderr.take().context("no standard error")?).lines();
    let mut page = None;
    while page.is_none() {
        let line = said.next_line().await?.context("it ended without an invitation")?;
        page = line.split_whitespace().find(|word| word.starts_with("https://")).map(ToOwned::to_owned);
    }
    approve_device(world, "alice", &page.unwrap_or_default()).await?;
    let ended = waiting.wait_with_output().await?;
    let token = String::from_utf8(ended.stdout)?;
    ensure!(ended.status.success(), "it ended with {}", ended.status);
    let decoded = restward(&["token", "decode"], token.trim()).await?.with(0)?;
    decoded.says("wiki-cli")?.says("alice").map(drop)
}
