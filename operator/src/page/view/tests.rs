//! Whatever stands in a field, it stays a text.

use std::collections::BTreeMap;

use restward_crds::sidecar::admin::{Explained, Hour, KeysAge, MeantCall, Step, StepOutcome, Tally};
use serde_json::json;

use super::{
    super::gather::{Tallied, Tried},
    *,
};
use crate::{ask::Unanswered, testing};

/// Would be a tag, end an attribute, and turn the direction of what follows.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&lt;\u{202e}\u{1b}[31m";

fn hostile_policy() -> RestApiAuthPolicy {
    let mut policy = testing::policy(json!({}));
    policy.metadata.name = Some(HOSTILE.into());
    policy.metadata.namespace = Some(HOSTILE.into());
    policy.spec.keycloak.realm = HOSTILE.into();
    policy.spec.keycloak.host = HOSTILE.into();
    let condition = |kind: &str| json!({"type": kind, "status": HOSTILE, "reason": HOSTILE, "message": HOSTILE, "lastTransitionTime": "2026-01-02T03:04:05Z"});
    let next =
        json!({"publicKey": HOSTILE, "fingerprint": HOSTILE, "message": HOSTILE, "instructions": [HOSTILE]});
    policy.status = serde_json::from_value(json!({
        "pods": HOSTILE, "audience": HOSTILE, "advisories": [HOSTILE],
        "conditions": ConditionType::ALL.map(|kind| condition(kind.as_str())),
        "workloads": [{"kind": HOSTILE, "name": HOSTILE, "pods": 1, "injected": 1, "restartCommand": HOSTILE}],
        "applicationLink": {"consumerKey": HOSTILE, "publicKey": HOSTILE, "fingerprint": HOSTILE,
            "instructions": [HOSTILE], "repaired": HOSTILE, "next": next},
    }))
    .unwrap();
    policy
}

fn hostile_tallies() -> Vec<Tallied> {
    let counts: BTreeMap<_, _> = [(HOSTILE.into(), 3)].into();
    let tally = Tally {
        now: 3600,
        since: i64::MIN,
        hours: vec![Hour { begin: 3600, refused: counts.clone(), would_refuse: counts }],
        keys: vec![KeysAge { issuer: HOSTILE.into(), seconds: u64::MAX }],
    };
    vec![
        Tallied { pod: HOSTILE.into(), tally: Ok(tally) },
        Tallied { pod: HOSTILE.into(), tally: Err(Unanswered::Silent) },
    ]
}

fn is_harmless(page: &Html<String>) {
    let html = &page.0;
    assert!(html.contains("&lt;script&gt;"), "it is not shown at all: {html}");
    for bad in ["<script", "<img", "\"'>", "\u{202e}", "\u{1b}"] {
        assert!(!html.contains(bad), "{bad:?} is in {html}");
    }
    for attribute in html.split(" href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(attribute.starts_with('/') || attribute.starts_with('#'), "{attribute}");
        // A single quote ends no attribute in double ones.
        assert!(!attribute.contains(['<', '>', '"', ' ']), "{attribute}");
    }
}

#[test]
fn hostile_texts_stay_texts_in_every_field() {
    let (policy, tallies) = (hostile_policy(), hostile_tallies());
    is_harmless(&policies(HOSTILE, &[&policy], true));
    let call = MeantCall { method: HOSTILE.into(), path: HOSTILE.into(), address: None };
    let step = Step {
        check: HOSTILE.into(),
        outcome: StepOutcome::Failed,
        reason: Some(HOSTILE.into()),
        message: Some(HOSTILE.into()),
    };
    let explained = Explained {
        accepted: false,
        user: Some(HOSTILE.into()),
        client: Some(HOSTILE.into()),
        steps: vec![step],
    };
    for explained in [Ok(explained), Err(Unanswered::Older)] {
        let tried = Some(Tried { pod: HOSTILE.into(), explained });
        let outcome = Some(Outcome { tried, call: Some(&call) });
        is_harmless(&super::policy(
            HOSTILE,
            &Shown { policy: &policy, tallies: &tallies, unasked: 3, outcome },
        ));
    }
    is_harmless(&forbidden(HOSTILE, HOSTILE));
    is_harmless(&not_found(HOSTILE, HOSTILE));
}

#[test]
fn a_name_stays_in_its_segment_of_a_path() {
    assert_eq!(path(["policies", "a", "b-c.d"]), "/policies/a/b-c.d");
    assert_eq!(path(["policies", "a/../b", "c?d#e%"]), "/policies/a%2F..%2Fb/c%3Fd%23e%25");
}

#[test]
fn what_is_not_as_it_should_be_comes_with_what_to_do() {
    let mut policy = testing::policy(json!({}));
    let condition = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason, "message": "m", "lastTransitionTime": "2026-01-02T03:04:05Z"});
    policy.status = serde_json::from_value(json!({"conditions": [
        condition("Accepted", "True", "Accepted"),
        condition("Injected", "True", "Outdated"),
        condition("UpstreamTrusted", "False", "LinkMissing"),
    ]}))
    .unwrap();
    let shown = Shown { policy: &policy, tallies: &[], unasked: 0, outcome: None };
    let html = super::policy("visitor", &shown).0;
    assert_eq!(html.matches("To do: ").count(), 2, "{html}");
    assert!(html.contains("applink apply") && html.contains("docs/rollout.md"));
    assert!(html.contains("The operator has said nothing about it yet."), "{html}");
}
