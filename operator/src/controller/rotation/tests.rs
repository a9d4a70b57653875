//! When a key comes, and when one goes.

use std::collections::BTreeMap;

use restward_crds::{
    api::v1alpha1::{ApplicationLinkStatus, NextKeyStatus, RestApiAuthPolicyStatus},
    sidecar::status::ConsumerKeys,
};
use serde_json::{Value, json};

use super::{
    super::{dereference::Programmed, validate::validate},
    *,
};
use crate::testing::{observed, policy};

fn ack(pod: &str, keys: Option<(&[&str], Option<&str>)>) -> Ack {
    let mut ack = assess::ack_for_tests();
    ack.pod = pod.into();
    let status = ack.status.as_mut().unwrap();
    status.consumer_keys = keys.map(|(held, taken)| ConsumerKeys {
        held: held.iter().map(|key| (*key).to_owned()).collect(),
        taken: taken.map(str::to_owned),
    });
    ack
}

#[test]
fn the_old_key_goes_only_by_the_word_of_every_sidecar() {
    let next = PublicKey { pem: String::new(), fingerprint: "new".into() };
    let both: &[&str] = &["new", "old"];
    let silent = || Ack { status: None, ..ack("silent", None) };
    let (a, b) = (|taken| ack("a", Some((both, taken))), |taken| ack("b", Some((both, taken))));
    let table = [
        (vec![], Err("no sidecar runs")),
        (vec![a(Some("new")), ack("b", Some((&["old"], Some("old"))))], Err("b do not have it")),
        (vec![a(Some("new")), ack("older", None)], Err("older do not have it")),
        (vec![a(Some("new")), silent()], Err("silent do not answer")),
        (vec![a(Some("old")), b(Some("old"))], Ok("0 of 2")),
        (vec![a(Some("new")), b(None)], Ok("1 of 2")),
        (vec![a(Some("old")), b(Some("new"))], Ok("1 of 2")),
        (vec![a(Some("new")), b(Some("new"))], Ok("")),
        (vec![a(Some("new"))], Ok("")),
    ];
    for (acks, want) in table {
        match (progress(&next, &acks), want) {
            (Progress::Over, Ok("")) => {}
            (Progress::Ready(said), Ok(want)) if !want.is_empty() && said.starts_with(want) => {}
            (Progress::NotReady(said), Err(want)) if said.starts_with(want) => {}
            (got, want) => panic!("{got:?} instead of {want:?}"),
        }
    }
}

#[test]
fn a_managed_link_gets_the_next_key_once_all_have_it_and_never_the_old_one_again() {
    let managed = json!({"mode": "Managed", "adminTokenSecretRef": {"name": "admin", "key": "token"}});
    let policy_of =
        |link: &Value| policy(json!({"upstream": {"identity": {"oauth1": {"applicationLink": link}}}}));
    let manual = policy_of(&json!({}));
    let mut policy = policy_of(&managed);
    let validated = validate(&policy, &observed()).unwrap();
    let rotating = PolicyKeys::generate(None).unwrap().rotating("1".into(), true).unwrap();
    let (old, next) = (rotating.public_key().clone(), rotating.next_public_key().unwrap().clone());
    let wanted = |policy: &RestApiAuthPolicy, before: &Observed, keys: &PolicyKeys| {
        let candidate = &validate(policy, before).unwrap().candidate;
        managed_link(policy, candidate, before, keys).map(|link| link.key)
    };
    assert_eq!(wanted(&manual, &observed(), &rotating), None);
    assert_eq!(wanted(&policy, &observed(), &rotating), Some(old.fingerprint.clone()));
    let shown = |all_have_it| NextKeyStatus {
        fingerprint: next.fingerprint.clone(),
        all_have_it,
        ..Default::default()
    };
    let status = |next| RestApiAuthPolicyStatus {
        application_link: Some(ApplicationLinkStatus { next: Some(next), ..Default::default() }),
        ..Default::default()
    };
    policy.status = Some(status(shown(false)));
    assert_eq!(wanted(&policy, &observed(), &rotating), Some(old.fingerprint));
    policy.status = Some(status(shown(true)));
    assert_eq!(wanted(&policy, &observed(), &rotating), Some(next.fingerprint.clone()));
    // A sidecar that comes or falls silent takes nothing back.
    policy.status = Some(status(shown(false)));
    let link = ManagedLink { key: next.fingerprint.clone() };
    let config = Config { managed_link: Some(link), ..validated.config };
    let programmed = Programmed {
        candidate: validated.candidate,
        config_json: serde_json::to_string(&config).unwrap(),
        ca_pem: None,
        server_xmls: BTreeMap::new(),
        since: None,
    };
    let before = Observed { programmed: Some(programmed), ..observed() };
    assert_eq!(wanted(&policy, &before, &rotating), Some(next.fingerprint.clone()));
    assert_eq!(wanted(&policy, &before, &rotating.promoted()), Some(next.fingerprint));
}

#[test]
fn a_request_has_a_value() {
    let asked = |annotations| {
        let mut policy = policy(json!({}));
        policy.metadata.annotations = serde_json::from_value(annotations).unwrap();
        request(&policy).map(str::to_owned)
    };
    assert_eq!(asked(json!(null)), None);
    assert_eq!(asked(json!({"restward.io/rotate-consumer-key": ""})), None);
    assert_eq!(asked(json!({"restward.io/rotate-consumer-key": "2026-11"})), Some("2026-11".into()));
}

#[test]
fn pods_are_touched_when_a_key_comes_and_when_it_goes() {
    let keys = PolicyKeys::generate(None).unwrap();
    assert_eq!(mark("h", &keys), "h");
    let rotating = keys.clone().rotating("1".into(), true).unwrap();
    let fingerprint = &rotating.next_public_key().unwrap().fingerprint;
    assert_eq!(mark("h", &rotating), format!("h.{}.status-key", &fingerprint[..16]));
    let put_off = rotating.clone().without_previous_status_key();
    assert_eq!(mark("h", &put_off), format!("h.{}", &fingerprint[..16]));
    assert_eq!(mark("h", &rotating.promoted().without_previous_status_key()), "h");
    // Where there is no link.
    let rotating = keys.rotating("1".into(), false).unwrap();
    assert_eq!(mark("h", &rotating), "h.status-key");
    assert_eq!(mark("h", &rotating.without_previous_status_key()), "h");
}

#[test]
fn the_old_status_key_goes_only_when_every_sidecar_proves_itself_by_the_new_one() {
    let proven = || ack("a", None);
    let behind = || Ack { has_previous_key: true, ..ack("b", None) };
    let silent = || Ack { status: None, ..ack("c", None) };
    for (acks, all_have_it) in [
        (vec![], false),
        (vec![behind()], false),
        (vec![proven(), behind()], false),
        (vec![proven(), silent()], false),
        (vec![proven()], true),
        (vec![proven(), proven()], true),
    ] {
        assert_eq!(all_have_status_key(&acks), all_have_it, "{acks:?}");
    }
}
