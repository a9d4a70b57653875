//! Self-verification against a real Tomcat, with the valve and without it.

use std::net::{Ipv4Addr, SocketAddr};

use http::StatusCode;
use restward_sidecar::verify::{
    plan::{Caller, Target},
    probe::Prober,
    verdict::Verdict,
};

use crate::wiki::{ON_LOOPBACK, WITHOUT_VALVE, Wiki, machine};

/// What Tomcat answers on every address of this machine, and to a mesh proxy on loopback.
async fn from_all_sides(wiki: &Wiki) -> Vec<Verdict> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (prober, port) = (Prober::new().unwrap(), wiki.port);
    let own = machine().unwrap().addresses.into_iter();
    let own = own.map(|ip| Target { to: SocketAddr::new(ip, port), by: Caller::Outside });
    let mesh = Target { to: (Ipv4Addr::LOCALHOST, port).into(), by: Caller::Mesh };
    let mut verdicts = Vec::new();
    for target in own.chain([mesh]) {
        verdicts.push(prober.ask(&target, "/confluence").await);
    }
    verdicts
}

#[tokio::test]
async fn the_valve_shuts_tomcats_port_on_all_sides_and_a_missing_one_is_found() {
    let wiki = Wiki::start_on_port(&[]);
    let shut = from_all_sides(&wiki).await;
    assert!(shut.len() > 1, "{shut:?}");
    assert!(shut.iter().all(|verdict| *verdict == Verdict::Http(StatusCode::FORBIDDEN)), "{shut:?}");
    wiki.until_readiness(&wiki.start_sidecar().await, 200).await;

    let open = Wiki::start_on_port(&[WITHOUT_VALVE]);
    let verdicts = from_all_sides(&open).await;
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Confluence), "{verdicts:?}");
    let said = open.until_readiness(&open.start_sidecar().await, 503).await;
    assert!(said.contains(&format!("port {}: Tomcat's own port lets in", open.port)), "{said}");
}

/// The value that injection gives to the variable of the image's template.
#[tokio::test]
async fn the_variable_of_the_image_binds_tomcat_to_loopback() {
    let wiki = Wiki::start_on_port(&[("ATL_TOMCAT_PORT", ON_LOOPBACK)]);
    let mut verdicts = from_all_sides(&wiki).await;
    assert_eq!(verdicts.pop(), Some(Verdict::VALVE), "a mesh proxy is on loopback too");
    assert!(!verdicts.is_empty() && verdicts.iter().all(|verdict| *verdict == Verdict::Shut), "{verdicts:?}");
    wiki.until_readiness(&wiki.start_sidecar().await, 200).await;
}
