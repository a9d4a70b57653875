//! The official chart with a `server.xml` of its own in a ConfigMap, and Confluence not started as root
//! (`openshift.runWithRestrictedSCC`). Runs after the guide, which leaves the wiki's policy Ready, and leaves it so.
#![cfg(feature = "cluster-tests")]

use std::{io::ErrorKind, net::IpAddr};

use anyhow::{Result, ensure};
use restward_tests::{
    command::{apply, kubectl, run_refused},
    policy::{self, until},
    wait::{QUICK, SLOW, eventually},
    wiki::{Auth, CONTENT, get, in_confluence, token_names_its_user},
    world::{WIKI, WIKI_NAMESPACE, WIKI_POD, World},
};
use serde_json::{Value, json};
use tokio::net::TcpStream;

const CONFIG_MAP: &str = "wiki-confluence-server-config";
const SERVER_XML: &str = "/opt/atlassian/confluence/conf/server.xml";

/// The patch that makes of the workload what the chart makes with these values, or takes it back.
fn with_server_xml(is_mounted: bool, note: &str) -> String {
    let (volume, mount, user) = if is_mounted {
        let items = json!([{"key": "server.xml", "path": "server.xml"}]);
        (
            json!({"name": "server-xml", "configMap": {"name": CONFIG_MAP, "items": items}}),
            json!({"name": "server-xml", "mountPath": SERVER_XML, "subPath": "server.xml"}),
            json!({"runAsUser": 2002, "runAsGroup": 2002, "runAsNonRoot": true}),
        )
    } else {
        (
            json!({"name": "server-xml", "$patch": "delete"}),
            json!({"mountPath": SERVER_XML, "$patch": "delete"}),
            Value::Null,
        )
    };
    let container = json!({"name": "confluence", "securityContext": user, "volumeMounts": [mount]});
    let spec = json!({"containers": [container], "volumes": [volume]});
    json!({"spec": {"template": {"metadata": {"annotations": {"note": note}}, "spec": spec}}}).to_string()
}

async fn roll_out(is_mounted: bool, note: &str) -> Result<()> {
    let workload = format!("statefulset/{WIKI}");
    kubectl(&["patch", &workload, "-n", WIKI_NAMESPACE, "-p", &with_server_xml(is_mounted, note)]).await?;
    kubectl(&["rollout", "status", &workload, "-n", WIKI_NAMESPACE, "--timeout=300s"]).await?;
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.map(drop)
}

async fn configure(server_xml: &str) -> Result<()> {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP, "namespace": WIKI_NAMESPACE}, "data": {"server.xml": server_xml}});
    apply(&map.to_string()).await.map(drop)
}

/// One test, as all of it changes the same workload.
#[tokio::test]
async fn the_charts_own_server_xml_is_moved_to_loopback_without_root() {
    let world = World::find().await.unwrap();
    until(WIKI_NAMESPACE, policy::NAME, "Ready", "True", "Ready", SLOW).await.unwrap();
    let renderer = "/opt/atlassian/confluence/standin/render-server-xml";
    let server_xml = in_confluence(&["env", "ATL_TOMCAT_PORT=8090", renderer]).await.unwrap();
    // As the chart writes it; the stand-in's own also runs with other directories.
    let server_xml = server_xml.replace("${catalina.home}/confluence", "../confluence");
    configure(&server_xml).await.unwrap();
    roll_out(true, "by the chart").await.unwrap();
    only_loopback_is_served(&world).await.unwrap();
    a_change_is_followed(&server_xml).await.unwrap();
    what_leads_around_is_refused_early(&server_xml).await.unwrap();
    configure(&server_xml).await.unwrap();
    roll_out(false, "by the image").await.unwrap();
    kubectl(&["delete", "configmap", CONFIG_MAP, "-n", WIKI_NAMESPACE]).await.unwrap();
}

async fn only_loopback_is_served(world: &World) -> Result<()> {
    ensure!(in_confluence(&["id", "-u"]).await?.trim() == "2002", "Confluence is not the image's user");
    let file = in_confluence(&["cat", SERVER_XML]).await?;
    ensure!(file.contains("port=\"18090\"") && file.contains("address=\"127.0.0.1\""), "{file}");
    let address = ["get", "pod", WIKI_POD, "-n", WIKI_NAMESPACE, "-o", "jsonpath={.status.podIP}"];
    let address: IpAddr = kubectl(&address).await?.parse()?;
    let refused = TcpStream::connect((address, 18090)).await.map(drop).map_err(|error| error.kind());
    ensure!(refused == Err(ErrorKind::ConnectionRefused), "port 18090 from outside: {refused:?}");

    ensure!(get(world, CONTENT, &Auth::None).await?.status == 401, "anonymous");
    token_names_its_user(world, QUICK).await
}

async fn a_change_is_followed(server_xml: &str) -> Result<()> {
    let changed = server_xml.replacen("<Connector ", "<Connector keepAliveTimeout=\"21000\" ", 1);
    configure(&changed).await?;
    eventually("the advisory", QUICK, || async {
        let advisories = policy::read().await?.pointer("/status/advisories").map(Value::to_string);
        ensure!(advisories.as_ref().is_some_and(|said| said.contains("ServerXmlChanged")), "{advisories:?}");
        Ok(())
    })
    .await?;
    ensure!(!in_confluence(&["cat", SERVER_XML]).await?.contains("21000"), "the running pod keeps its file");
    roll_out(true, "changed").await?;
    ensure!(in_confluence(&["cat", SERVER_XML]).await?.contains("21000"), "a new pod has the change");
    Ok(())
}

async fn what_leads_around_is_refused_early(server_xml: &str) -> Result<()> {
    configure(&server_xml.replacen("<Engine ", "<Connector port=\"8093\"/><Engine ", 1)).await?;
    let patch = with_server_xml(true, "with a tunnel");
    let workload = format!("statefulset/{WIKI}");
    let refusal =
        run_refused("kubectl", &["patch", &workload, "-n", WIKI_NAMESPACE, "-p", &patch], None).await?;
    ensure!(refusal.contains("has 2 connectors (ports 8090, 8093)"), "{refusal}");
    ensure!(refusal.contains("running pods go on"), "{refusal}");
    Ok(())
}
