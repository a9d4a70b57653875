//! Who may be named while what is known.

use super::{verdict::Bypass, *};

fn verifier() -> Verifier {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let pod = restward_crds::sidecar::PodSettings::from_json(r#"{"listenPort": 8090}"#).unwrap();
    let metrics = Arc::new(Metrics::default());
    let store = Arc::new(Store::new("/nowhere".into(), pod, Arc::clone(&metrics)));
    Verifier::new(store, metrics, Arc::new(|| Ok(Network::default()))).unwrap()
}

fn found(verifier: &Verifier, findings: Findings) {
    let look = Look { ended: Instant::now(), ended_at: UnixTime::now(), findings };
    verifier.latest.store(Some(Arc::new(look)));
}

#[tokio::test(start_paused = true)]
async fn a_header_names_users_only_while_a_recent_look_has_seen_no_way_around() {
    let verifier = verifier();
    let header = IdentitySettings::Header { name: "X-Wiki-User".parse().unwrap() };
    let signature = IdentitySettings::OAuth1 { consumer_key: "restward".into() };
    let refused = Err(Reason::EnforcementUnverified);
    let is_refused = |when: &str| {
        assert_eq!(verifier.admits(&header), refused, "{when}");
        assert_eq!(verifier.admits(&signature), Ok(()), "{when}: a signature needs none of this");
    };
    is_refused("nobody has looked");
    found(&verifier, Findings::default());
    assert_eq!(verifier.admits(&header), Ok(()));
    tokio::time::advance(MAX_AGE).await;
    assert_eq!(verifier.admits(&header), Ok(()));
    tokio::time::advance(Duration::from_millis(1)).await;
    is_refused("the look is too old");
    let bypass = Bypass { port: 1, message: "x".into() };
    found(&verifier, Findings { bypasses: vec![bypass.clone()], ..Findings::default() });
    is_refused("there is a way around");
    found(&verifier, Findings { problem: Some("x".into()), ..Findings::default() });
    is_refused("it could not look");
    found(&verifier, Findings { warnings: vec!["UnknownListener: x".into()], ..Findings::default() });
    assert_eq!(verifier.admits(&header), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn tomcat_is_quiet_for_as_long_as_nobody_saw_it_listen() {
    let verifier = verifier();
    let while_later = Duration::from_mins(7);
    tokio::time::advance(while_later).await;
    assert_eq!(verifier.quiet(false), while_later, "since the sidecar's start");
    assert_eq!(verifier.quiet(true), Duration::ZERO);
    tokio::time::advance(EVERY).await;
    assert_eq!(verifier.quiet(false), EVERY);
}
