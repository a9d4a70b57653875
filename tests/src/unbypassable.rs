//! Every way round the sidecar that is known, tried on the real cluster. The witness is Confluence itself: the stand-in's log
//! says of each call whether it arrived, and as whom.
//!
//! The Confluence of this suite lets anonymous visitors in, so that whoever gets to it gets an answer. The sections build on
//! each other and run in the order of [`run`]. What each shows, and what is trusted instead, is in `docs/unbypassable.md`.

mod attempt;
mod before;
mod deprived;
mod first;
mod forged;
mod hammer;
mod killed;
mod network;
mod node;
mod objects;
mod operator;
mod pods;
mod removed;
mod site;

use anyhow::Result;

use crate::{table::Table, world::World};

/// Tries them. What an earlier run left is taken away first, and what this one made at the end.
///
/// # Errors
/// When a step itself cannot be done; a way that is open stands in the table.
pub async fn run(world: &World) -> Result<Table> {
    let mut table = Table::default();
    operator::restore().await?;
    site::set_up(world).await?;
    let tried = sections(&mut table).await;
    operator::restore().await?;
    site::remove().await?;
    tried.map(|()| table)
}

async fn sections(table: &mut Table) -> Result<()> {
    before::the_policy(table).await?;
    network::from_everywhere(table).await?;
    site::bind("Off").await?;
    network::to_the_valve(table).await?;
    killed::in_a_loop(table).await?;
    site::bind("Auto").await?;
    pods::while_the_webhook_serves(table).await?;
    pods::that_run(table).await?;
    objects::of_the_policy(table).await?;
    deprived::of_operator_and_webhook(table).await?;
    removed::operator(table).await?;
    node::restarts(table).await?;
    removed::policy(table).await
}
