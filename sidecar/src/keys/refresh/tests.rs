//! When the identity provider is asked, and what is held meanwhile.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicUsize, Ordering};

use futures::future::join_all;
use restward_crds::sidecar::tokens::Algorithm;
use serde_json::json;

use super::*;
use crate::{
    auth::forge,
    keys::{Selection, fetch::tests::tls::Authority},
    loopback::scripted::Scripted,
    metrics::Fetches,
};

/// A provider that publishes `k1` in phase 0, is down in phase 1, and publishes `k2` only in phase 2.
struct Provider {
    server: Scripted,
    phase: Arc<AtomicU8>,
    fetches: Arc<AtomicUsize>,
    not_before: Arc<AtomicI64>,
}

impl Provider {
    async fn start() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (phase, fetches) = (Arc::new(AtomicU8::new(0)), Arc::new(AtomicUsize::new(0)));
        let not_before = Arc::new(AtomicI64::new(0));
        let revoked = Arc::clone(&not_before);
        let (now, count) = (Arc::clone(&phase), Arc::clone(&fetches));
        let server = Scripted::start(move |asked| {
            let base = format!("http://{}", asked.headers["host"].to_str().unwrap());
            let kid = match now.load(Ordering::SeqCst) {
                0 => "k1",
                1 => return (503, vec![], String::new()),
                _ => "k2",
            };
            let body = if asked.target == "/realms/wiki" {
                json!({"realm": "wiki", "tokens-not-before": revoked.load(Ordering::SeqCst)})
            } else if asked.target == "/certs" {
                count.fetch_add(1, Ordering::SeqCst);
                json!({"keys": [forge::rsa_key().jwk(kid)]})
            } else {
                json!({"issuer": format!("{base}/realms/wiki"), "jwks_uri": format!("{base}/certs")})
            };
            (200, vec![], body.to_string())
        })
        .await;
        Self { server, phase, fetches, not_before }
    }

    fn become_phase(&self, phase: u8) {
        self.phase.store(phase, Ordering::SeqCst);
    }

    fn settings(&self) -> Settings {
        let host = format!("http://127.0.0.1:{}", self.server.port());
        forge::settings(json!({"issuers": [{"host": host, "realm": "wiki"}]}))
    }

    fn keys(&self) -> Keys {
        Keys::new(&self.settings(), None, Fetches::default()).unwrap()
    }
}

fn knows(keys: &Keys, kid: &str) -> bool {
    matches!(keys.snapshot().select(0, Some(kid), Algorithm::Rs256), Selection::Key(_))
}

#[tokio::test]
async fn keys_are_fetched_kept_while_the_provider_is_down_and_dropped_when_it_drops_them() {
    let provider = Provider::start().await;
    let keys = provider.keys();
    assert_eq!(keys.report().reason, ProviderReason::Pending);
    assert!(!keys.snapshot().has_keys(0));

    assert_eq!(keys.ask(0, Duration::ZERO).await, Asked::Answered);
    assert_eq!((knows(&keys, "k1"), keys.report().reason), (true, ProviderReason::Reachable));
    provider.become_phase(1);
    assert_eq!(keys.ask(0, Duration::ZERO).await, Asked::Failed);
    assert_eq!((knows(&keys, "k1"), keys.report().reason), (true, ProviderReason::Degraded));
    provider.become_phase(2);
    assert_eq!(keys.ask(0, Duration::ZERO).await, Asked::Answered);
    assert_eq!((knows(&keys, "k1"), knows(&keys, "k2")), (false, true));
    assert_eq!(keys.report().reason, ProviderReason::Reachable);
}

#[tokio::test]
async fn unknown_keys_cause_one_request_in_ten_seconds_however_many_ask() {
    let provider = Provider::start().await;
    let keys = provider.keys();
    for asked in join_all((0..100).map(|_| keys.refresh_unknown_kid(0))).await {
        assert_eq!(asked, Asked::Answered);
    }
    assert_eq!(provider.fetches.load(Ordering::SeqCst), 1);
    tokio::time::pause();
    tokio::time::advance(UNKNOWN_KEY_WINDOW).await;
    tokio::time::resume();
    keys.refresh_unknown_kid(0).await;
    keys.refresh_unknown_kid(0).await;
    assert_eq!(provider.fetches.load(Ordering::SeqCst), 2);
    assert_eq!(keys.refresh_unknown_kid(7).await, Asked::Failed, "no such issuer");
}

#[tokio::test]
async fn the_realms_not_before_is_followed_and_holds_while_it_is_down() {
    let provider = Provider::start().await;
    let keys = provider.keys();
    assert!(!keys.ask_not_before(0).await, "where the realm is, discovery says");
    keys.ask(0, Duration::ZERO).await;
    assert!(keys.ask_not_before(0).await);
    let before = keys.snapshot();
    assert!(keys.ask_not_before(0).await);
    assert!(Arc::ptr_eq(&before, &keys.snapshot()), "verdicts are kept while nothing changes");
    provider.not_before.store(1_700_000_000, Ordering::SeqCst);
    assert!(keys.ask_not_before(0).await);
    assert_eq!(keys.snapshot().not_before(0), 1_700_000_000);
    provider.become_phase(1);
    assert!(!keys.ask_not_before(0).await);
    provider.become_phase(2);
    keys.ask(0, Duration::ZERO).await;
    assert_eq!(keys.snapshot().not_before(0), 1_700_000_000, "new keys forget nothing");
}

#[tokio::test]
async fn the_background_fetches_by_itself_until_shutdown() {
    let provider = Provider::start().await;
    let keys = provider.keys();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn({
        let (keys, shutdown) = (keys.clone(), shutdown.clone());
        async move { keys.run(shutdown).await }
    });
    tokio::time::timeout(Duration::from_secs(30), async {
        while !knows(&keys, "k1") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    shutdown.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_cold_start_works_with_what_the_operator_last_saw() {
    let provider = Provider::start().await;
    provider.become_phase(1);
    let base = format!("http://127.0.0.1:{}", provider.server.port());
    let with = |issuer: &str| {
        let jwks = json!({"keys": [forge::rsa_key().jwk("k1")]});
        let known = json!({"issuer": issuer, "jwksUri": format!("{base}/certs"), "jwks": jwks});
        forge::settings(json!({"issuers": [{"host": base, "realm": "wiki", "lastKnown": known}]}))
    };
    let keys = Keys::new(&with(&format!("{base}/realms/wiki")), None, Fetches::default()).unwrap();
    assert!(knows(&keys, "k1"));
    assert_eq!(keys.ask(0, Duration::ZERO).await, Asked::Failed);
    assert_eq!((knows(&keys, "k1"), keys.report().reason), (true, ProviderReason::Degraded));
    // What names another issuer is no seed.
    let keys = Keys::new(&with("https://evil.example/realms/wiki"), None, Fetches::default()).unwrap();
    assert!(!keys.snapshot().has_keys(0));
}

#[tokio::test]
async fn keys_survive_a_reload_that_does_not_concern_them() {
    let provider = Provider::start().await;
    let keys = provider.keys();
    let mut other = provider.settings();
    other.basic_auth = restward_crds::sidecar::terms::Switch::Deny;
    assert!(keys.fits(&other, None));
    assert!(!keys.fits(&other, Some(b"ca")));
    other.issuers[0].audiences = vec!["x".into()];
    assert!(!keys.fits(&other, None));
}

#[tokio::test]
async fn what_is_known_of_an_issuer_survives_a_change_of_policy() {
    let provider = Provider::start().await;
    let keys = provider.keys();
    provider.not_before.store(1_700_000_000, Ordering::SeqCst);
    keys.ask(0, Duration::ZERO).await;
    keys.ask_not_before(0).await;

    let mut other = provider.settings();
    other.issuers[0].audiences = vec!["x".into()];
    let same_realm = Keys::new(&other, None, Fetches::default()).unwrap();
    assert!(!knows(&same_realm, "k1"));
    same_realm.inherit(&keys);
    assert!(knows(&same_realm, "k1"));
    assert_eq!(same_realm.snapshot().not_before(0), 1_700_000_000);

    other.issuers[0].accepted_issuers = vec!["https://elsewhere".into()];
    let other_name = Keys::new(&other, None, Fetches::default()).unwrap();
    other_name.inherit(&keys);
    let host = format!("http://127.0.0.1:{}", provider.server.port());
    let other_realm = forge::settings(json!({"issuers": [{"host": host, "realm": "partners"}]}));
    let other_realm = Keys::new(&other_realm, None, Fetches::default()).unwrap();
    other_realm.inherit(&keys);
    let moved = forge::settings(json!({"issuers": [{"host": "http://127.0.0.1:1", "realm": "wiki"}]}));
    let moved = Keys::new(&moved, None, Fetches::default()).unwrap();
    moved.inherit(&keys);
    for stranger in [other_name, other_realm, moved] {
        assert!(!knows(&stranger, "k1"));
        assert_eq!(stranger.snapshot().not_before(0), 0);
    }
}

#[tokio::test]
async fn what_is_known_of_an_issuer_survives_a_change_of_its_list_of_names() {
    let provider = Provider::start().await;
    let at_the_host = format!("http://127.0.0.1:{}/realms/wiki", provider.server.port());
    let [own, next, strange] = [&*at_the_host, "https://next/realms/wiki", "https://strange"];
    let after = |before: &Keys, list: &[&str]| {
        let list = list.iter().copied().map(Into::into).collect();
        let settings = with(&provider.settings(), |issuer| issuer.accepted_issuers = list);
        let keys = Keys::new(&settings, None, Fetches::default()).unwrap();
        keys.inherit(before);
        keys
    };
    let plain = provider.keys();
    plain.ask(0, Duration::ZERO).await;
    let mut keys = plain.clone();
    for (list, names) in [
        (vec![own, next], vec![own, next]),
        (vec![next], vec![next]),
        (vec![next, own], vec![next, own]),
        (vec![], vec![own]),
    ] {
        keys = after(&keys, &list);
        assert!(knows(&keys, "k1") && keys.snapshot().endpoints(0).is_some(), "{list:?}");
        assert_eq!(keys.snapshot().names(0), names);
    }
    assert!(!knows(&after(&keys, &[strange]), "k1"));
    // Nothing says that the tokens of the list's only name are those of this host.
    let elsewhere = after(&after(&plain, &[own, next]), &[next]);
    assert!(knows(&elsewhere, "k1") && !knows(&after(&elsewhere, &[]), "k1"));
}

/// A settings' issuer after a change.
fn with(settings: &Settings, change: impl FnOnce(&mut IssuerSettings)) -> Settings {
    let mut settings = settings.clone();
    change(&mut settings.issuers[0]);
    settings
}

#[tokio::test]
async fn a_provider_that_is_asked_in_another_way_keeps_its_keys_until_it_answers_there() {
    let provider = Provider::start().await;
    let names = vec![format!("http://127.0.0.1:{}/realms/wiki", provider.server.port())];
    let before = with(&provider.settings(), |issuer| issuer.accepted_issuers = names);
    let ca = Authority::new().pem();
    let nobody = "http://127.0.0.1:1";
    for (settings, ca) in [
        (with(&before, |issuer| issuer.backchannel = Some(nobody.parse().unwrap())), None),
        (with(&before, |issuer| issuer.own_ca = true), Some(ca.as_slice())),
        (
            with(&before, |issuer| {
                issuer.source =
                    IssuerSource::Keycloak { base: nobody.parse().unwrap(), realm: "wiki".into() };
            }),
            None,
        ),
    ] {
        provider.become_phase(0);
        let keys = Keys::new(&before, None, Fetches::default()).unwrap();
        keys.ask(0, Duration::ZERO).await;
        let moved = Keys::new(&settings, ca, Fetches::default()).unwrap();
        moved.inherit(&keys);
        assert!(knows(&moved, "k1") && !moved.has_own_keys(0));
        provider.become_phase(1);
        assert_eq!(moved.ask(0, Duration::ZERO).await, Asked::Failed);
        assert_eq!((knows(&moved, "k1"), moved.report().reason), (true, ProviderReason::Degraded));

        // Another change of policy gives them no more time.
        let moved_on = Keys::new(&settings, ca, Fetches::default()).unwrap();
        tokio::time::pause();
        tokio::time::advance(FOUND_OTHERWISE / 2).await;
        moved_on.inherit(&moved);
        tokio::time::advance(FOUND_OTHERWISE / 2).await;
        tokio::time::resume();
        assert_eq!(moved_on.ask(0, Duration::ZERO).await, Asked::Failed);
        assert!(!knows(&moved_on, "k1"), "it did not answer in five minutes");
        assert_eq!(moved_on.report().reason, ProviderReason::Unreachable);
    }
    provider.become_phase(0);
    let keys = Keys::new(&before, None, Fetches::default()).unwrap();
    keys.ask(0, Duration::ZERO).await;
    let settings = with(&before, |issuer| issuer.own_ca = true);
    let moved = Keys::new(&settings, Some(ca.as_slice()), Fetches::default()).unwrap();
    moved.inherit(&keys);
    provider.become_phase(2);
    assert_eq!(moved.ask(0, Duration::ZERO).await, Asked::Answered);
    assert!(!knows(&moved, "k1") && knows(&moved, "k2") && moved.has_own_keys(0));
}

#[test]
fn own_authorities_must_be_there() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let settings = forge::settings(json!({"issuers": [{"host": "https://h", "realm": "r", "ownCa": true}]}));
    assert!(matches!(Keys::new(&settings, None, Fetches::default()), Err(KeysError::CaMissing)));
}
