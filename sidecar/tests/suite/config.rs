//! Configurations that come, go wrong and change.

use serde_json::json;

use crate::support::{World, eventually};

#[tokio::test]
async fn what_cannot_be_used_is_reported_and_changes_nothing() {
    let world = World::with(|config| config["basicAuth"] = json!("Deny")).await;
    let hash = world.status().await["configHash"].clone();
    for bad in ["{", r#"{"version": 99}"#, r#"{"unknown": true}"#] {
        world.write_config(bad);
        eventually("the rejection is reported", || async {
            !world.status().await["configRejected"].is_null()
        })
        .await;
        assert_eq!(world.status().await["configHash"], hash);
        assert_eq!(
            world.get("/rest/api/content", &[("Authorization", "Basic eDp5")]).await.reason(),
            "basic_denied"
        );
        let ready = world.admin("/readyz").await;
        assert!(ready.status == 200 && ready.text().contains("config_rejected"), "{}", ready.text());
        world.has_metric("restward_sidecar_config_current 0").await;
    }
}

#[tokio::test]
async fn a_change_keeps_what_it_does_not_touch() {
    let mut world = World::new().await;
    assert_eq!(world.get_as("/rest/api/content", &world.idp.token("alice")).await.status, 200);
    let fetches = world.idp.fetches();
    world.reconfigure(|config| config["basicAuth"] = json!("Deny")).await;
    assert_eq!(world.get_as("/rest/api/content", &world.idp.token("alice")).await.status, 200);
    assert_eq!((world.idp.fetches(), world.wiki.checks_of("alice")), (fetches, 1));
}

#[tokio::test]
async fn a_changed_audience_holds_for_tokens_that_were_accepted_before() {
    let mut world = World::new().await;
    let token = world.idp.token("alice");
    assert_eq!(world.get_as("/rest/api/content", &token).await.status, 200);
    world.reconfigure(|config| config["issuers"][0]["audiences"] = json!(["confluence"])).await;
    assert_eq!(world.get_as("/rest/api/content", &token).await.reason(), "audience_mismatch");
}
