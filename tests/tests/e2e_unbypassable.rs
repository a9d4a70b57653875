//! Ways round the sidecar, each shown closed with Confluence's own word as the witness. Runs after the guide, which leaves the
//! wiki's policy Ready, and leaves it so.
#![cfg(feature = "cluster-tests")]

use restward_tests::{unbypassable, world::World};

/// Where people read what is closed, by what, and what is trusted.
const PAGE: &str = include_str!("../../docs/unbypassable.md");

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_round_the_sidecar() {
    let world = World::find().await.unwrap();
    let table = unbypassable::run(&world).await.unwrap();
    table.require_all().unwrap();
    for what in table.tried() {
        assert!(PAGE.contains(&format!("| {what} |")), "docs/unbypassable.md does not list {what:?}");
    }
}
