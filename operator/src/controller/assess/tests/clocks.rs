//! Clocks of pods that differ from the operator's.

use super::*;

fn told(spec: Value, clocks: &[Option<i64>]) -> Vec<String> {
    let pods = clocks.iter().enumerate();
    let acks =
        pods.map(|(n, ahead)| Ack { pod: format!("wiki-{n}"), clock_ahead: *ahead, ..ack_for_tests() });
    let case = Case { spec, acks: acks.collect(), ..Case::all_is_well() };
    case.assess().1.advisories.into_iter().filter(|said| said.starts_with("ClocksDiffer: ")).collect()
}

#[test]
fn a_clock_is_told_of_in_either_direction_once_it_is_beyond_the_skew() {
    let half_a_minute = || json!({});
    assert_eq!(told(half_a_minute(), &[None, Some(0), Some(30), Some(-30)]), [""; 0]);
    let ahead = told(half_a_minute(), &[Some(0), Some(31)]);
    assert!(
        ahead.len() == 1 && ahead[0].contains("the clock of wiki-1 is ahead of the operator's"),
        "{ahead:?}"
    );
    assert!(
        ahead[0].contains("clockSkew (30s)") && ahead[0].contains("expired when they are new"),
        "{ahead:?}"
    );
    let behind = told(half_a_minute(), &[Some(-31)]);
    assert!(
        behind.len() == 1 && behind[0].contains("the clock of wiki-0 is behind the operator's"),
        "{behind:?}"
    );
    assert!(behind[0].contains("not valid yet") && behind[0].contains("NTP"), "{behind:?}");
    assert_eq!(told(half_a_minute(), &[Some(400), Some(-400), Some(401)]).len(), 2);
}

#[test]
fn the_skew_is_the_policys_and_an_answer_takes_its_time() {
    let skew = |skew: &str| json!({"tokens": {"clockSkew": skew}});
    assert_eq!(told(skew("60s"), &[Some(60), Some(-60)]), [""; 0]);
    assert_eq!(told(skew("0s"), &[Some(5), Some(-5)]), [""; 0]);
    assert_eq!(told(skew("0s"), &[Some(6), Some(-6)]).len(), 2);
}
