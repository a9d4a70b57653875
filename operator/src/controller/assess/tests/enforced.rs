//! Condition `Enforced`.

use super::*;

/// One row: what the sidecars said, what follows, and a part of the message.
type Row = (Vec<Ack>, Truth, &'static str, &'static str);

fn that_says(pod: &str, reason: EnforcedReason, message: &str) -> Ack {
    let mut ack = ack(ProviderReason::Reachable, UpstreamReason::Trusted);
    ack.pod = pod.into();
    saying(ack, |status| status.verification = Some(verification(reason, message)))
}

#[test]
fn only_the_sidecars_own_word_makes_a_policy_enforced() {
    use EnforcedReason::{BypassDetected, Pending, Unverifiable, Verified};
    let good = || that_says("wiki-0", Verified, "");
    let bad = || that_says("wiki-1", BypassDetected, "port 9000: something answers as Confluence");
    let unable = || that_says("wiki-2", Unverifiable, "net/tcp cannot be read");
    let old = saying(good(), |status| status.verification = None);
    let lost = silent_now(good());
    let table: Vec<Row> = vec![
        (vec![], Truth::Unknown, "Pending", "no sidecar runs yet"),
        (vec![good()], Truth::True, "Verified", "1 sidecars find no way around"),
        (vec![good(), good()], Truth::True, "Verified", "2 sidecars"),
        (
            vec![good(), that_says("wiki-1", Pending, "")],
            Truth::Unknown,
            "Pending",
            "1 of 2 sidecars have not looked",
        ),
        (vec![good(), bad()], Truth::False, "BypassDetected", "pod wiki-1, port 9000: something answers"),
        (
            vec![bad(), silent(), unable()],
            Truth::False,
            "BypassDetected",
            "pods are not ready (spec.onBypass: Block)",
        ),
        (vec![good(), unable()], Truth::Unknown, "Unverifiable", "net/tcp cannot be read (pods: wiki-2)"),
        (vec![good(), silent()], Truth::Unknown, "Unreachable", "1 of 2 sidecars do not say"),
        (vec![old], Truth::Unknown, "Unverifiable", "of a version that does not look"),
        // It said so a moment ago.
        (vec![lost], Truth::True, "Verified", "1 sidecars"),
    ];
    for (acks, truth, reason, part) in table {
        let case = Case { acks, ..Case::all_is_well() };
        let enforced = case.finding(ConditionType::Enforced);
        assert_eq!((enforced.truth, enforced.reason), (truth, reason), "{}", enforced.message);
        assert!(enforced.message.contains(part), "{part}: {}", enforced.message);
        if truth != Truth::True {
            assert_eq!(case.finding(ConditionType::Ready).truth, Truth::False);
        }
    }
}

#[test]
fn a_way_around_says_what_follows_from_it() {
    for (spec, part) in [
        (json!({"onBypass": "Report"}), "stay ready (spec.onBypass: Report)"),
        (json!({"mode": "Audit"}), "stay ready (spec.mode is not Enforce)"),
    ] {
        let acks = (0..5)
            .map(|i| that_says(&format!("wiki-{i}"), EnforcedReason::BypassDetected, "port 1: x"))
            .collect();
        let enforced = Case { spec, acks, ..Case::all_is_well() }.finding(ConditionType::Enforced);
        assert!(enforced.message.contains(part), "{}", enforced.message);
        assert!(enforced.message.contains("pod wiki-2, port 1: x; and 2 more pods"), "{}", enforced.message);
    }
}

#[test]
fn a_pod_without_the_sidecar_is_a_way_around() {
    let mut case = Case::all_is_well();
    case.observed.pods.push(pod("old", json!({})));
    let enforced = case.finding(ConditionType::Enforced);
    assert_eq!((enforced.truth, enforced.reason), (Truth::False, "NotInjected"));
}

#[test]
fn what_a_look_warns_of_is_advised_and_takes_nothing_back() {
    let mut case = Case::all_is_well();
    let warned = |status: &mut SidecarStatus| {
        status.verification.as_mut().unwrap().warnings = vec!["UnknownListener: 9999".into()];
    };
    case.acks = vec![saying(case.acks.remove(0), warned)];
    let (findings, status) = case.assess();
    assert_eq!(findings.last().unwrap().truth, Truth::True);
    assert!(status.advisories.contains(&"UnknownListener: 9999".to_owned()), "{:?}", status.advisories);
}
