use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use aws_lc_rs::hmac;
use axum::{Router, extract::Query, http::HeaderMap, routing::get};
use restward_crds::{
    condition::{EnforcedReason, ProviderReason, UpstreamReason},
    sidecar::{
        config::PolicyRef,
        status::{Report, mac_input},
    },
};
use serde::Deserialize;
use tokio::net::TcpListener;

use super::*;

const UID: &str = "u-1";

#[derive(Deserialize)]
struct Asked {
    nonce: String,
}

fn status(uid: &str) -> String {
    let status = SidecarStatus {
        sidecar_version: "1".into(),
        now: None,
        policy: PolicyRef { namespace: "n".into(), name: "p".into(), uid: uid.into(), generation: 1 },
        config_hash: "h".into(),
        config_rejected: None,
        identity_provider: Report { reason: ProviderReason::Reachable, message: String::new() },
        upstream: Report { reason: UpstreamReason::Trusted, message: String::new() },
        consumer_keys: None,
        managed_link: None,
        verification: Some(Verification {
            reason: EnforcedReason::Verified,
            message: String::new(),
            verified_at: Some(1),
            bypass_ports: Vec::new(),
            warnings: Vec::new(),
        }),
        advisories: Vec::new(),
    };
    serde_json::to_string(&status).unwrap()
}

/// A sidecar on loopback that answers `body`, with the MAC that `sign` makes of nonce and body.
async fn sidecar(body: String, sign: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> Acks {
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let sign = Arc::new(sign);
    let answer = async move |Query(asked): Query<Asked>| {
        let mut headers = HeaderMap::new();
        headers.insert(names::HEADER_STATUS_MAC, sign(&asked.nonce, &body).parse().unwrap());
        (headers, body.clone())
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/status", get(answer))).await });
    Acks::new(port).unwrap()
}

fn mac(keys: &PolicyKeys, nonce: &str, body: &str) -> String {
    let key = keys.status_key_hex();
    let key: Vec<u8> =
        (0..key.len()).step_by(2).map(|at| u8::from_str_radix(&key[at..at + 2], 16).unwrap()).collect();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &mac_input(nonce, body.as_bytes()));
    tag.as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

async fn poll(acks: &Acks, keys: &PolicyKeys) -> Ack {
    let pods = [("wiki-0".to_owned(), "127.0.0.1".to_owned())];
    acks.poll(&pods, UID, keys).await.remove(0)
}

async fn ask(acks: &Acks, keys: &PolicyKeys) -> Option<SidecarStatus> {
    poll(acks, keys).await.status
}

#[tokio::test]
async fn a_sidecar_that_proves_itself_is_believed() {
    let keys = PolicyKeys::generate(None).unwrap();
    let own = keys.clone();
    let acks = sidecar(status(UID), move |nonce, body| mac(&own, nonce, body)).await;
    assert_eq!(ask(&acks, &keys).await.unwrap().upstream.reason, UpstreamReason::Trusted);
}

#[tokio::test]
async fn one_that_has_the_key_from_before_is_believed_until_nobody_has_it() {
    let keys = PolicyKeys::generate(None).unwrap();
    let rotating = keys.clone().rotating("1".into(), true).unwrap();
    let (old, new, has_new) = (keys.clone(), rotating.clone(), Arc::new(AtomicBool::new(false)));
    let mounted = Arc::clone(&has_new);
    let sign = move |nonce: &str, body: &str| {
        mac(if mounted.load(Ordering::Relaxed) { &new } else { &old }, nonce, body)
    };
    let acks = sidecar(status(UID), sign).await;
    let ack = poll(&acks, &rotating).await;
    assert!(ack.status.is_some() && ack.has_previous_key);
    assert!(poll(&acks, &rotating.clone().without_previous_status_key()).await.status.is_none());

    has_new.store(true, Ordering::Relaxed);
    let ack = poll(&acks, &rotating).await;
    assert!(ack.status.is_some() && !ack.has_previous_key);
    assert!(poll(&acks, &keys).await.status.is_none(), "the new key is none of before");
}

#[tokio::test]
async fn its_clock_is_compared_with_the_operators() {
    let keys = PolicyKeys::generate(None).unwrap();
    for (ahead, told) in [(Some(400), Some(400)), (Some(-400), Some(-400)), (None, None)] {
        let mut said: SidecarStatus = serde_json::from_str(&status(UID)).unwrap();
        said.now = ahead.map(|ahead| Timestamp::now().as_second() + ahead);
        let own = keys.clone();
        let acks =
            sidecar(serde_json::to_string(&said).unwrap(), move |nonce, body| mac(&own, nonce, body)).await;
        let seen = poll(&acks, &keys).await.clock_ahead;
        assert_eq!(seen.is_some(), told.is_some());
        assert!(seen.zip(told).is_none_or(|(seen, told)| (seen - told).abs() <= 10), "{seen:?}");
    }
}

#[tokio::test]
async fn a_clock_may_say_anything() {
    let keys = PolicyKeys::generate(None).unwrap();
    for (now, ahead) in [(i64::MIN, i64::MIN), (i64::MAX, i64::MAX - Timestamp::now().as_second())] {
        let mut status: SidecarStatus = serde_json::from_str(&status(UID)).unwrap();
        status.now = Some(now);
        let own = keys.clone();
        let acks =
            sidecar(serde_json::to_string(&status).unwrap(), move |nonce, body| mac(&own, nonce, body)).await;
        let said = poll(&acks, &keys).await.clock_ahead.unwrap();
        assert!(said <= ahead && said.signum() == ahead.signum(), "{said}");
    }
}

#[tokio::test]
async fn nobody_else_can_speak_for_it() {
    let keys = PolicyKeys::generate(None).unwrap();
    let other = PolicyKeys::generate(None).unwrap();
    let with_another_key = sidecar(status(UID), move |nonce, body| mac(&other, nonce, body)).await;
    assert!(ask(&with_another_key, &keys).await.is_none());

    let own = keys.clone();
    let replayed =
        sidecar(status(UID), move |_, body| mac(&own, "00112233445566778899aabbccddeeff", body)).await;
    assert!(ask(&replayed, &keys).await.is_none());

    let own = keys.clone();
    let of_another_policy = sidecar(status("u-2"), move |nonce, body| mac(&own, nonce, body)).await;
    assert!(ask(&of_another_policy, &keys).await.is_none());

    let own = keys.clone();
    let endless =
        sidecar(" ".repeat(MAX_BODY + 1) + &status(UID), move |nonce, body| mac(&own, nonce, body)).await;
    assert!(ask(&endless, &keys).await.is_none());
}

#[tokio::test]
async fn one_lost_answer_takes_nothing_back_of_what_was_verified() {
    let keys = PolicyKeys::generate(None).unwrap();
    let (own, is_lost) = (keys.clone(), Arc::new(AtomicBool::new(false)));
    let lost = Arc::clone(&is_lost);
    let acks =
        sidecar(
            status(UID),
            move |nonce, body| {
                if lost.load(Ordering::Relaxed) { "00".into() } else { mac(&own, nonce, body) }
            },
        )
        .await;
    let verified = |ack: &Ack| ack.verification().map(|said| said.reason);
    assert_eq!(verified(&poll(&acks, &keys).await), Some(EnforcedReason::Verified));
    is_lost.store(true, Ordering::Relaxed);
    let ack = poll(&acks, &keys).await;
    assert!(ack.status.is_none());
    assert_eq!(verified(&ack), Some(EnforcedReason::Verified));
    // Of another policy nothing was heard.
    let pods = [("wiki-0".to_owned(), "127.0.0.1".to_owned())];
    assert!(acks.poll(&pods, "u-2", &keys).await.remove(0).last.is_none());
}

#[tokio::test(start_paused = true)]
async fn many_that_are_silent_do_not_hold_up_what_else_is_to_be_done() {
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let keys = PolicyKeys::generate(None).unwrap();
    // Nobody accepts.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let acks = Acks::new(listener.local_addr().unwrap().port()).unwrap();
    let pods: Vec<_> = (0..800).map(|pod| (format!("wiki-{pod}"), "127.0.0.1".to_owned())).collect();
    let begin = time::Instant::now();
    let said = acks.poll(&pods, UID, &keys).await;
    // All of them would take a hundred seconds.
    assert!(begin.elapsed() < Duration::from_secs(45), "{:?}", begin.elapsed());
    assert!(said.len() == 800 && said.iter().all(|ack| ack.status.is_none()));
}
