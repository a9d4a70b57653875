//! `mode: Audit` lets everything pass and says what it would refuse.

use anyhow::{Result, anyhow, ensure};
use serde_json::Value;

use crate::{
    command::kubectl,
    policy,
    table::Table,
    wait::{QUICK, eventually},
    wiki::{Answer, Auth, CONTENT, finish, get},
    world::{WIKI_NAMESPACE, WIKI_POD, World},
};

pub(super) async fn shows_first(world: &World, table: &mut Table) -> Result<()> {
    table.section("kubectl patch: mode: Audit");
    policy::patch(r#"{"spec":{"mode":"Audit"}}"#).await?;
    eventually("nothing is refused", QUICK, || async {
        let answer = get(world, CONTENT, &Auth::Basic("alice", "alice-password")).await?;
        ensure!(answer.status == 200, "{}", answer.status);
        Ok(())
    })
    .await?;
    let id = format!("audit-{}", std::process::id());
    let answer = with_id(world, &id).await?;
    table.status("Basic, which the policy denies, passes", 200, &answer);
    let line = eventually("the audit line is written", QUICK, || async {
        let log =
            kubectl(&["logs", WIKI_POD, "-n", WIKI_NAMESPACE, "-c", "restward-proxy", "--tail=500"]).await?;
        log.lines()
            .find(|line| line.contains(&id))
            .map(ToOwned::to_owned)
            .ok_or_else(|| anyhow!("no line with {id}"))
    })
    .await?;
    let line: Value = serde_json::from_str(&line)?;
    let (decision, reason) = (line["decision"].as_str(), line["reason"].as_str());
    table.add(
        "… and its audit line says what would have been refused",
        "would_refuse basic_denied",
        format!("{} {}", decision.unwrap_or("-"), reason.unwrap_or("-")),
        (decision, reason) == (Some("would_refuse"), Some("basic_denied")),
    );
    policy::patch(r#"{"spec":{"mode":"Enforce"}}"#).await?;
    let answer = eventually("the policy is enforced again", QUICK, || async {
        let answer = get(world, CONTENT, &Auth::Basic("alice", "alice-password")).await?;
        ensure!(answer.status == 401, "{}", answer.status);
        Ok(answer)
    })
    .await?;
    table.refused("mode: Enforce again", 401, "basic_denied", &answer);
    Ok(())
}

async fn with_id(world: &World, id: &str) -> Result<Answer> {
    let request = world.http.get(format!("{}{CONTENT}", world.wiki_url)).header("x-request-id", id);
    finish(request, &Auth::Basic("alice", "alice-password")).await
}
