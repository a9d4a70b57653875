//! Confluence as it is without Restward, which shows that a call that gets there is seen; and a pod from before its policy.

use anyhow::Result;

use super::{
    attempt::{Attempt, FRONT},
    site::{self, NEIGHBOUR},
};
use crate::table::Table;

pub(super) async fn the_policy(table: &mut Table) -> Result<()> {
    table.section("Before the policy");
    let address = site::address().await?;
    let what = "without a policy: pod address:8090 from another pod";
    Attempt::from(NEIGHBOUR, &address, FRONT).await?.is_at_confluence_as(table, what, "nobody").await?;

    site::protect().await?;
    let message = site::condition("Injected", "False", "RestartRequired").await?;
    let named = message.contains(&format!("kubectl rollout restart statefulset/{}", site::WORKLOAD));
    table.add("a pod from before the policy: Injected", "False/RestartRequired", message, named);
    let message = site::condition("Enforced", "False", "NotInjected").await?;
    table.add("a pod from before the policy: Enforced", "False/NotInjected", message, true);
    site::restart().await
}
