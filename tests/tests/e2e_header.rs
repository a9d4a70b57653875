//! A Confluence that believes a header, and a policy that names users by it. Runs after the guide, which leaves the wiki's
//! policy Ready, and leaves it so.
#![cfg(feature = "cluster-tests")]

use anyhow::{Result, ensure};
use restward_tests::{
    command::kubectl,
    keycloak::user_token,
    policy::{self, until},
    wait::{QUICK, SLOW, eventually},
    way,
    wiki::{Answer, Auth, CONTENT, ECHO, finish, log_in},
    world::{WIKI, WIKI_NAMESPACE, World},
};

const HEADER: &str = "X-Forwarded-User";

async fn set_in_confluence(variable: &str) -> Result<()> {
    let workload = format!("statefulset/{WIKI}");
    kubectl(&["set", "env", &workload, "-n", WIKI_NAMESPACE, "-c", "confluence", variable]).await?;
    kubectl(&["rollout", "status", &workload, "-n", WIKI_NAMESPACE, "--timeout=300s"]).await.map(drop)
}

/// A call whose client sends the header itself, in two spellings.
async fn call(world: &World, path: &str, auth: &Auth) -> Result<Answer> {
    let request = world.http.get(format!("{}{path}", world.wiki_url));
    finish(request.header(HEADER, "admin").header("x_forwarded_user", "admin"), auth).await
}

async fn echoes(world: &World, auth: &Auth, user: &str) -> Result<()> {
    eventually("the echo sees the user", QUICK, || async {
        let answer = call(world, ECHO, auth).await?;
        let seen = answer.echoed_user();
        ensure!(seen.as_deref() == Some(user), "{} {:?} {seen:?}", answer.status, answer.reason());
        Ok(())
    })
    .await
}

/// One test, as all of it changes the same pod and policy.
#[tokio::test]
async fn users_are_named_by_a_header_while_nobody_gets_round() {
    let world = World::find().await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
    set_in_confluence(&format!("STANDIN_BELIEVED_HEADER={HEADER}")).await.unwrap();
    let identity = format!(r#"{{"header":{{"name":"{HEADER}"}},"oauth1":null}}"#);
    policy::patch(&format!(r#"{{"spec":{{"onBypass":"Report","upstream":{{"identity":{identity}}}}}}}"#))
        .await
        .unwrap();
    // Until then users are named by signatures, and nothing shows whether the header is believed.
    until(WIKI_NAMESPACE, policy::NAME, "ConfigCurrent", "True", "Current", SLOW).await.unwrap();
    nobody_names_a_user_but_the_sidecar(&world).await.unwrap();
    a_way_around_ends_it(&world).await.unwrap();

    policy::patch(r#"{"spec":{"onBypass":null,"upstream":{"identity":{"header":null,"oauth1":{}}}}}"#)
        .await
        .unwrap();
    set_in_confluence("STANDIN_BELIEVED_HEADER-").await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
}

async fn nobody_names_a_user_but_the_sidecar(world: &World) -> Result<()> {
    let bearer = Auth::Bearer(user_token(world, "alice").await?);
    echoes(world, &bearer, "alice").await?;
    until(WIKI_NAMESPACE, policy::NAME, "UpstreamTrusted", "True", "Trusted", SLOW).await?;
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await?;

    echoes(world, &Auth::Basic("bob", "bob-password"), "bob").await?;
    let (_, session) = log_in(world, "bob", "bob-password").await?;
    echoes(world, &session, "bob").await?;
    let answer = call(world, CONTENT, &Auth::None).await?;
    ensure!(answer.reason().as_deref() == Some("credential_missing"), "{answer:?}");
    let page = call(world, "/login.action", &Auth::None).await?;
    ensure!(page.status == 200 && page.header("x-ausername").is_none(), "{page:?}");

    let other = Auth::Bearer(user_token(world, "jürgen").await?);
    let answer = call(world, CONTENT, &other).await?;
    ensure!(answer.reason().as_deref() == Some("username_unusable"), "{answer:?}");
    let unknown = Auth::Bearer(user_token(world, "mallory-unknown").await?);
    let answer = call(world, CONTENT, &unknown).await?;
    ensure!(answer.reason().as_deref() == Some("user_unknown"), "{answer:?}");
    Ok(())
}

/// Who reaches Tomcat directly is whoever the header says; so nobody is named any more, although the pod stays ready.
async fn a_way_around_ends_it(world: &World) -> Result<()> {
    let bearer = Auth::Bearer(user_token(world, "alice").await?);
    way::open(9000, 18090).await?;
    eventually("users are not named any more", QUICK, || async {
        let answer = call(world, ECHO, &bearer).await?;
        let reason = answer.reason();
        ensure!(reason.as_deref() == Some("enforcement_unverified"), "{} {reason:?}", answer.status);
        Ok(())
    })
    .await?;
    echoes(world, &Auth::Basic("bob", "bob-password"), "bob").await?;
    way::close(9000).await?;
    echoes(world, &bearer, "alice").await
}
