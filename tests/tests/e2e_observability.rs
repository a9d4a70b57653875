//! What the sidecar shows of its work leaves the pod: traces reach a collector, audit lines a volume of the pod. Runs after
//! the guide, which leaves the wiki's policy Ready, and leaves it so.
#![cfg(feature = "cluster-tests")]

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use restward_tests::{
    collector::{Collector, holds},
    command::{kubectl, run},
    keycloak::user_token,
    policy::{self, until},
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, CONTENT, finish, get, in_confluence},
    world::{OPERATOR, WIKI, WIKI_NAMESPACE, WIKI_POD, World},
};
use serde_json::{Value, json};

const FILE: &str = "/audit/restward-audit-wiki-confluence-0.jsonl";
/// Where Tomcat logs what it answered.
const ACCESS_LOGS: &str = "cat /opt/atlassian/confluence/logs/conf_access_log*";
const TRACE: [u8; 16] = 0x7e57_ace1_d0f1_e2d3_c4b5_a697_8879_6a5b_u128.to_be_bytes();

/// The release with this collector, or without one.
async fn send_traces_to(collector: Option<&str>) -> Result<()> {
    let variables = match collector {
        Some(url) => json!({"OTEL_EXPORTER_OTLP_ENDPOINT": url}),
        None => Value::Null,
    };
    let values = format!("sidecar.openTelemetry={variables}");
    let upgrade = ["upgrade", OPERATOR, "../charts/restward", "-n", OPERATOR, "--reuse-values", "--wait"];
    run("helm", &[&upgrade[..], &["--timeout=5m", "--set-json", &values]].concat(), None).await.map(drop)
}

/// Gives the pods a volume that Confluence's container mounts too, or takes it back.
async fn roll_out(has_volume: bool) -> Result<()> {
    let (volume, mount) = if has_volume {
        (
            json!({"name": "audit", "emptyDir": {"sizeLimit": "250Mi"}}),
            json!({"name": "audit", "mountPath": "/audit", "readOnly": true}),
        )
    } else {
        (json!({"name": "audit", "$patch": "delete"}), json!({"mountPath": "/audit", "$patch": "delete"}))
    };
    let spec = json!({"containers": [{"name": "confluence", "volumeMounts": [mount]}], "volumes": [volume]});
    let patch = json!({"spec": {"template": {"spec": spec}}}).to_string();
    let workload = format!("statefulset/{WIKI}");
    kubectl(&["patch", &workload, "-n", WIKI_NAMESPACE, "-p", &patch]).await?;
    kubectl(&["rollout", "status", &workload, "-n", WIKI_NAMESPACE, "--timeout=300s"]).await?;
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.map(drop)
}

/// One test, as all of it changes the same workload.
#[tokio::test]
async fn traces_and_audit_lines_leave_the_pod() {
    let world = World::find().await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
    let node = kubectl(&["get", "node", "-o", "jsonpath={.items[0].status.addresses[0].address}"]).await;
    let node: IpAddr = node.unwrap().parse().unwrap();
    let collector = Collector::start(node).await.unwrap();
    send_traces_to(Some(&collector.url())).await.unwrap();
    policy::patch(r#"{"spec":{"audit":{"volume":"audit"}}}"#).await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "ConfigCurrent", "True", "Current", QUICK).await.unwrap();
    roll_out(true).await.unwrap();
    a_call_is_seen(&world, &collector).await.unwrap();
    an_error_of_confluence_itself_is_found_by_its_id(&world).await.unwrap();
    policy::patch(r#"{"spec":{"audit":null}}"#).await.unwrap();
    send_traces_to(None).await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "ConfigCurrent", "True", "Current", QUICK).await.unwrap();
    roll_out(false).await.unwrap();
}

async fn a_call_is_seen(world: &World, collector: &Collector) -> Result<()> {
    let token = user_token(world, "alice").await?;
    let trace: String = TRACE.iter().map(|byte| format!("{byte:02x}")).collect();
    let url = format!("{}{CONTENT}?secret=in-the-query", world.wiki_url);
    let call = world
        .http
        .get(url)
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .header("x-request-id", "seen-from-outside");
    let answer = finish(call, &Auth::Bearer(token.clone())).await?;
    ensure!(answer.status == 200, "{} {:?}", answer.status, answer.reason());

    eventually("the trace", QUICK, || async {
        let sent = collector.holding(&TRACE);
        let spans = sent.first().context("nothing has come")?;
        for wanted in ["restward-sidecar", "restward.decision", "as_user", "seen-from-outside"] {
            ensure!(holds(spans, wanted.as_bytes()), "'{wanted}' is not in it");
        }
        ensure!(!holds(spans, token.as_bytes()) && !holds(spans, b"in-the-query"), "a secret is in it");
        Ok(())
    })
    .await?;

    let lines = in_confluence(&["cat", FILE]).await?;
    let line = lines.lines().find(|line| line.contains("seen-from-outside")).context("no audit line")?;
    let line: Value = serde_json::from_str(line)?;
    for (member, wanted) in [("user", "alice"), ("decision", "as_user"), ("trace_id", &trace)] {
        ensure!(line.get(member).is_some_and(|value| value == wanted), "{member}: {line}");
    }
    let logs = kubectl(&["logs", WIKI_POD, "-n", WIKI_NAMESPACE, "-c", "restward-proxy"]).await?;
    ensure!(!logs.contains("\"event\":\"decision\""), "an audit line went to standard output");
    Ok(())
}

/// In the client's answer, in the audit line, and in Tomcat's access log, all by one id that the client did not choose.
async fn an_error_of_confluence_itself_is_found_by_its_id(world: &World) -> Result<()> {
    let token = Auth::Bearer(user_token(world, "alice").await?);
    let answer = get(world, &format!("{CONTENT}999999999"), &token).await?;
    ensure!(answer.status == 404 && answer.reason().is_none(), "{} {:?}", answer.status, answer.reason());
    let ids: Vec<_> = answer.headers.get_all("x-request-id").iter().collect();
    ensure!(ids.len() == 1, "{ids:?}");
    let id = answer.header("x-request-id").context("the id is no text")?;

    let lines = in_confluence(&["cat", FILE]).await?;
    let line = lines.lines().find(|line| line.contains(id)).context("no audit line")?;
    let line: Value = serde_json::from_str(line)?;
    ensure!(line.get("status").is_some_and(|status| *status == 404), "{line}");

    // It writes them down every ten seconds.
    eventually("the line of Tomcat's access log", QUICK, || async {
        let logs = in_confluence(&["sh", "-c", ACCESS_LOGS]).await?;
        let line = logs.lines().find(|line| line.contains(id)).context("it is not in it")?;
        ensure!(line.contains("999999999") && line.contains(" 404 "), "{line}");
        Ok(())
    })
    .await
}
