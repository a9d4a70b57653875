//! Who still logs in by password.

use serde_json::{Value, json};

use crate::support::{World, wiki::BASIC_ALICE};

const AGENT: (&str, &str) = ("User-Agent", "backup/1.0");

async fn report(world: &World) -> Vec<Value> {
    world.admin("/basic-report").await.json()["entries"].as_array().unwrap().clone()
}

#[tokio::test]
async fn who_logs_in_by_password_is_named_and_nobody_else() {
    let mut world = World::with(|config| config["basicAuth"] = json!("Audit")).await;
    let wrong = ("Authorization", "Basic Ym9iOndyb25n");
    world.get("/rest/api/content", &[("Authorization", BASIC_ALICE), AGENT]).await;
    world.get("/rest/api/space", &[("Authorization", BASIC_ALICE), AGENT]).await;
    world.get("/rest/api/content", &[wrong]).await;
    world.get_as("/rest/api/content", &world.idp.token("alice")).await;
    world.get("/rest/api/content", &[("Cookie", "JSESSIONID=good")]).await;
    let entries = report(&world).await;
    let of = |user: &str| entries.iter().find(|entry| entry["user"] == user).unwrap().clone();
    assert_eq!(entries.len(), 2, "{entries:?}");
    let alice = of("alice");
    assert_eq!(
        json!({"user": alice["user"], "user_agent": alice["user_agent"], "address": alice["address"],
               "path_class": alice["path_class"], "outcome": alice["outcome"], "count": alice["count"]}),
        json!({"user": "alice", "user_agent": "backup/1.0", "address": "127.0.0.1",
               "path_class": "protected", "outcome": "accepted", "count": 2})
    );
    assert!(alice["first"].as_i64().unwrap() <= alice["last"].as_i64().unwrap());
    assert_eq!(of("bob")["outcome"], "rejected");

    world.reconfigure(|config| config["basicAuth"] = json!("Deny")).await;
    let query = "/rest/api/content?os_username=carol&os_password=hunter2-secret";
    assert_eq!(world.get(query, &[]).await.reason(), "basic_denied");
    let entries = report(&world).await;
    assert!(entries.iter().any(|entry| entry["user"] == "carol" && entry["outcome"] == "refused"));
    assert_eq!(entries.len(), 3, "a change of the policy forgets nothing");
    let shown = json!(entries).to_string();
    assert!(!shown.contains("hunter2") && !shown.contains("secret"), "{shown}");
    let metrics = world.metrics().await;
    assert!(["alice", "bob", "carol"].iter().all(|user| !metrics.contains(user)), "{metrics}");
}

#[tokio::test]
async fn while_passwords_are_allowed_nobody_is_written_down() {
    let world = World::new().await;
    world.get("/rest/api/content", &[("Authorization", BASIC_ALICE)]).await;
    assert_eq!(report(&world).await, Vec::<Value>::new());
    let world = World::with(|config| {
        config["mode"] = json!("Audit");
        config["basicAuth"] = json!("Deny");
    })
    .await;
    world.get("/rest/api/content", &[("Authorization", BASIC_ALICE)]).await;
    assert_eq!(report(&world).await[0]["outcome"], "accepted");
}

#[tokio::test]
async fn excepted_logins_pass_and_no_other_says_that_it_is_one() {
    let world = World::with(|config| {
        config["basicAuth"] = json!("Deny");
        config["basicAuthExceptions"] = json!([
            {"users": ["alice"], "paths": [{"type": "PathPrefix", "value": "/rest/api"}], "cidrs": ["127.0.0.0/8"]},
            {"presets": ["WebDAV"]},
        ]);
    })
    .await;
    let (alice, bob) = (("Authorization", BASIC_ALICE), ("Authorization", "Basic Ym9iOndyb25n"));
    let dav = "/plugins/servlet/confluence/default/DS";
    for (target, credential) in [
        ("/rest/api/content", alice),
        ("/rest/api/content?os_username=alice&os_password=secret-of-alice", ("X-A", "b")),
        (dav, bob),
    ] {
        assert_ne!(
            world.get(target, &[credential]).await.reason(),
            "basic_denied",
            "{target} {credential:?}"
        );
    }
    let arrived = world.wiki.arrived().len();
    assert_eq!(arrived, 3);
    for (target, headers) in [
        ("/rest/api/content", vec![bob]),
        ("/rest/other", vec![alice]),
        ("/rpc/xmlrpc", vec![alice]),
        ("/s/h/_/rest/other", vec![alice]),
        // One name in front of another's password.
        ("/rest/api/content?os_username=bob&os_password=x", vec![alice]),
        ("/rest/api/content?os_username=alice&os_username=bob&os_password=x", vec![]),
        ("/rest/api/content?os_password=x", vec![alice]),
        // A token of Confluence's as password, for which the name counts for nothing.
        ("/rest/api/content", vec![("Authorization", "Basic YWxpY2U6ZXlKaGJHY2kuZXlKcFpDSTYuYzJsbg==")]),
    ] {
        assert_eq!(world.get(target, &headers).await.reason(), "basic_denied", "{target} {headers:?}");
    }
    assert_eq!(world.wiki.arrived().len(), arrived);
    assert!(
        report(&world).await.iter().all(|entry| entry["outcome"] == "refused"),
        "the excepted are not in it"
    );
}

#[tokio::test]
async fn a_restart_of_the_container_forgets_nobody() {
    let world = World::with(|config| config["basicAuth"] = json!("Audit")).await;
    let query = "/rest/api/content?os_username=carol&os_password=hunter2-secret";
    world.get("/rest/api/content", &[("Authorization", BASIC_ALICE), AGENT]).await;
    world.get(query, &[]).await;
    let before = world.admin("/basic-report").await.json();
    assert!(before["since"].is_i64() && before["problem"].is_null(), "{before}");
    let world = world.restarted().await;
    let after = world.admin("/basic-report").await.json();
    assert_eq!(before, after);
    world.get("/rest/api/content", &[("Authorization", BASIC_ALICE), AGENT]).await;
    let alice = report(&world).await.into_iter().find(|entry| entry["user"] == "alice").unwrap();
    assert_eq!(alice["count"], 2, "it goes on counting");
    for file in std::fs::read_dir(world.state_dir()).unwrap() {
        let content = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let is_clean = ["hunter2", "secret", "YWxpY2U6c2VjcmV0"].iter().all(|word| !content.contains(word));
        assert!(content.contains("carol") && is_clean, "{content}");
    }
}
