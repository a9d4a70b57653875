//! The check against a scripted Confluence.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::future::join_all;
use http::{HeaderMap, HeaderName};
use openssl::{pkey::PKey, rsa::Rsa};
use restward_crds::sidecar::{PodSettings, identity::IdentitySettings};
use serde_json::json;

use super::*;
use crate::{
    auth::forge,
    loopback::scripted::{Asked, Reply, Scripted},
};

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap()))
        .collect();
    Answer { status: status.try_into().unwrap(), headers, body: body.to_owned().into() }
}

#[test]
fn only_that_very_user_is_a_yes() {
    let challenge = |word: &str| vec![("www-authenticate", format!("OAuth oauth_problem=\"{word}\""))];
    let with = |word: &str| {
        let list = challenge(word);
        let list: Vec<(&str, &str)> = list.iter().map(|(n, v)| (*n, v.as_str())).collect();
        answer(401, &list, "")
    };
    let table = [
        (Ok(answer(200, &[], r#"{"type":"known","username":"alice.smith"}"#)), Ok(())),
        (Ok(answer(200, &[], r#"{"type":"known","username":"ALICE.smith"}"#)), Ok(())),
        (Ok(answer(200, &[], r#"{"type":"known","username":"bob"}"#)), Err(Reason::IdentityMismatch)),
        (Ok(answer(200, &[], r#"{"type":"anonymous","displayName":"Anonymous"}"#)), Err(Reason::UserUnknown)),
        (Ok(answer(200, &[], r#"{"type":"anonymous","username":"alice.smith"}"#)), Err(Reason::UserUnknown)),
        (Ok(answer(200, &[], "{}")), Err(Reason::UserUnknown)),
        (Ok(answer(200, &[], "<html>")), Err(Reason::UserUnknown)),
        (Ok(answer(403, &[], "")), Err(Reason::UserUnknown)),
        (Ok(answer(404, &[], "")), Err(Reason::UserUnknown)),
        (Ok(answer(401, &[], "")), Err(Reason::UserUnknown)),
        (Ok(with("permission_denied")), Err(Reason::UserUnknown)),
        (Ok(with("consumer_key_unknown")), Err(Reason::LinkMissing)),
        (Ok(with("signature_invalid")), Err(Reason::UpstreamRejected)),
        (Ok(with("nonce_used")), Err(Reason::UpstreamRejected)),
        (Ok(answer(429, &[], "")), Err(Reason::UserCheckUnavailable)),
        (Ok(answer(500, &[], "")), Err(Reason::UserCheckUnavailable)),
        (Ok(answer(503, &[], "")), Err(Reason::UserCheckUnavailable)),
        (Ok(answer(302, &[], "")), Err(Reason::UserCheckUnavailable)),
        (Err(LoopbackError::Timeout), Err(Reason::UserCheckUnavailable)),
        (Err(LoopbackError::Unreachable), Err(Reason::UserCheckUnavailable)),
    ];
    let user: Username = "Alice.Smith".parse().unwrap();
    for (answer, want) in table {
        assert_eq!(judge_user(&user, answer.clone()), want, "{answer:?}");
    }
}

#[test]
fn a_token_of_confluences_own_must_be_somebodys() {
    let no = Err(Reason::CredentialNotAccepted);
    let table = [
        (Ok(answer(200, &[], r#"{"type":"known","username":"alice"}"#)), Ok(())),
        (Ok(answer(200, &[("x-ausername", "alice")], "")), Ok(())),
        (Ok(answer(403, &[("x-ausername", "alice")], "")), Ok(())),
        (Ok(answer(200, &[], r#"{"type":"anonymous"}"#)), no),
        (Ok(answer(200, &[("x-ausername", "anonymous")], "{}")), no),
        (Ok(answer(403, &[], "")), no),
        (Ok(answer(401, &[], "")), no),
        (Ok(answer(401, &[("x-ausername", "alice")], "")), no),
        (Ok(answer(503, &[], "")), Err(Reason::UserCheckUnavailable)),
        (Err(LoopbackError::TooLarge), Err(Reason::UserCheckUnavailable)),
    ];
    for (answer, want) in table {
        assert_eq!(judge_bearer(answer.clone()), want, "{answer:?}");
    }
}

/// A check whose calibration has trusted the scripted Confluence.
async fn trusted(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> (UserCheck, Scripted) {
    let damaged = AtomicBool::new(false);
    let wiki = Scripted::start(move |asked| {
        if asked.target == "/status" {
            return (200, vec![], r#"{"state":"RUNNING"}"#.into());
        }
        if asked.target.ends_with("/user/current") && !asked.headers.contains_key("authorization") {
            // Calibration asks whether the wiki is public.
            return (403, vec![], String::new());
        }
        if !asked.target.contains("restward-calibration") {
            return reply(asked);
        }
        if damaged.fetch_xor(true, Ordering::SeqCst) {
            (401, vec![("www-authenticate", "OAuth oauth_problem=\"signature_invalid\"")], String::new())
        } else {
            (403, vec![], String::new())
        }
    })
    .await;
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap().private_key_to_pem_pkcs8().unwrap();
    let identity = IdentitySettings::OAuth1 { consumer_key: "restward".into() };
    let identity = Arc::new(Identity::new(&identity, &key, None).unwrap());
    let pod = PodSettings::from_json(r#"{"listenPort": 8090}"#).unwrap();
    let settings = forge::settings(json!({}));
    let calibration = Calibration::new(Arc::clone(&identity), wiki.client(), &settings, &pod);
    calibration.calibrate().await;
    calibration.origin().unwrap();
    (UserCheck::new(identity, wiki.client(), calibration, ""), wiki)
}

fn known(name: &str) -> Reply {
    (200, vec![], json!({"type": "known", "username": name}).to_string())
}

fn name_in(asked: &Asked) -> String {
    asked.target.split("xoauth_requestor_id=").nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn one_question_for_all_who_ask_and_the_answer_is_remembered() {
    let (check, wiki) =
        trusted(
            |asked| if name_in(asked) == "alice" { known("alice") } else { (403, vec![], String::new()) },
        )
        .await;
    let before = wiki.asked().len();
    let (alice, eve): (Username, Username) = ("alice".parse().unwrap(), "eve".parse().unwrap());
    for answer in join_all((0..50).map(|_| check.confirm_user(&alice))).await {
        assert_eq!(answer, Ok(()));
    }
    assert_eq!(check.confirm_user(&alice).await, Ok(()));
    assert_eq!(wiki.asked().len(), before + 1);
    for _ in 0..3 {
        assert_eq!(check.confirm_user(&eve).await, Err(Reason::UserUnknown.into()));
    }
    assert_eq!(wiki.asked().len(), before + 2);
}

#[tokio::test]
async fn answers_grow_old() {
    let exists = Arc::new(AtomicBool::new(false));
    let wiki_knows = Arc::clone(&exists);
    let (check, wiki) = trusted(move |_| {
        if wiki_knows.load(Ordering::SeqCst) { known("alice") } else { (403, vec![], String::new()) }
    })
    .await;
    let alice: Username = "alice".parse().unwrap();
    let pass = |time: Duration| async move {
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    };
    assert_eq!(check.confirm_user(&alice).await, Err(Reason::UserUnknown.into()));
    exists.store(true, Ordering::SeqCst);
    assert_eq!(check.confirm_user(&alice).await, Err(Reason::UserUnknown.into()), "a no counts for a while");
    pass(NO_FOR).await;
    assert_eq!(check.confirm_user(&alice).await, Ok(()));
    exists.store(false, Ordering::SeqCst);
    let before = wiki.asked().len();
    pass(YES_FOR.saturating_sub(Duration::from_secs(1))).await;
    assert_eq!((check.confirm_user(&alice).await, wiki.asked().len()), (Ok(()), before));
    pass(Duration::from_secs(1)).await;
    assert_eq!(check.confirm_user(&alice).await, Err(Reason::UserUnknown.into()));
}

#[tokio::test]
async fn that_confluence_could_not_be_asked_is_not_remembered() {
    let calls = AtomicUsize::new(0);
    let (check, _wiki) = trusted(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => (503, vec![], String::new()),
        _ => known("alice"),
    })
    .await;
    let alice: Username = "alice".parse().unwrap();
    assert_eq!(check.confirm_user(&alice).await, Err(Reason::UserCheckUnavailable.into()));
    assert_eq!(check.confirm_user(&alice).await, Ok(()));
}

#[tokio::test]
async fn tokens_of_confluences_own_are_told_apart_and_sent_as_they_are() {
    let (check, wiki) =
        trusted(|asked| match asked.headers.get("authorization").map(HeaderValue::as_bytes) {
            Some(b"Bearer good") => known("alice"),
            _ => (200, vec![], r#"{"type":"anonymous"}"#.into()),
        })
        .await;
    let before = wiki.asked().len();
    for _ in 0..2 {
        assert_eq!(check.confirm_bearer(&HeaderValue::from_static("Bearer good")).await, Ok(()));
        let bad = check.confirm_bearer(&HeaderValue::from_static("Bearer bad")).await;
        assert_eq!(bad, Err(Reason::CredentialNotAccepted.into()));
    }
    let asked = wiki.asked();
    assert_eq!(asked.len(), before + 2);
    assert!(asked[before..].iter().all(|one| one.target == "/rest/api/user/current"));
}

#[tokio::test]
async fn without_trust_nobody_is_asked_about() {
    let wiki = Scripted::start(|_| (503, vec![], String::new())).await;
    let (trusted_check, _) = trusted(|_| known("alice")).await;
    let identity = Arc::clone(&trusted_check.shared.identity);
    let pod = PodSettings::from_json(r#"{"listenPort": 8090}"#).unwrap();
    let settings = forge::settings(json!({}));
    let calibration = Calibration::new(Arc::clone(&identity), wiki.client(), &settings, &pod);
    let check = UserCheck::new(identity, wiki.client(), calibration, "");
    let got = check.confirm_user(&"alice".parse().unwrap()).await;
    assert_eq!((got, wiki.asked().len()), (Err(Reason::UserCheckUnavailable.into()), 0));
}
