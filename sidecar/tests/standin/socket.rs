//! Tomcat on a Unix socket, as `interception: UnixSocket` makes it listen.

use std::{
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    time::Duration,
};

use http::{HeaderValue, Method};
use serde_json::{Value, json};

use crate::{
    echo,
    wiki::{PATIENCE, Wiki, machine},
};

/// Ports of this machine on which the process listens.
fn tcp_ports_of(pid: &str) -> Vec<u16> {
    let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect();
    let listeners = machine().unwrap().listeners;
    let own = |inode: u64| sockets.contains(&format!("socket:[{inode}]"));
    listeners.iter().filter(|one| own(one.inode)).map(|one| one.address.port()).collect()
}

#[tokio::test]
async fn tomcat_listens_on_the_socket_and_on_no_port() {
    let wiki = Wiki::start_on_socket(&[("ATL_TOMCAT_PROXY_INTERNAL_IPS", "127\\.0\\.0\\.1")]);
    assert_eq!(tcp_ports_of(&wiki.pid()), [0; 0]);
    let file = std::fs::metadata(wiki.socket()).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o660);

    // Its valves take whoever comes by the socket for loopback: the one that refuses others, and the one that believes proxies.
    let mut request = wiki.request(Method::GET, "/rest/standin/1.0/echo", None);
    let seen = echo(&wiki, request.clone()).await;
    assert_eq!(seen["remoteAddr"], "127.0.0.1");
    request.headers.insert("x-forwarded-for", HeaderValue::from_static("203.0.113.9"));
    assert_eq!(echo(&wiki, request).await["remoteAddr"], "203.0.113.9");
}

#[tokio::test]
async fn a_sidecar_serves_tokens_probes_and_status_over_the_socket() {
    let wiki = Wiki::start_on_socket(&[("ATL_TOMCAT_SCHEME", "https"), ("ATL_TOMCAT_SECURE", "true")]);
    let id = wiki.make_link().await;
    wiki.allow_impersonation(&id).await;
    let sidecar = wiki.sidecar(&wiki.key_pem, &json!({}));
    let origin = sidecar.trusted().await;
    assert_eq!(origin.describe(), "https://<Host header>");
    let signed = sidecar.assert(&origin, "alice", wiki.request(Method::GET, "/rest/standin/1.0/echo", None));
    assert_eq!(echo(&wiki, signed).await["user"], "alice");
    sidecar.users.confirm_user(&"alice".parse().unwrap()).await.unwrap();

    let whole = wiki.whole_sidecar().await;
    let request = || wiki.request(Method::GET, "", None);
    let page = wiki.through(whole.data, request(), "/confluence/status").await;
    assert_eq!((page.status.as_u16(), &page.body[..]), (200, &br#"{"state":"RUNNING"}"#[..]));
    let mut status = request();
    status.query = Some("nonce=00112233445566778899aabbccddeeff".into());
    let said: Value =
        serde_json::from_slice(&wiki.through(whole.admin, status, "/status").await.body).unwrap();
    assert_eq!(said["verification"]["reason"], "Verified", "{said}");
}

/// Tomcat leaves the file of its socket behind, on which the next one could not listen.
#[tokio::test]
async fn a_killed_tomcat_comes_back_because_the_sidecar_cleans_up() {
    let mut wiki = Wiki::start_on_socket(&[]);
    let whole = wiki.whole_sidecar().await;
    wiki.kill();
    let gone = async {
        while wiki.socket().exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, gone).await.is_ok());
    wiki.start_again();
    let request = wiki.request(Method::GET, "", None);
    assert_eq!(wiki.through(whole.data, request, "/confluence/status").await.status, 200);
}
