//! Condition `IdentityProviderReachable`.

use super::*;

#[test]
fn a_provider_that_is_away_counts_only_without_known_keys() {
    let with = |reason| Case { acks: vec![ack(reason, UpstreamReason::Trusted)], ..Case::all_is_well() };
    assert_eq!(with(ProviderReason::Degraded).ready(), (Truth::True, "Degraded"));
    assert_eq!(
        with(ProviderReason::Degraded).finding(ConditionType::IdentityProviderReachable).truth,
        Truth::False
    );
    assert_eq!(with(ProviderReason::Unreachable).ready(), (Truth::False, "NotReady"));
}

#[test]
fn a_provider_that_only_the_pods_cannot_reach_is_told_from_one_that_is_away() {
    let failure = Failure { reason: ProviderReason::Unreachable, message: "no route".into() };
    let says_so = |reason, provider| {
        let acks = vec![ack(reason, UpstreamReason::Trusted)];
        let case = Case { acks, provider: Some(provider), ..Case::all_is_well() };
        case.finding(ConditionType::IdentityProviderReachable).message.contains("the pods' egress is blocked")
    };
    for reason in [ProviderReason::Unreachable, ProviderReason::Degraded] {
        assert!(says_so(reason, Ok(())));
        assert!(!says_so(reason, Err(failure.clone())));
    }
    assert!(!says_so(ProviderReason::IssuerMismatch, Ok(())) && !says_so(ProviderReason::Reachable, Ok(())));
    // What the operator itself says is no word of a pod.
    assert!(!says_so(ProviderReason::Pending, Err(failure)));
}

#[test]
fn until_a_sidecar_has_tried_the_operator_speaks_for_the_provider() {
    let failure = Failure { reason: ProviderReason::IssuerMismatch, message: "a is not b".into() };
    let case = Case {
        acks: vec![ack(ProviderReason::Pending, UpstreamReason::Pending)],
        provider: Some(Err(failure)),
        ..Case::all_is_well()
    };
    let provider = case.finding(ConditionType::IdentityProviderReachable);
    assert_eq!((provider.truth, provider.reason), (Truth::False, "IssuerMismatch"));
    assert!(provider.message.contains("a is not b"));
}
