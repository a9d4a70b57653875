//! The keeper against a scripted Confluence.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::Method;
use openssl::{pkey::PKey, rsa::Rsa};
use serde_json::json;

use super::*;
use crate::{
    auth::forge,
    loopback::scripted::{Asked, Reply, Scripted},
};

const TOKEN: &[u8] = b"MDAwMDAwMDAwMDAxOnRva2Vu\n";

fn keyring() -> Keyring {
    let pem = || PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap().private_key_to_pem_pkcs8().unwrap();
    Keyring::from_pem(&pem(), Some(&pem())).unwrap()
}

/// A keeper that wants this key in the link.
fn keeper(confluence: &Scripted, keyring: &Keyring, wanted: Key, token: Option<&[u8]>) -> Keeper {
    let mut settings = forge::settings(json!({}));
    settings.policy.uid = "u-1".into();
    settings.upstream.identity = IdentitySettings::OAuth1 { consumer_key: "restward".into() };
    settings.managed_link = Some(ManagedLink { key: keyring.fingerprint(wanted).to_owned() });
    Keeper::new(&settings, token, confluence.client(), "/wiki").unwrap()
}

fn links(ids: &[&str]) -> Reply {
    let entry = |id: &&str| json!({"application": {"id": id, "name": "restward", "rpcUrl": "https://u-1.restward.invalid"}});
    (200, vec![], json!({"list": ids.iter().map(entry).collect::<Vec<_>>()}).to_string())
}

fn made(id: &str) -> Reply {
    let href = format!("http://wiki/rest/applinks/3.0/applicationlink/{id}");
    (201, vec![], json!({"resources-created": [{"href": href, "rel": "self"}]}).to_string())
}

/// A Confluence that lists no link `empty` times, and then these; the one it makes is `0-5`.
async fn confluence(empty: usize, then: &'static [&'static str]) -> Scripted {
    let listed = AtomicUsize::new(0);
    Scripted::start(move |asked: &Asked| match (&asked.method, asked.target.as_str()) {
        (&Method::GET, "/wiki/rest/applinks/latest/listApplicationlinks") => {
            if listed.fetch_add(1, Ordering::SeqCst) < empty { links(&[]) } else { links(then) }
        }
        (&Method::PUT, "/wiki/rest/applinks/3.0/applicationlink") => made("0-5"),
        (&Method::PUT, target) if target.contains("/authentication/consumer") => (201, vec![], String::new()),
        (&Method::PUT, target) if target.starts_with("/wiki/rest/applinks/3.0/status/") => {
            (204, vec![], String::new())
        }
        (&Method::DELETE, "/wiki/rest/applinks/3.0/applicationlink/0-5") => (200, vec![], String::new()),
        _ => (404, vec![], String::new()),
    })
    .await
}

fn calls(confluence: &Scripted) -> Vec<String> {
    let asked = confluence.asked();
    assert!(asked.iter().all(|one| one.headers["authorization"] == "Bearer MDAwMDAwMDAwMDAxOnRva2Vu"));
    asked
        .iter()
        .map(|one| format!("{} {}", one.method, one.target.rsplit("/rest/").next().unwrap()))
        .collect()
}

const LIST: &str = "GET applinks/latest/listApplicationlinks";
const MAKE: &str = "PUT applinks/3.0/applicationlink";

fn set_up(id: &str) -> [String; 2] {
    [
        format!("PUT applinks-oauth/1.0/applicationlink/{id}/authentication/consumer"),
        format!("PUT applinks/3.0/status/{id}/oauth"),
    ]
}

#[test]
fn what_was_found_tells_what_is_needed() {
    let table = [
        (Finding::LinkMissing, Some(Need::Link), Some(Need::Link)),
        (Finding::ImpersonationOff, Some(Need::Permission), Some(Need::Permission)),
        (Finding::SignatureInvalid, Some(Need::Key), Some(Need::Key)),
        (Finding::Trusted, None, Some(Need::NextKey)),
        (Finding::NotRunning, None, None),
        (Finding::ClockSkew, None, None),
        (Finding::NotEvaluated, None, None),
        (Finding::Unexpected(String::new()), None, None),
    ];
    for (finding, with, without) in table {
        assert_eq!((Need::of(&finding, true), Need::of(&finding, false)), (with, without), "{finding:?}");
    }
}

#[tokio::test]
async fn a_link_is_made_from_nothing_and_an_own_one_is_put_right() {
    let (one, two) = set_up("0-5").into();
    let ring = keyring();
    let wiki = confluence(2, &["0-5"]).await;
    let keeper_of_nothing = keeper(&wiki, &ring, Key::Current, Some(TOKEN));
    assert!(keeper_of_nothing.keep(&Finding::LinkMissing, &ring).await);
    assert_eq!(calls(&wiki), [LIST, LIST, MAKE, LIST, &one, &two]);
    let report = keeper_of_nothing.report();
    assert!(report.repair.unwrap().what.contains("it was made") && report.trouble.is_none());

    for finding in [Finding::ImpersonationOff, Finding::SignatureInvalid] {
        let wiki = confluence(0, &["0-5"]).await;
        assert!(keeper(&wiki, &ring, Key::Current, Some(TOKEN)).keep(&finding, &ring).await);
        assert_eq!(calls(&wiki), [LIST, &one, &two], "{finding:?}");
    }
    for (wanted, asks) in [(Key::Current, 0), (Key::Next, 3)] {
        let wiki = confluence(0, &["0-5"]).await;
        assert_eq!(keeper(&wiki, &ring, wanted, Some(TOKEN)).keep(&Finding::Trusted, &ring).await, asks > 0);
        assert_eq!(calls(&wiki).len(), asks, "{wanted:?} while the current one is taken");
    }
}

#[tokio::test]
async fn of_two_that_make_one_at_once_one_link_is_left() {
    let (ring, other_is_first) = (keyring(), confluence(2, &["0-5", "0-4"]).await);
    assert!(
        keeper(&other_is_first, &ring, Key::Current, Some(TOKEN)).keep(&Finding::LinkMissing, &ring).await
    );
    let (one, two) = set_up("0-4").into();
    let delete = "DELETE applinks/3.0/applicationlink/0-5";
    assert_eq!(calls(&other_is_first), [LIST, LIST, MAKE, LIST, delete, &one, &two]);
    // While it waited another has made it.
    let other_was_quicker = confluence(1, &["0-4"]).await;
    assert!(
        keeper(&other_was_quicker, &ring, Key::Current, Some(TOKEN)).keep(&Finding::LinkMissing, &ring).await
    );
    assert_eq!(calls(&other_was_quicker), [LIST, LIST, &one, &two]);
}

#[tokio::test]
async fn what_is_in_the_way_is_said_and_not_tried_at_once_again() {
    let ring = keyring();
    let refusing = Scripted::start(|_| (403, vec![], String::new())).await;
    let table =
        [(None, "is not there"), (Some(&b"a b"[..]), "is not one"), (Some(TOKEN), "no system administrator")];
    for (token, says) in table {
        let keeper = keeper(&refusing, &ring, Key::Current, token);
        let before = refusing.asked().len();
        assert!(!keeper.keep(&Finding::LinkMissing, &ring).await);
        let report = keeper.report();
        assert!(report.repair.is_none() && report.trouble.unwrap().contains(says), "{says}");
        let asked = refusing.asked().len();
        assert_eq!(asked - before, usize::from(token == Some(TOKEN)), "nothing is asked without a token");
        assert!(!keeper.keep(&Finding::LinkMissing, &ring).await);
        assert_eq!(refusing.asked().len(), asked);
        assert!(keeper.report().trouble.is_some(), "it still is");
        // Somebody else has made it.
        assert!(!keeper.keep(&Finding::Trusted, &ring).await);
        assert_eq!(keeper.report().trouble, None);
    }
}

#[tokio::test]
async fn a_key_that_is_not_mounted_yet_is_waited_for() {
    let (ring, other) = (keyring(), keyring());
    let wiki = confluence(0, &["0-5"]).await;
    let keeper = keeper(&wiki, &other, Key::Next, Some(TOKEN));
    assert!(!keeper.keep(&Finding::LinkMissing, &ring).await && calls(&wiki).is_empty());
}

#[tokio::test]
async fn attempts_that_do_not_help_become_rare() {
    let wiki = Arc::new(confluence(0, &[]).await);
    let ring = keyring();
    let keeper = keeper(&wiki, &ring, Key::Current, Some(TOKEN));
    let begin = Instant::now();
    let tries = |seconds: u64| keeper.may_try(begin + Duration::from_secs(seconds));
    assert!(tries(0) && !tries(14) && tries(15) && !tries(44) && tries(45));
    let hours = (1..=24 * 3600).filter(|second| tries(45 + second)).count();
    assert!((24..40).contains(&hours), "{hours} attempts within a day");
}
