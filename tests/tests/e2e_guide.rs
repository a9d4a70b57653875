//! The flow of the original guide, on the real cluster.
#![cfg(feature = "cluster-tests")]

use restward_tests::{guide, world::World};

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_works_from_the_first_call_to_audit_mode() {
    let world = World::find().await.unwrap();
    let table = guide::run(&world).await.unwrap();
    table.require_all().unwrap();
}
