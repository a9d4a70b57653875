//! What goes wrong with the operator and the API server. Runs after the guide, which leaves the wiki's policy Ready, and
//! leaves it so.
#![cfg(feature = "cluster-tests")]

use restward_tests::{chaos, world::World};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_opens_nothing_is_lost_and_it_settles() {
    let world = World::find().await.unwrap();
    chaos::run_all(&world).await.unwrap().require_all().unwrap();
}
