//! A policy in force, seen in its pods, whose Keycloak is then changed to a wrong one: status says so, nothing opens up.
//! Runs after the guide, which leaves the wiki's policy Ready.
#![cfg(feature = "cluster-tests")]

use std::time::Duration;

use anyhow::ensure;
use restward_tests::{
    command::{kubectl, run_refused},
    keycloak::user_token,
    policy::{self, until},
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, CONTENT, get},
    world::{WIKI, WIKI_NAMESPACE, World},
};

#[tokio::test]
async fn a_host_changed_to_a_wrong_one_shows_within_a_minute_and_lets_nobody_in() {
    let world = World::find().await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
    let token = user_token(&world, "alice").await.unwrap();
    assert_eq!(get(&world, CONTENT, &Auth::Bearer(token.clone())).await.unwrap().status, 200);

    policy::patch(r#"{"spec":{"keycloak":{"backchannelURL":"https://keycloak.keycloak.svc:8444"}}}"#)
        .await
        .unwrap();
    // The keys known before still serve: the same realm is merely asked elsewhere.
    let minute = Duration::from_mins(1);
    let message = eventually("status tells", minute, || async {
        let policy = policy::read().await?;
        let (status, reason, message) =
            policy::condition(&policy, "IdentityProviderReachable").unwrap_or_default();
        ensure!(status == "False", "{status} {reason}: {message}");
        Ok(format!("{reason}: {message}"))
    })
    .await
    .unwrap();
    assert!(message.contains("8444"), "{message}");

    policy::patch(r#"{"spec":{"keycloak":{"host":"https://sso.nowhere.test"}}}"#).await.unwrap();
    let refused = eventually("tokens of the former issuer are refused", QUICK, || async {
        let answer = get(&world, CONTENT, &Auth::Bearer(token.clone())).await?;
        ensure!(answer.status != 200, "still 200");
        Ok(answer)
    })
    .await
    .unwrap();
    assert!(matches!(refused.status, 401 | 503), "{refused:?}");
    assert_eq!(get(&world, CONTENT, &Auth::None).await.unwrap().status, 401);
    assert_eq!(get(&world, "/login.action", &Auth::None).await.unwrap().status, 200);

    policy::create().await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
    eventually("the token is served again", QUICK, || async {
        let answer = get(&world, CONTENT, &Auth::Bearer(token.clone())).await?;
        ensure!(answer.status == 200, "{} {:?}", answer.status, answer.reason());
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_upgrade_whose_pods_could_not_be_protected_is_refused_while_the_old_ones_serve() {
    let patch = ["patch", "statefulset", WIKI, "-n", WIKI_NAMESPACE, "--type=merge", "-p"];
    let harmful = r#"{"spec":{"template":{"spec":{"hostNetwork":true}}}}"#;
    let message = run_refused("kubectl", &[&patch[..], &[harmful]].concat(), None).await.unwrap();
    for part in ["check.restward.io", "remove hostNetwork", "running pods go on"] {
        assert!(message.contains(part), "'{part}' is not in: {message}");
    }
    // The control: a template that can be protected passes, as a dry run.
    let harmless = r#"{"spec":{"template":{"metadata":{"annotations":{"restward-test/upgrade":"1"}}}}}"#;
    kubectl(&[&patch[..], &[harmless, "--dry-run=server"]].concat()).await.unwrap();
}
