//! Calibration against a scripted Confluence.

use std::sync::atomic::{AtomicU8, Ordering};

use openssl::{pkey::PKey, rsa::Rsa};
use restward_crds::sidecar::identity::IdentitySettings;
use serde_json::json;

use super::*;
use crate::{
    auth::forge,
    loopback::scripted::{Asked, Reply, Scripted},
};

fn calibration(confluence: &Scripted) -> Calibration {
    calibration_of(&IdentitySettings::OAuth1 { consumer_key: "restward".into() }, confluence)
}

fn calibration_of(identity: &IdentitySettings, confluence: &Scripted) -> Calibration {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap().private_key_to_pem_pkcs8().unwrap();
    let identity = Identity::new(identity, &key, None).unwrap();
    let pod =
        PodSettings::from_json(r#"{"listenPort": 8090, "contextPath": "/confluence", "proxyName": "wiki"}"#)
            .unwrap();
    Calibration::new(Arc::new(identity), confluence.client(), &forge::settings(json!({})), &pod)
}

fn problem(word: &'static str) -> Reply {
    let challenge: &'static str =
        Box::leak(format!("OAuth realm=\"x\", oauth_problem=\"{word}\"").into_boxed_str());
    (401, vec![("www-authenticate", challenge)], String::new())
}

fn status(state: &str) -> Reply {
    (200, vec![], format!("{{\"state\":\"{state}\"}}"))
}

/// A call without any credential.
fn is_visit(asked: &Asked) -> bool {
    asked.target == "/confluence/rest/api/user/current" && !asked.headers.contains_key("authorization")
}

/// A Confluence that is running, is not public, and answers signed calls, counted from 0, as `signed` says.
async fn confluence(signed: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Scripted {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    Scripted::start(move |asked: &Asked| match asked.target.as_str() {
        "/confluence/status" => status("RUNNING"),
        _ if is_visit(asked) => (403, vec![], String::new()),
        _ => signed(calls.fetch_add(1, Ordering::SeqCst)),
    })
    .await
}

#[tokio::test]
async fn trusted_under_the_candidate_whose_signature_is_accepted() {
    let wiki = confluence(|call| match call {
        0 | 1 | 3 => problem("signature_invalid"), // two wrong URLs; then the damaged call
        _ => (200, vec![], "{}".into()),
    })
    .await;
    let calibration = calibration(&wiki);
    assert_eq!(calibration.origin(), Err(Reason::UserCheckUnavailable.into()), "nothing is known yet");
    calibration.calibrate().await;
    let origin = calibration.origin().unwrap();
    assert_eq!(origin.describe(), "https://wiki");
    assert_eq!(calibration.report().reason, UpstreamReason::Trusted);
    let asked = wiki.asked();
    let signed: Vec<_> = asked.iter().filter(|asked| asked.target.contains("/user/current?")).collect();
    assert_eq!(signed.len(), 4);
    for one in &signed {
        assert!(one.target.contains("xoauth_requestor_id=restward-calibration-"), "{}", one.target);
        assert!(one.headers.contains_key("authorization"));
    }
}

#[tokio::test]
async fn each_answer_has_its_reason_and_what_callers_get() {
    use UpstreamReason as U;
    type Answer = fn(usize) -> Reply;
    let table: &[(Answer, U, Reason)] = &[
        (|_| problem("consumer_key_unknown"), U::LinkMissing, Reason::LinkMissing),
        (|_| problem("permission_denied"), U::ImpersonationOff, Reason::LinkMissing),
        (|_| problem("signature_invalid"), U::SignatureInvalid, Reason::UpstreamRejected),
        (|_| problem("timestamp_refused"), U::ClockSkew, Reason::UpstreamRejected),
        (|_| (200, vec![], "{}".into()), U::OAuthNotEvaluated, Reason::UpstreamRejected),
        (|_| (302, vec![], String::new()), U::UnexpectedAnswer, Reason::UpstreamRejected),
        (|_| (503, vec![], String::new()), U::Pending, Reason::UserCheckUnavailable),
    ];
    for (answer, reason, deny) in table {
        let calibration = calibration(&confluence(*answer).await);
        calibration.calibrate().await;
        assert_eq!(calibration.report().reason, *reason);
        assert_eq!(calibration.origin(), Err((*deny).into()), "{reason:?}");
    }
}

#[tokio::test]
async fn nothing_is_signed_before_confluence_runs_and_a_restart_is_no_distrust() {
    static PHASE: AtomicU8 = AtomicU8::new(0);
    let signed = std::sync::atomic::AtomicUsize::new(0);
    let wiki = Scripted::start(move |asked| match (asked.target.as_str(), PHASE.load(Ordering::SeqCst)) {
        ("/confluence/status", 1 | 3) => status("RUNNING"),
        ("/confluence/status", _) => status("STARTING"),
        _ if is_visit(asked) => (200, vec![], r#"{"type":"anonymous"}"#.into()),
        (_, 3) => problem("consumer_key_unknown"),
        _ if signed.fetch_add(1, Ordering::SeqCst) % 2 == 1 => problem("signature_invalid"),
        _ => (403, vec![], String::new()),
    })
    .await;
    let calibration = calibration(&wiki);
    calibration.calibrate().await;
    assert_eq!((wiki.asked().len(), calibration.report().reason), (1, UpstreamReason::Pending));
    assert_eq!(calibration.visitors(), Visitors::Unknown);

    PHASE.store(1, Ordering::SeqCst);
    calibration.calibrate().await;
    let trusted = calibration.origin().unwrap();
    assert_eq!(calibration.visitors(), Visitors::Served);
    PHASE.store(2, Ordering::SeqCst);
    calibration.calibrate().await;
    assert_eq!(calibration.origin(), Ok(trusted), "a restart");
    assert_eq!(calibration.report().reason, UpstreamReason::Trusted);
    assert_eq!(calibration.visitors(), Visitors::Served, "a restart closes no wiki");
    PHASE.store(3, Ordering::SeqCst);
    calibration.calibrate().await;
    assert_eq!(calibration.origin(), Err(Reason::LinkMissing.into()), "the link is gone");
}

#[tokio::test]
async fn a_poke_calibrates_again_and_shutdown_ends_it() {
    let wiki =
        confluence(
            |call| if call % 2 == 1 { problem("signature_invalid") } else { (403, vec![], String::new()) },
        )
        .await;
    let calibration = calibration(&wiki);
    let shutdown = CancellationToken::new();
    let background = tokio::spawn({
        let (calibration, shutdown) = (calibration.clone(), shutdown.clone());
        async move { calibration.run(shutdown).await }
    });
    let patience = Duration::from_secs(30);
    let calls = |least: usize| {
        let wiki = &wiki;
        async move {
            tokio::time::timeout(patience, async {
                while wiki.asked().len() < least {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
            .await
            .unwrap();
        }
    };
    calls(4).await; // status, visit, good, damaged
    for _ in 0..100 {
        calibration.poke();
    }
    calls(8).await;
    shutdown.cancel();
    background.await.unwrap();
    assert!(wiki.asked().len() <= 12, "a flood of pokes is one calibration: {}", wiki.asked().len());
}

/// A public Confluence that believes the header, as long as it does, of users that it knows.
async fn believing(state: Arc<Mutex<Believing>>) -> (Calibration, Scripted) {
    let wiki = Scripted::start(move |asked: &Asked| {
        let state = state.lock().unwrap();
        let named = asked.headers.get("x-wiki-user").map(|name| name.to_str().unwrap());
        match (asked.target.as_str(), named.or(state.everybody_is)) {
            ("/confluence/status", _) => status(if state.is_down { "STARTING" } else { "RUNNING" }),
            (_, Some(user)) if user == "alice" || state.believes_any => {
                (200, vec![], json!({"type": "known", "username": user}).to_string())
            }
            _ => (200, vec![], r#"{"type":"anonymous"}"#.into()),
        }
    })
    .await;
    (calibration_of(&IdentitySettings::Header { name: "X-Wiki-User".parse().unwrap() }, &wiki), wiki)
}

#[derive(Default)]
struct Believing {
    is_down: bool,
    believes_any: bool,
    everybody_is: Option<&'static str>,
}

#[tokio::test]
async fn a_header_is_trusted_from_the_first_known_user_on() {
    let state = Arc::<Mutex<Believing>>::default();
    let (calibration, wiki) = believing(Arc::clone(&state)).await;
    let reason = async || {
        calibration.calibrate().await;
        calibration.report().reason
    };
    let users: [Username; 2] = ["alice".parse().unwrap(), "eve".parse().unwrap()];
    state.lock().unwrap().is_down = true;
    assert_eq!(reason().await, UpstreamReason::Pending);
    assert_eq!(calibration.origin(), Err(Reason::UserCheckUnavailable.into()));
    assert!(wiki.asked().iter().all(|asked| asked.target == "/confluence/status"));
    state.lock().unwrap().is_down = false;
    assert_eq!(reason().await, UpstreamReason::Unproven);
    assert!(calibration.origin().is_ok() && !calibration.is_trusted(), "a user check has to be possible");
    let asked = wiki.asked();
    let named: Vec<_> = asked.iter().filter_map(|asked| asked.headers.get("x-wiki-user")).collect();
    assert!(matches!(named[..], [name] if name.to_str().unwrap().starts_with("restward-calibration-")));
    assert!(asked.iter().all(|asked| !asked.headers.contains_key("authorization")), "nothing is signed");

    calibration.learn(&users[1], Err(Reason::UserUnknown));
    assert_eq!(reason().await, UpstreamReason::HeaderNotBelieved);
    calibration.learn(&users[0], Ok(()));
    assert_eq!(reason().await, UpstreamReason::Trusted);
    calibration.learn(&users[1], Err(Reason::UserUnknown));
    assert_eq!(reason().await, UpstreamReason::Trusted, "one unknown user is no disproof");
    state.lock().unwrap().is_down = true;
    assert_eq!(reason().await, UpstreamReason::Trusted, "a restart");
    assert!(calibration.origin().is_ok());
}

#[tokio::test]
async fn who_takes_nobody_for_somebody_is_told_no_users() {
    for (make, says) in [
        ((|wiki| wiki.everybody_is = Some("alice")) as fn(&mut Believing), "calls without the header"),
        (|wiki| wiki.believes_any = true, "a user who cannot exist"),
    ] {
        let state = Arc::<Mutex<Believing>>::default();
        let (calibration, _wiki) = believing(Arc::clone(&state)).await;
        calibration.learn(&"alice".parse().unwrap(), Ok(()));
        calibration.calibrate().await;
        assert!(calibration.is_trusted());
        make(&mut state.lock().unwrap());
        calibration.calibrate().await;
        let report = calibration.report();
        assert_eq!(report.reason, UpstreamReason::UnexpectedAnswer);
        assert!(report.message.contains(says), "{report:?}");
        assert_eq!(calibration.origin(), Err(Reason::UpstreamRejected.into()));
    }
}
