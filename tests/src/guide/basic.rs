//! The Basic toggle: `kubectl patch`, no restart.

use std::time::Instant;

use anyhow::{Result, ensure};
use reqwest::Method;

use crate::{
    command::kubectl_json,
    policy,
    table::Table,
    wait::{QUICK, eventually},
    wiki::{Auth, CONTENT, call, finish, get},
    world::{WIKI_NAMESPACE, WIKI_POD, World},
};

const ALICE: Auth = Auth::Basic("alice", "alice-password");

pub(super) async fn toggle(world: &World, table: &mut Table) -> Result<()> {
    table.section("kubectl patch: basicAuth.mode: Deny");
    table.status("Basic before", 200, &get(world, CONTENT, &ALICE).await?);
    let before = pod_identity().await?;
    let begin = Instant::now();
    policy::patch(r#"{"spec":{"basicAuth":{"mode":"Deny"}}}"#).await?;
    let answer = eventually("Basic is refused", QUICK, || async {
        let answer = get(world, CONTENT, &ALICE).await?;
        ensure!(answer.status != 200, "still 200");
        Ok(answer)
    })
    .await?;
    table.refused("Basic after", 401, "basic_denied", &answer);
    let seconds = begin.elapsed().as_secs_f32();
    let after = pod_identity().await?;
    table.add(
        "… without a restart",
        &before,
        format!("same pod, {seconds:.1} s after the patch"),
        before == after,
    );

    for (what, value) in [
        ("basic in lower case", "basic YWxpY2U6YWxpY2UtcGFzc3dvcmQ="),
        ("BASIC in upper case", "BASIC YWxpY2U6YWxpY2UtcGFzc3dvcmQ="),
    ] {
        table.refused(what, 401, "basic_denied", &get(world, CONTENT, &Auth::Raw(value.into())).await?);
    }
    let path = format!("{CONTENT}?os_username=alice&os_password=alice-password");
    table.refused("os_username and os_password", 401, "basic_denied", &get(world, &path, &Auth::None).await?);
    let path = format!("{CONTENT}?%6fs_username=alice&o%73_password=alice-password");
    table.refused("… percent-encoded", 401, "basic_denied", &get(world, &path, &Auth::None).await?);
    let xml = "<methodCall><methodName>confluence2.login</methodName><params><param><value>alice</value></param><param><value>alice-password</value></param></params></methodCall>";
    let request = world
        .http
        .request(Method::POST, format!("{}/rpc/xmlrpc", world.wiki_url))
        .header("content-type", "text/xml")
        .body(xml);
    let answer = finish(request, &Auth::None).await?;
    table.add("XML-RPC login", "401", answer.status.to_string(), answer.status == 401);
    table.status("the login page", 200, &call(world, Method::GET, "/login.action", &Auth::None).await?);
    Ok(())
}

/// UID of the pod and restarts of its containers.
async fn pod_identity() -> Result<String> {
    let pod = kubectl_json(&["get", "pod", WIKI_POD, "-n", WIKI_NAMESPACE]).await?;
    let restarts = |list: &str| -> i64 {
        let statuses = pod["status"][list].as_array();
        statuses.into_iter().flatten().filter_map(|status| status["restartCount"].as_i64()).sum()
    };
    let restarts = restarts("containerStatuses") + restarts("initContainerStatuses");
    Ok(format!("{} restarts={restarts}", pod["metadata"]["uid"]))
}
