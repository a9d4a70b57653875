//! The consumer's key is replaced while people work: nobody's call fails, and no write happens twice.

use std::collections::HashMap;

use serde_json::json;

use crate::support::{
    World,
    callers::Callers,
    eventually, exchange,
    keys::{self, Key},
    request,
    wiki::Arrived,
};

fn old_and_new() -> (&'static Key, &'static Key) {
    (keys::consumer(), keys::next_consumer())
}

async fn until_taken(world: &World, key: &Key) {
    let taken = json!(keys::fingerprint(key));
    eventually("Confluence takes the key", || async {
        world.status().await["consumerKeys"]["taken"] == taken
    })
    .await;
}

/// What ran as somebody.
fn carried_out(world: &World) -> Vec<Arrived> {
    world.wiki.arrived().into_iter().filter(|arrived| arrived.user.is_some()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_key_is_replaced_and_none_happens_twice() {
    let world = World::new().await;
    let (old, new) = old_and_new();
    let callers = Callers::start(&world);
    callers.make(20).await;
    world.mount_consumer_keys(old, Some(new)).await;
    until_taken(&world, old).await;
    callers.make(20).await;
    world.wiki.behave(|wiki| wiki.has_next_key = true);
    callers.make(50).await;
    until_taken(&world, new).await;
    // An administrator may change their mind.
    world.wiki.behave(|wiki| wiki.has_next_key = false);
    callers.make(50).await;
    until_taken(&world, old).await;
    world.wiki.behave(|wiki| wiki.has_next_key = true);
    callers.make(50).await;
    until_taken(&world, new).await;
    world.mount_consumer_keys(new, None).await;
    callers.make(20).await;
    until_taken(&world, new).await;
    let made = callers.end().await;

    let mut times = HashMap::new();
    for arrived in carried_out(&world) {
        *times.entry(arrived.target.rsplit("call=").next().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert_eq!((times.len(), times.values().max()), (made, Some(&1)));
    // Signed twice are only those that were on their way when the key changed.
    let refused = world.wiki.arrived().len() - made;
    assert!((1..=3 * 6).contains(&refused), "{refused} of {made} were refused");
}

#[tokio::test]
async fn what_is_too_large_to_be_kept_goes_with_the_key_that_is_taken_at_the_moment() {
    let world = World::new().await;
    let (old, new) = old_and_new();
    world.mount_consumer_keys(old, Some(new)).await;
    until_taken(&world, old).await;
    let token = world.idp.token("alice");
    let authorization = ("Authorization", &*format!("Bearer {token}"));
    world.get_as("/rest/api/content", &token).await;
    world.wiki.behave(|wiki| wiki.has_next_key = true);
    let large = "x".repeat(100_000);
    let reply = world.send("POST", "/rest/large", &[authorization], &large).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    world.wiki.behave(|wiki| wiki.has_next_key = false);
    // Nobody knows how long it is.
    let mut chunked = request("POST", "/rest/large", &[authorization, ("Transfer-Encoding", "chunked")], "");
    chunked.extend_from_slice(b"5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(exchange(world.running.data, &chunked).await.status, 200);
    let arrived: Vec<_> =
        world.wiki.arrived().into_iter().filter(|it| it.target.starts_with("/rest/large")).collect();
    let seen: Vec<_> = arrived.iter().map(|it| (it.user.as_deref(), it.body.len())).collect();
    assert_eq!(seen, [(Some("alice"), 100_000), (Some("alice"), 5)]);
}

#[tokio::test]
async fn only_a_signature_that_is_refused_is_made_again_and_once() {
    let world = World::new().await;
    let (old, new) = old_and_new();
    let token = world.idp.token("alice");
    let arrives = async || {
        let before = world.wiki.arrived().len();
        let status = world.get_as("/rest/api/content", &token).await.status;
        (status, world.wiki.arrived().len() - before)
    };
    assert_eq!(arrives().await, (200, 1));
    world.wiki.behave(|wiki| wiki.refuses_assertions = true);
    assert_eq!(arrives().await, (502, 1), "there is no other key");
    world.wiki.behave(|wiki| wiki.refuses_assertions = false);
    world.mount_consumer_keys(old, Some(new)).await;
    assert_eq!(arrives().await, (200, 1));
    world.wiki.behave(|wiki| wiki.refuses_assertions = true);
    assert_eq!(arrives().await, (502, 2));
    world.wiki.behave(|wiki| wiki.has_no_link = true);
    assert_eq!(arrives().await, (502, 1), "another problem than the signature");
}

#[tokio::test]
async fn a_next_key_that_cannot_sign_changes_nothing() {
    let world = World::new().await;
    std::fs::write(world.directory().join("..data/next-consumer-key.pem"), "x").unwrap();
    eventually("it is refused", || async {
        world.status().await["configRejected"].as_str().is_some_and(|why| why.contains("consumer key"))
    })
    .await;
    assert_eq!(world.get_as("/rest/api/content", &world.idp.token("alice")).await.status, 200);
}
