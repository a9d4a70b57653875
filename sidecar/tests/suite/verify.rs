//! Ways to Confluence around the sidecar.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use restward_crds::sidecar::PodSettings;
use restward_sidecar::verify::network::Network;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::support::{OWN_ADDRESS, World, eventually, wiki::Wiki};

/// Port on all addresses, as the kernel shows it.
pub(crate) fn everywhere(port: u16) -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, port).into()
}

/// A second way to Confluence, past the valve.
pub(crate) async fn second_way(address: Ipv4Addr) -> Wiki {
    let way = Wiki::start_on(address).await;
    way.behave(|wiki| wiki.has_no_valve = true);
    way
}

/// Changes nothing but the generation, after which the sidecar looks at once, and waits for the result.
pub(crate) async fn look(world: &mut World, change: impl FnOnce(&mut Value), reason: &str) -> Value {
    let before = looks(world).await;
    world.reconfigure(change).await;
    let world = &*world;
    eventually("a look", || async { looks(world).await > before }).await;
    eventually(reason, || async { world.status().await["verification"]["reason"] == reason }).await;
    world.status().await["verification"].clone()
}

/// How many looks have ended.
async fn looks(world: &World) -> u64 {
    let metrics = world.metrics().await;
    let counts = metrics.lines().filter_map(|line| line.strip_prefix("restward_sidecar_verifications_total"));
    counts.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

async fn readiness(world: &World) -> (u16, String) {
    let ready = world.admin("/readyz").await;
    (ready.status, ready.text())
}

#[tokio::test]
async fn a_pod_on_which_something_else_answers_as_confluence_is_not_ready_and_says_why() {
    let mut world = World::new().await;
    assert_eq!(world.status().await["verification"]["reason"], "Verified");
    let way = second_way(OWN_ADDRESS).await;
    world.network.shows(&[everywhere(way.port())]);
    let found = look(&mut world, |_| {}, "BypassDetected").await;
    assert_eq!(found["bypassPorts"], json!([way.port()]));
    assert!(found["verifiedAt"].as_i64().unwrap() > 0);
    let (status, text) = readiness(&world).await;
    let port = format!("bypass_detected: port {}: something answers as Confluence", way.port());
    assert!(status == 503 && text.contains(&port), "{text}");
    world.has_metric("restward_sidecar_bypass_ports 1").await;
    // Confluence keeps running, and who is connected is served.
    assert_eq!(world.admin("/livez").await.status, 200);
    assert_eq!(world.get_as("/rest/api/content", &world.idp.token("alice")).await.status, 200);
    let sent = way.all_arrived();
    assert!(
        sent.iter().all(|it| it.header("authorization").is_none() && it.header("cookie").is_none()),
        "{sent:?}"
    );

    look(&mut world, |config| config["onBypass"] = json!("Report"), "BypassDetected").await;
    assert_eq!(readiness(&world).await.0, 200, "Report only reports");
    look(&mut world, |config| config["onBypass"] = json!("Block"), "BypassDetected").await;
    assert_eq!(readiness(&world).await.0, 503);
    look(&mut world, |config| config["mode"] = json!("Audit"), "BypassDetected").await;
    assert_eq!(readiness(&world).await.0, 200, "where nothing is enforced nothing is got around");
    world.network.shows(&[]);
    look(&mut world, |config| config["mode"] = json!("Enforce"), "Verified").await;
    assert_eq!(readiness(&world).await.0, 200);
    world.has_metric("restward_sidecar_bypass_ports 0").await;
}

#[tokio::test]
async fn a_tomcat_without_its_valve_is_a_way_around() {
    let mut world = World::new().await;
    world.wiki.behave(|wiki| wiki.has_no_valve = true);
    let found = look(&mut world, |_| {}, "BypassDetected").await;
    assert_eq!(found["bypassPorts"], json!([world.wiki.port()]));
    assert!(found["message"].as_str().unwrap().contains("context.xml.default"), "{found}");
    assert_eq!(readiness(&world).await.0, 503);
    world.wiki.behave(|wiki| wiki.has_no_valve = false);
    look(&mut world, |_| {}, "Verified").await;
}

#[tokio::test]
async fn a_tomcat_that_does_not_stay_on_loopback_is_told_although_its_valve_shuts_it() {
    // On every address, as a Tomcat that takes no notice.
    let tomcat = Wiki::start_on(Ipv4Addr::UNSPECIFIED).await;
    for is_told_to in [true, false] {
        let change = |pod: &mut PodSettings| {
            pod.upstream_port = tomcat.port();
            pod.loopback_bind = is_told_to;
        };
        let mut world = World::start(|_| {}, change, |_, _| {}).await;
        let found = look(&mut world, |_| {}, "Verified").await;
        assert_eq!(
            found["warnings"].to_string().contains("LoopbackBindWithoutEffect"),
            is_told_to,
            "{found}"
        );
        assert_eq!(readiness(&world).await.0, 200);
    }
}

#[tokio::test]
async fn whoever_listens_on_tomcats_port_without_http_is_told_where_nobody_is_to() {
    let (port, _) = stranger("HZC\0").await;
    let socket = || Some("/nowhere/tomcat.sock".to_owned());
    for (on_loopback, socket, is_told) in [(true, None, true), (false, socket(), true), (false, None, false)]
    {
        let change = |pod: &mut PodSettings| {
            pod.upstream_port = port;
            pod.loopback_bind = on_loopback;
            pod.upstream_socket = socket;
        };
        let mut world = World::start(|_| {}, change, |_, _| {}).await;
        world.network.shows(&[everywhere(port)]);
        let found = look(&mut world, |_| {}, "Verified").await;
        assert_eq!(found["warnings"].to_string().contains("TomcatPortOpen"), is_told, "{found}");
        assert_eq!(found["bypassPorts"], Value::Null);
        assert_eq!(readiness(&world).await.0, 200);
    }
}

/// Where Confluence is at another context path than the sidecar knows, nothing answers as Confluence.
#[tokio::test]
async fn a_tomcat_that_answers_others_with_anything_but_403_is_a_way_around() {
    let mut world = World::new().await;
    world.wiki.behave(|wiki| {
        wiki.has_no_valve = true;
        wiki.is_elsewhere = true;
    });
    let found = look(&mut world, |_| {}, "BypassDetected").await;
    assert_eq!(found["bypassPorts"], json!([world.wiki.port()]));
    assert!(found["message"].as_str().unwrap().contains("404"), "{found}");
    assert_eq!(readiness(&world).await.0, 503);
}

/// Answers everything with `answer`, and counts.
async fn stranger(answer: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((OWN_ADDRESS, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (port, count)
}

#[tokio::test]
async fn what_does_not_answer_as_confluence_is_named_and_changes_nothing() {
    let mut world = World::new().await;
    let http = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\nConnection: close\r\n\r\n{\"state\":\"fine\"}";
    let (other, _) = stranger(http).await;
    let (binary, asked) = stranger("HZC\0").await;
    let (allowed, never) = stranger(http).await;
    world.network.shows(&[everywhere(other), everywhere(binary), everywhere(allowed)]);
    let allow =
        |config: &mut Value| config["allowedListeners"] = json!([{"port": allowed, "reason": "backup"}]);
    world.reconfigure(allow).await;
    let warned =
        || async { world.status().await["verification"]["warnings"].to_string().contains("UnknownListener") };
    eventually("a warning", warned).await;
    let found = world.status().await["verification"].clone();
    let warning = found["warnings"][0].as_str().unwrap();
    assert_eq!(found["reason"], "Verified", "{found}");
    assert!([other, binary].iter().all(|port| warning.contains(&port.to_string())), "{warning}");
    assert!(!warning.contains(&allowed.to_string()), "{warning}");
    assert_eq!(readiness(&world).await.0, 200);
    let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
    assert_eq!(count(&never), 0, "what is allowed is left alone");
    // What does not speak HTTP may log each connection: it is asked once, plain and over TLS.
    let before = count(&asked);
    assert!(before >= 1);
    for port in [1, 2] {
        look(&mut world, |config| config["allowedListeners"] = json!([{"port": port}]), "Verified").await;
    }
    assert_eq!(count(&asked), before);
}

#[tokio::test]
async fn loopback_counts_where_neighbours_reach_it() {
    let mut world = World::new().await;
    let way = second_way(Ipv4Addr::LOCALHOST).await;
    world.network.shows(&[(Ipv4Addr::LOCALHOST, way.port()).into()]);
    look(&mut world, |_| {}, "Verified").await;
    let routed = |network: &mut Network| network.routes_localnet = true;
    world.network.change(routed);
    let found = look(&mut world, |_| {}, "BypassDetected").await;
    assert_eq!(found["bypassPorts"], json!([way.port()]));
}

#[tokio::test]
async fn a_network_that_cannot_be_seen_is_not_verified_and_takes_back_nothing() {
    let mut world = World::new().await;
    world.network.hide();
    let found = look(&mut world, |_| {}, "Unverifiable").await;
    assert!(found["message"].as_str().unwrap().contains("the pod's network cannot be read"), "{found}");
    assert_eq!(readiness(&world).await.0, 200);

    let mut world = World::new().await;
    world.wiki.behave(|wiki| wiki.has_no_valve = true);
    look(&mut world, |_| {}, "BypassDetected").await;
    world.network.hide();
    world.reconfigure(|_| {}).await;
    world.has_metric("restward_sidecar_verifications_total{result=\"failed\"} 1").await;
    assert_eq!(readiness(&world).await.0, 503, "what was found stays");
}
