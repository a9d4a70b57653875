//! An identity provider that is broken, in every way, at every time: valid traffic goes on, nothing opens, and the provider is
//! not asked more often because of it.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{World, eventually, exchange, idp::Fault, keys, request};

/// Tokens with an unknown key cause at most one look for keys in this time (`keys/refresh.rs`), in seconds.
const WINDOW: u64 = 10;

/// A token of alice's, signed with a key that its issuer does not publish.
fn unknown(world: &World, kid: &str) -> String {
    keys::sign(keys::other(), kid, &world.idp.claims("alice"))
}

/// How often keys may have been looked for since `begin`, with the background's own look.
fn allowed(begin: Instant) -> usize {
    usize::try_from(begin.elapsed().as_secs() / WINDOW).unwrap() + 2
}

#[tokio::test]
async fn broken_later_it_costs_known_tokens_nothing() {
    let each = Fault::ALL.map(|fault| async move {
        let world = World::new().await;
        let known = world.idp.token("alice");
        assert_eq!(world.get_as("/rest/api/content", &known).await.status, 200);
        world.idp.set_fault(Some(fault));
        let before = world.idp.looks();
        let (new, unknown) = (world.idp.token("bob"), unknown(&world, "k2"));
        let bearer = format!("Bearer {unknown}");
        let asked = request("GET", "/rest/api/content", &[("Authorization", &bearer)], "");
        let data = world.running.data;
        // Until the window of the look at the start is over.
        let asking = tokio::spawn(async move {
            loop {
                let reply = exchange(data, &asked).await;
                if reply.reason() != "key_unknown" {
                    return reply;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        eventually("the provider is asked", || async { world.idp.looks() > before }).await;
        for token in [&known, &new] {
            assert_eq!(world.get_as("/rest/api/content", token).await.status, 200, "{fault:?}");
        }
        assert!(fault != Fault::Silent || !asking.is_finished(), "nobody waits for who is waiting");
        let reply = asking.await.unwrap();
        assert_eq!((reply.status, reply.reason().as_str()), (503, "keys_unavailable"), "{fault:?}");
        assert!(reply.header("retry-after").is_some(), "{fault:?}");
        let metrics = world.metrics().await;
        assert!(metrics.contains("key_fetches_total{result=\"failed\"} 1"), "{fault:?}: {metrics}");
    });
    join_all(each).await;
}

#[tokio::test]
async fn broken_at_the_start_it_opens_nothing_and_is_found_when_it_is_well() {
    let each = Fault::ALL.map(|fault| async move {
        let world = World::start(|_| {}, |_| {}, |idp, _| idp.set_fault(Some(fault))).await;
        let token = world.idp.token("alice");
        let reply = world.get_as("/rest/api/content", &token).await;
        assert!(matches!(reply.status, 401 | 503), "{fault:?}: {}", reply.text());
        assert_eq!(world.get("/display/DS/Home", &[]).await.status, 200, "{fault:?}");
        assert!(world.wiki.arrived().iter().all(|arrived| !arrived.target.starts_with("/rest")), "{fault:?}");
        world.idp.set_fault(None);
        eventually("tokens are accepted", || async {
            world.get_as("/rest/api/content", &token).await.status == 200
        })
        .await;
    });
    join_all(each).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_unknown_keys_are_one_look_in_a_window_and_disturb_nobody() {
    let world = World::new().await;
    let begin = Instant::now();
    let before = world.idp.looks();
    let token = unknown(&world, "k-0000");
    // The key id is not covered by anything before its key is known: a header of the same length needs no new signature.
    let (_, rest) = token.split_once('.').unwrap();
    let storm = (0..10_u32).map(|lane| {
        let (data, rest) = (world.running.data, rest.to_owned());
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(data).await.unwrap();
            let mut buffer = vec![0; 16 * 1024];
            for number in 0..1000 {
                let bearer = format!("Bearer {}.{rest}", keys::header(&format!("k-{lane}-{number}")));
                let headers = [("Authorization", bearer.as_str()), ("Connection", "keep-alive")];
                stream.write_all(&request("GET", "/rest/api/content", &headers, "")).await.unwrap();
                let count = stream.read(&mut buffer).await.unwrap();
                assert!(buffer[..count].starts_with(b"HTTP/1.1 401"), "{number}");
            }
        })
    });
    let storm = join_all(storm);
    tokio::pin!(storm);
    let mut served = 0;
    loop {
        tokio::select! {
            done = &mut storm => {
                assert!(done.into_iter().all(|lane| lane.is_ok()), "every unknown key is a 401");
                break;
            }
            reply = async { world.get_as("/rest/api/content", &world.idp.token("alice")).await } => {
                assert_eq!(reply.status, 200);
                served += 1;
            }
        }
    }
    assert!(served > 0, "somebody was served meanwhile");
    let looks = world.idp.looks() - before;
    assert!(looks <= allowed(begin), "{looks} looks in {:?}", begin.elapsed());
}

#[tokio::test]
async fn keys_that_change_again_and_again_are_looked_for_once_in_a_window() {
    let world = World::new().await;
    let (begin, before) = (Instant::now(), world.idp.looks());
    for round in 0..50 {
        let (kid, key) =
            (format!("round-{round}"), if round % 2 == 0 { keys::other() } else { keys::realm() });
        world.idp.publish_only(key, &kid);
        let token = keys::sign(key, &kid, &world.idp.claims("alice"));
        let reply = world.get_as("/rest/api/content", &token).await;
        assert!(reply.status == 200 || reply.reason() == "key_unknown", "{}", reply.text());
    }
    let looks = world.idp.looks() - before;
    assert!(looks <= allowed(begin), "{looks} looks in {:?}", begin.elapsed());
    // What was withdrawn is out, and what is published last is in, once the window is over.
    let last = keys::sign(keys::realm(), "round-49", &world.idp.claims("alice"));
    eventually("the last key is found", || async {
        world.get_as("/rest/api/content", &last).await.status == 200
    })
    .await;
    assert_eq!(world.get_as("/rest/api/content", &world.idp.token("alice")).await.reason(), "key_unknown");
}
