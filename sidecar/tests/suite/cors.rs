//! Pages of other origins can read why they were refused, if Confluence lets them call at all.

use crate::support::{
    Reply, World,
    wiki::{BASIC_ALICE, PAGE},
};

const API: &str = "/rest/api/content";

async fn preflight(world: &World, target: &str, origin: &str) {
    let headers = [("Origin", origin), ("Access-Control-Request-Method", "PUT")];
    assert_eq!(world.send("OPTIONS", target, &headers, "").await.status, 200);
}

/// The granted origin and credentials of a refusal.
fn granted(reply: &Reply) -> Option<(&str, Option<&str>)> {
    let origin = reply.header("access-control-allow-origin")?;
    Some((origin, reply.header("access-control-allow-credentials")))
}

#[tokio::test]
async fn a_refusal_carries_what_confluence_granted_to_this_origin_and_no_more() {
    let world = World::with(|config| config["basicAuth"] = "Deny".into()).await;
    assert_eq!(granted(&world.get(API, &[("Origin", PAGE)]).await), None, "before any preflight");
    preflight(&world, API, PAGE).await;
    preflight(&world, API, "https://evil.example.com").await;

    let refused = world.get(API, &[("Origin", PAGE)]).await;
    assert_eq!((refused.status, granted(&refused)), (401, Some((PAGE, Some("true")))));
    assert_eq!(refused.header("vary"), Some("Origin"));
    let denied = world.get(API, &[("Origin", PAGE), ("Authorization", BASIC_ALICE)]).await;
    assert_eq!((denied.status, granted(&denied)), (401, Some((PAGE, Some("true")))));
    for headers in [
        &[][..],
        &[("Origin", "https://evil.example.com")],
        &[("Origin", "https://app.example.com.evil.example.com")],
        &[("Origin", "null")],
        &[("Origin", PAGE), ("Origin", PAGE)],
    ] {
        let refused = world.get(API, headers).await;
        assert_eq!((refused.status, granted(&refused)), (401, None), "{headers:?}");
    }
}

#[tokio::test]
async fn a_grant_ends_with_the_preflight_that_grants_nothing() {
    let world = World::new().await;
    preflight(&world, API, PAGE).await;
    world.wiki.behave(|wiki| wiki.grants_no_origin = true);
    preflight(&world, API, PAGE).await;
    assert_eq!(granted(&world.get(API, &[("Origin", PAGE)]).await), None);
}

#[tokio::test]
async fn what_another_path_grants_does_not_count_for_the_api() {
    let world = World::new().await;
    preflight(&world, "/plugins/servlet/anything", PAGE).await;
    assert_eq!(granted(&world.get(API, &[("Origin", PAGE)]).await), None);
}
