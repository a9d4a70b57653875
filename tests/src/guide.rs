//! The flow of the original guide, section by section, each line a real request through the Service.
//!
//! The sections build on each other and run in the order of [`run`].

mod around;
mod audit;
mod basic;
mod before;
mod bound;
mod callers;
mod grants;
mod link;
mod outage;
mod tokens;
mod ui;

use anyhow::Result;

use crate::{removal, table::Table, world::World};

/// Runs every section, from a Confluence without Restward on; what is left of an earlier run is taken away first.
///
/// # Errors
/// When a step itself cannot be done; what is merely not as expected stands in the table.
pub async fn run(world: &World) -> Result<Table> {
    let mut table = Table::default();
    removal::start_over(world).await?;
    let short_lived = tokens::short_lived(world).await;
    before::without_a_policy(world, &mut table).await?;
    before::policy_and_restart(world, &mut table).await?;
    link::before_the_link(world, &mut table).await?;
    link::make_the_link(world, &mut table).await?;
    tokens::accepted(world, &mut table).await?;
    tokens::refused(world, &mut table, &short_lived?).await?;
    grants::kinds(world, &mut table).await?;
    grants::demands(world, &mut table).await?;
    bound::to_a_key(world, &mut table).await?;
    bound::to_a_certificate(world, &mut table).await?;
    bound::second_realm(world, &mut table).await?;
    callers::rules(world, &mut table).await?;
    ui::people_work_on(world, &mut table, "").await?;
    basic::toggle(world, &mut table).await?;
    around::no_way_around(world, &mut table).await?;
    outage::keycloak_down(world, &mut table).await?;
    audit::shows_first(world, &mut table).await?;
    Ok(table)
}
