//! What a policy says about callers: who a token stands for, which calls it may make, and how often.

use anyhow::Result;
use serde_json::json;

use super::grants::{bearer, settled};
use crate::{
    keycloak::user_token,
    policy,
    table::Table,
    wiki::{Auth, CONTENT, ECHO, finish},
    world::World,
};

pub(super) async fn rules(world: &World, table: &mut Table) -> Result<()> {
    table.section("kubectl patch: usernameMapping, deniedUsers, rules, rateLimits");
    let (alice, bob) = (user_token(world, "alice").await?, user_token(world, "bob").await?);

    let mapping = json!({"pattern": {"match": "alice\\.smith|bob", "replace": "alice"}});
    change("usernameMapping", &mapping).await?;
    let smith = user_token(world, "alice.smith").await?;
    let answer =
        settled(|| bearer(world, ECHO, &smith), |answer| answer.echoed_user().as_deref() == Some("alice"));
    table.echoed_as("a name that is mapped to another", "alice", &answer.await?);
    table.refused(
        "a name that the mapping does not fit",
        403,
        "username_unusable",
        &bearer(world, CONTENT, &alice).await?,
    );
    change("usernameMapping", &json!(null)).await?;

    change("deniedUsers", &json!(["BOB"])).await?;
    let answer = settled(|| bearer(world, CONTENT, &bob), |answer| answer.status == 403).await?;
    table.refused("a user as whom no token may act", 403, "user_denied", &answer);
    change("deniedUsers", &json!(null)).await?;

    change(
        "rules",
        &json!([{"action": "ReadOnly", "users": ["alice"]}, {"action": "Deny", "users": ["bob"]}]),
    )
    .await?;
    let answer =
        settled(|| bearer(world, CONTENT, &bob), |answer| answer.reason().as_deref() == Some("rule_denied"));
    table.refused("a rule that denies", 403, "rule_denied", &answer.await?);
    table.status("a rule that lets read: GET", 200, &bearer(world, CONTENT, &alice).await?);
    let page = json!({"type": "page", "title": "Refused"});
    let write = world.http.post(format!("{}{CONTENT}", world.wiki_url)).json(&page);
    let answer = finish(write, &Auth::Bearer(alice.clone())).await?;
    table.refused("… POST", 403, "read_only", &answer);
    let disguised =
        world.http.get(format!("{}{CONTENT}", world.wiki_url)).header("x-http-method-override", "DELETE");
    let answer = finish(disguised, &Auth::Bearer(alice.clone())).await?;
    table.refused("… GET that asks to be taken for a DELETE", 403, "read_only", &answer);
    change("rules", &json!(null)).await?;
    settled(|| bearer(world, CONTENT, &bob), |answer| answer.status == 200).await?;

    change("rateLimits", &json!([{"key": "User", "requests": 2, "period": "1m"}])).await?;
    let answer = settled(|| bearer(world, CONTENT, &bob), |answer| answer.status == 429).await?;
    table.refused("more calls than a user may make", 429, "rate_limited", &answer);
    let wait = answer.header("retry-after").unwrap_or_default();
    table.add("… and when to try again", "Retry-After", wait, wait.parse::<u64>().is_ok_and(|wait| wait > 0));
    table.status("… another user is not concerned", 200, &bearer(world, CONTENT, &alice).await?);
    change("rateLimits", &json!(null)).await?;
    let answer = settled(|| bearer(world, CONTENT, &bob), |answer| answer.status == 200).await?;
    table.status("no limit any more", 200, &answer);
    Ok(())
}

async fn change(field: &str, value: &serde_json::Value) -> Result<()> {
    policy::patch(&json!({"spec": {field: value}}).to_string()).await
}
