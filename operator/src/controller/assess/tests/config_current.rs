//! Condition `ConfigCurrent`.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use super::*;

#[test]
fn the_configuration_is_current_by_the_sidecars_own_word() {
    let with = |adjust: fn(&mut SidecarStatus)| {
        let mut case = Case::all_is_well();
        case.acks = vec![saying(case.acks.remove(0), adjust)];
        let finding = case.finding(ConditionType::ConfigCurrent);
        (finding.truth, finding.reason, finding.message)
    };
    let (truth, reason, _) = with(|_| {});
    assert_eq!((truth, reason), (Truth::True, "Current"));
    // Keys that the identity provider replaced are another configuration, but not another generation.
    let (truth, reason, _) = with(|status| status.config_hash = "0b".into());
    assert_eq!((truth, reason), (Truth::True, "Current"));
    let (truth, reason, message) = with(|status| status.policy.generation -= 1);
    assert_eq!((truth, reason), (Truth::False, "Stale"));
    assert!(message.contains("pods: wiki-0"), "{message}");
    let (truth, reason, message) = with(|status| status.config_rejected = Some("no such field".into()));
    assert_eq!((truth, reason), (Truth::False, "Rejected"));
    assert!(message.contains("no such field"), "{message}");
    let none = Case { acks: Vec::new(), ..Case::all_is_well() };
    assert_eq!(none.finding(ConditionType::ConfigCurrent).reason, "Pending");
}

#[test]
fn an_older_configuration_counts_while_the_newest_edit_is_not_accepted() {
    let mut case = Case { programming: Programming::LastGood, ..Case::all_is_well() };
    case.acks = vec![saying(case.acks.remove(0), |status| status.policy.generation -= 1)];
    assert_eq!(case.finding(ConditionType::ConfigCurrent).reason, "Current");
}

#[test]
fn silence_takes_nothing_back_from_a_generation_that_was_current() {
    let mut case = Case { acks: vec![silent()], ..Case::all_is_well() };
    let finding = case.finding(ConditionType::ConfigCurrent);
    assert_eq!((finding.truth, finding.reason), (Truth::Unknown, "Unreachable"));
    for (generation, truth) in [(7, Truth::True), (6, Truth::Unknown)] {
        case.before = vec![Condition {
            type_: "ConfigCurrent".into(),
            status: "True".into(),
            reason: "Current".into(),
            message: String::new(),
            observed_generation: Some(generation),
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        }];
        assert_eq!(case.finding(ConditionType::ConfigCurrent).truth, truth, "{generation}");
    }
}

#[test]
fn the_sidecars_are_told_apart_by_what_they_run() {
    let well = || ack(ProviderReason::Reachable, UpstreamReason::Trusted);
    let named = |pod: &str, ack: Ack| Ack { pod: pod.into(), ..ack };
    let older = || saying(well(), |status| status.policy.generation -= 1);
    let refusing = || saying(well(), |status| status.config_rejected = Some("no such field".into()));
    let all = vec![
        named("refuses", refusing()),
        named("older", older()),
        named("gone", silent()),
        named("good", well()),
        named("quiet", silent_now(well())),
        named("quiet-older", silent_now(older())),
        named("quiet-refuses", silent_now(refusing())),
    ];
    let mut case = Case { acks: all.clone(), ..Case::all_is_well() };
    case.observed.pods.push(pod("old", json!({})));
    let finding = case.finding(ConditionType::ConfigCurrent);
    assert_eq!((finding.truth, finding.reason), (Truth::False, "Rejected"));
    assert_eq!(
        finding.message,
        "1 of 7 sidecars keep their last good configuration: no such field (pods: refuses); \
         1 of 7 sidecars still run an older configuration; the kubelet brings the new one within seconds (pods: older); \
         3 of 7 sidecars do not say what they run (pods: gone, quiet-older, quiet-refuses); \
         2 of 7 sidecars run this configuration; 1 pods have no sidecar"
    );
    for (of, truth, reason) in [
        (&all[1..], Truth::False, "Stale"),
        (&all[2..], Truth::Unknown, "Unreachable"),
        (&all[3..5], Truth::True, "Current"),
        (&all[5..], Truth::Unknown, "Unreachable"),
    ] {
        let finding = Case { acks: of.to_vec(), ..Case::all_is_well() }.finding(ConditionType::ConfigCurrent);
        assert_eq!((finding.truth, finding.reason), (truth, reason), "{}", finding.message);
    }
}
