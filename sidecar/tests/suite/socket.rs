//! Confluence on a Unix socket: what the sidecar does over a port, it does over that too.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use restward_crds::sidecar::{
    PodSettings,
    pod::{AppProbe, ProbeAction},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpStream, UnixListener},
    task::{JoinHandle, JoinSet},
};

use crate::{
    support::{World, http::read_head, port, request},
    verify::{look, second_way},
};

/// A socket that leads to the scripted Confluence; its file goes with it.
struct Socket {
    path: PathBuf,
    relay: Option<JoinHandle<()>>,
}

impl Socket {
    fn new() -> Self {
        let name = format!("restward-{}.sock", restward_sidecar::random::hex_128().unwrap());
        Self { path: std::env::temp_dir().join(name), relay: None }
    }

    /// Moves the Confluence of this pod to the socket; nobody listens on its port then.
    fn take(&mut self, pod: &mut PodSettings) {
        let (listener, wiki) = (UnixListener::bind(&self.path).unwrap(), pod.upstream_port);
        self.relay = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut wiki = TcpStream::connect((Ipv4Addr::LOCALHOST, wiki)).await?;
                    copy_bidirectional(&mut client, &mut wiki).await
                });
            }
        }));
        pod.upstream_port = port::free();
        pod.upstream_socket = Some(self.path.to_str().unwrap().to_owned());
        let probe = |name: &str, action| AppProbe { name: name.into(), action, timeout_seconds: 1 };
        pod.probes = vec![
            probe("tcp", ProbeAction::TcpSocket {}),
            probe("http", ProbeAction::HttpGet { path: "/status".into(), headers: vec![] }),
        ];
    }

    /// Nobody listens any more, connections end, and the file stays.
    async fn kill(&mut self) {
        let relay = self.relay.take().unwrap();
        relay.abort();
        assert!(relay.await.is_err());
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn world(socket: &mut Socket) -> World {
    World::start(|_| {}, |pod| socket.take(pod), |_, _| {}).await
}

#[tokio::test]
async fn tokens_bodies_tunnels_and_probes_go_over_the_socket() {
    let mut socket = Socket::new();
    let world = world(&mut socket).await;
    world.is_trusted().await;
    let token = format!("Bearer {}", world.idp.token("alice"));
    let body = "y".repeat(1024 * 1024);
    let reply = world.send("PUT", "/rest/api/content/1", &[("Authorization", &token)], &body).await;
    assert_eq!(reply.status, 200);
    let arrived = world.wiki.last();
    assert_eq!((arrived.user.as_deref(), arrived.body.len()), (Some("alice"), body.len()));

    let mut stream = TcpStream::connect(world.running.data).await.unwrap();
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    stream.write_all(&request("GET", "/synchrony-proxy/v1", &upgrade, "")).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 101"));
    stream.write_all(b"hello").await.unwrap();
    let mut echoed = [0; 5];
    stream.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"hello");

    for name in ["tcp", "http"] {
        assert_eq!(world.admin(&format!("/app-health/{name}")).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on_is_a_confluence_that_is_down_and_goes() {
    let mut socket = Socket::new();
    let world = world(&mut socket).await;
    assert_eq!(world.get("/display/x", &[]).await.status, 200);
    socket.kill().await;
    let reply = world.get("/display/x", &[]).await;
    assert_eq!((reply.status, reply.reason().as_str()), (502, "upstream_unreachable"));
    for name in ["tcp", "http"] {
        let reply = world.admin(&format!("/app-health/{name}")).await;
        assert!(reply.status == 503 && reply.text().contains("no connection"), "{name}: {reply:?}");
    }
    let gone = || async { !Path::new(&socket.path).exists() };
    crate::support::eventually("the file is removed, so that the next one can listen", gone).await;
}

#[tokio::test]
async fn no_port_of_the_pod_leads_to_confluence_not_even_from_inside() {
    let mut socket = Socket::new();
    let mut world = world(&mut socket).await;
    look(&mut world, |_| {}, "Verified").await;
    let way = second_way(Ipv4Addr::LOCALHOST).await;
    world.network.shows(&[(Ipv4Addr::LOCALHOST, way.port()).into()]);
    let found = look(&mut world, |_| {}, "BypassDetected").await;
    assert_eq!(found["bypassPorts"], serde_json::json!([way.port()]));
    assert!(found["message"].as_str().unwrap().contains("to whoever is in the pod"), "{found}");
}

/// A Tomcat or Java that knows no Unix sockets.
#[tokio::test]
async fn a_tomcat_that_listens_on_its_port_all_the_same_is_found() {
    let mut socket = Socket::new();
    let tomcat = crate::support::wiki::Wiki::start().await;
    let on_port = |pod: &mut PodSettings| {
        socket.take(pod);
        pod.upstream_port = tomcat.port();
    };
    let config = |config: &mut serde_json::Value| config["onBypass"] = "Report".into();
    let mut world = World::start(config, on_port, |_, _| {}).await;
    let found = look(&mut world, |_| {}, "BypassDetected").await;
    assert_eq!(found["bypassPorts"], serde_json::json!([tomcat.port()]));
    assert!(found["message"].as_str().unwrap().contains("set spec.interception: Port"), "{found}");
}
