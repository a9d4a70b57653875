//! A policy in force, seen in its pods, whose Keycloak is then changed to a wrong one: status says so, nothing opens up.
//! Runs after the guide, which leaves the wiki's policy Ready.
#![cfg(feature = "cluster-tests")]

use std::time::Duration;

use anyhow::ensure;
use restward_tests::{
    keycloak::user_token,
    policy::{self, until},
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, CONTENT, get},
    world::{WIKI_NAMESPACE, World},
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
