//! The admin port.

use std::time::{SystemTime, UNIX_EPOCH};

use openssl::{hash::MessageDigest, pkey::PKey, sign::Signer};
use restward_crds::sidecar::pod::{AppProbe, ProbeAction};
use restward_sidecar::{
    app::{self, Listeners, Options},
    audit::Audit,
    server::Bounds,
};

use crate::support::{Captured, PodNetwork, STATUS_KEY, World, exchange, logs, request};

#[tokio::test]
async fn status_is_authenticated_by_the_policys_key() {
    let world = World::new().await;
    let nonce = "ffeeddccbbaa99887766554433221100";
    let reply = world.admin(&format!("/status?nonce={nonce}")).await;
    assert_eq!(reply.status, 200);
    let key: Vec<u8> =
        (0..64).step_by(2).map(|at| u8::from_str_radix(&STATUS_KEY[at..at + 2], 16).unwrap()).collect();
    let key = PKey::hmac(&key).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    signer.update(format!("restward-status-v1\n{nonce}\n").as_bytes()).unwrap();
    signer.update(&reply.body).unwrap();
    let mac: String = signer.sign_to_vec().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(reply.header("x-restward-mac"), Some(mac.as_str()));
    let status = reply.json();
    assert_eq!(
        (&status["policy"]["name"], &status["upstream"]["reason"]),
        (&"wiki".into(), &"Trusted".into())
    );
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    assert!((now - status["now"].as_i64().unwrap()).abs() <= 10, "the operator compares clocks: {status}");
    for bad in
        ["/status", "/status?nonce=", "/status?nonce=00&x", "/status?nonce=zz112233445566778899aabbccddeeff"]
    {
        assert_eq!(world.admin(bad).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn probes_of_the_pod_really_ask_tomcat() {
    let http = |path: &str| ProbeAction::HttpGet {
        path: path.into(),
        headers: vec![("X-Probe".into(), "1".into()), ("X-Probe".into(), "2".into())],
    };
    let probe = |name: &str, action| AppProbe { name: name.into(), action, timeout_seconds: 1 };
    let refused = ProbeAction::HttpGet {
        path: "/rest/probe".into(),
        headers: vec![("Authorization".into(), "Basic d3Jvbmc6d3Jvbmc=".into())],
    };
    let world = World::start(
        |_| {},
        |pod| {
            pod.probes = vec![
                probe("confluence/readinessProbe", http("/rest/probe?x=1")),
                probe("confluence/startupProbe", http("/rest/slow")),
                probe("confluence/livenessProbe", ProbeAction::TcpSocket {}),
                probe("confluence/preStop", refused),
            ];
        },
        |_, wiki| wiki.behave(|wiki| wiki.is_silent = true),
    )
    .await;
    assert_eq!(world.admin("/app-health/confluence/readinessProbe").await.status, 200);
    let arrived = world.wiki.last();
    assert_eq!((arrived.target.as_str(), arrived.all("x-probe")), ("/rest/probe?x=1", vec!["1", "2"]));
    assert_eq!(
        (arrived.header("accept"), arrived.header("user-agent")),
        (Some("*/*"), Some("kube-probe/restward"))
    );
    assert_eq!(world.admin("/app-health/confluence/livenessProbe").await.status, 200);
    assert_eq!(world.admin("/app-health/confluence/startupProbe").await.status, 503);
    let reply = world.admin("/app-health/confluence/preStop").await;
    assert!(reply.status == 503 && reply.text().contains("Confluence answers 401"), "{reply:?}");
    for unknown in ["/app-health/", "/app-health/x", "/app-health/../status", "/rest/api/content", "/"] {
        assert_eq!(world.admin(unknown).await.status, 404, "{unknown}");
    }
}

#[tokio::test]
async fn a_probe_is_nobodys_whatever_its_headers_say() {
    let own = "X-Wiki-User";
    let headers = [own, "x_wiki_user", "X-Forwarded-User", "X-Probe"];
    let action = ProbeAction::HttpGet {
        path: "/rest/probe".into(),
        headers: headers.map(|name| (name.to_owned(), "alice".to_owned())).to_vec(),
    };
    let world = World::start(
        |config| config["upstream"]["identity"] = serde_json::json!({"header": {"name": own}}),
        |pod| pod.probes = vec![AppProbe { name: "x".into(), action, timeout_seconds: 1 }],
        |_, wiki| wiki.behave(|wiki| wiki.believes = Some(own)),
    )
    .await;
    assert_eq!(world.admin("/app-health/x").await.status, 200);
    let arrived = world.wiki.last();
    assert_eq!((arrived.user.as_deref(), arrived.header("x-probe")), (None, Some("alice")));
    assert!(headers[..3].iter().all(|name| arrived.header(name).is_none()), "{arrived:?}");
}

#[tokio::test]
async fn a_probe_of_a_tomcat_that_is_gone_fails() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let probes = [
        ("tcp", ProbeAction::TcpSocket {}),
        ("http", ProbeAction::HttpGet { path: "/".into(), headers: vec![] }),
    ];
    let world = World::start(
        |_| {},
        |pod| {
            pod.upstream_port = closed;
            pod.probes = probes
                .into_iter()
                .map(|(name, action)| AppProbe { name: name.into(), action, timeout_seconds: 1 })
                .collect();
        },
        |_, _| {},
    )
    .await;
    for name in ["tcp", "http"] {
        let reply = world.admin(&format!("/app-health/{name}")).await;
        assert!(reply.status == 503 && reply.text().contains("no connection"), "{name}: {reply:?}");
    }
}

/// What the page about observability says.
const PAGE: &str = include_str!("../../../docs/observability.md");

#[tokio::test]
async fn every_metric_and_every_member_of_an_audit_line_is_documented() {
    let world = World::new().await;
    world.get_as("/rest/api/content", &world.idp.token("alice")).await;
    let metrics = world.metrics().await;
    let kinds: Vec<_> = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert!(kinds.len() >= 14, "{kinds:?}");
    for kind in kinds {
        let (name, kind) = kind.split_once(' ').unwrap();
        let name = format!("| `{name}{}` |", if kind == "counter" { "_total" } else { "" });
        assert!(PAGE.contains(&name), "{name} is not documented");
    }
    let line = world.last_audit();
    for member in line.as_object().unwrap().keys() {
        assert!(PAGE.contains(&format!("| `{member}` |")), "{member} is not documented");
    }
}

#[tokio::test]
async fn the_state_of_keys_and_memories_is_a_number() {
    let world = World::new().await;
    world.get_as("/rest/api/content", &world.idp.token("alice")).await;
    let metrics = world.metrics().await;
    let value = |prefix: &str| {
        let line =
            metrics.lines().find(|line| line.starts_with(prefix)).unwrap_or_else(|| panic!("no {prefix}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(value("restward_sidecar_key_fetches_total{result=\"ok\"}") >= 1.0);
    let issuer = format!("restward_sidecar_keys_age_seconds{{issuer=\"{}/realms/wiki\"}}", world.idp.base());
    assert!(value(&issuer) >= 0.0);
    assert!((value("restward_sidecar_memory_entries{memory=\"tokens\"}") - 1.0).abs() < f64::EPSILON);
    assert!(value("restward_sidecar_memory_entries{memory=\"users\"}") >= 1.0);
    assert!(value("restward_sidecar_upstream_duration_seconds_count") >= 1.0);
}

#[tokio::test]
async fn before_the_first_configuration_nothing_passes_and_the_probes_say_why() {
    logs::capture();
    let pod = restward_crds::sidecar::PodSettings::from_json(r#"{"listenPort": 8090}"#).unwrap();
    let options = Options {
        pod,
        config_dir: "/nonexistent/restward".into(),
        state_dir: "/nonexistent/restward".into(),
        network: PodNetwork::default().source(),
        audit: Audit::to(Captured::default()),
        traces: None,
        bounds: Bounds::default(),
    };
    let running = app::start(options, Listeners::on_loopback().await.unwrap()).unwrap();
    for path in ["/readyz", "/livez"] {
        let reply = exchange(running.admin, &request("GET", path, &[], "")).await;
        assert!(reply.status == 503 && reply.text().contains("config_rejected"), "{path} {}", reply.text());
    }
    for path in ["/rest/api", "/display/x", "/status"] {
        let reply = exchange(running.data, &request("GET", path, &[], "")).await;
        assert_eq!((reply.status, reply.reason().as_str()), (503, "not_configured"), "{path}");
    }
}

#[tokio::test]
async fn the_status_of_a_started_sidecar_needs_no_identity_provider() {
    let world = World::start(|_| {}, |_| {}, |idp, _| idp.set_down(true)).await;
    assert_eq!(world.admin("/livez").await.status, 200);
    assert_eq!(world.admin("/readyz").await.status, 200);
}
