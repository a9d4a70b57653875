//! Conditions: how findings become `status.conditions`.

use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff::Timestamp,
};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, condition::ConditionType};

/// Status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be told yet.
    Unknown,
}

impl Truth {
    /// As it stands in `status.conditions[].status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }

    /// `True` when `holds`, else `False`.
    pub const fn of(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// What was found out about one condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The condition.
    pub kind: ConditionType,
    /// Whether it holds.
    pub truth: Truth,
    /// Reason from the condition's closed set.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// Whether the condition of this type was found to hold.
pub fn holds(findings: &[Finding], kind: ConditionType) -> bool {
    findings.iter().any(|finding| finding.kind == kind && finding.truth == Truth::True)
}

/// The API server refuses longer messages.
const MAX_MESSAGE: usize = 32_768;

/// The condition of this type, as status shows it.
pub fn shown(policy: &RestApiAuthPolicy, kind: ConditionType) -> Option<&Condition> {
    policy.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == kind.as_str())
}

/// The new list: the transition time moves only when the status does, so that equal findings give an equal list.
pub fn merge(old: &[Condition], findings: &[Finding], generation: i64, now: Timestamp) -> Vec<Condition> {
    findings
        .iter()
        .map(|finding| {
            let since = old
                .iter()
                .find(|known| known.type_ == finding.kind.as_str() && known.status == finding.truth.as_str())
                .map_or_else(|| Time(now), |known| known.last_transition_time.clone());
            Condition {
                type_: finding.kind.as_str().into(),
                status: finding.truth.as_str().into(),
                reason: finding.reason.into(),
                message: truncate(&finding.message, MAX_MESSAGE),
                observed_generation: Some(generation),
                last_transition_time: since,
            }
        })
        .collect()
}

/// The conditions that are new or whose status or reason is another than before: what is worth an Event.
pub fn changed<'new>(old: &[Condition], new: &'new [Condition]) -> Vec<&'new Condition> {
    let same =
        |a: &Condition, b: &Condition| a.type_ == b.type_ && a.status == b.status && a.reason == b.reason;
    new.iter().filter(|condition| !old.iter().any(|known| same(known, condition))).collect()
}

/// At most `max` bytes of `text`, cut between characters.
pub fn truncate(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(max.saturating_sub('…'.len_utf8()));
    text.get(..end).map(|head| format!("{head}…")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(truth: Truth, reason: &'static str) -> Finding {
        Finding { kind: ConditionType::Accepted, truth, reason, message: "m".into() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_transition_time_moves_with_the_status_only() {
        let first = merge(&[], &[finding(Truth::False, "Invalid")], 1, at(10));
        let same = merge(&first, &[finding(Truth::False, "Conflicted")], 2, at(20));
        assert_eq!(same[0].last_transition_time.0, at(10));
        assert_eq!(same[0].observed_generation, Some(2));
        let flipped = merge(&same, &[finding(Truth::True, "Accepted")], 2, at(30));
        assert_eq!(flipped[0].last_transition_time.0, at(30));
    }

    #[test]
    fn only_a_new_status_or_reason_is_worth_an_event() {
        let old = merge(&[], &[finding(Truth::False, "Invalid")], 1, at(10));
        assert!(changed(&old, &merge(&old, &[finding(Truth::False, "Invalid")], 2, at(20))).is_empty());
        assert_eq!(changed(&old, &merge(&old, &[finding(Truth::False, "Conflicted")], 2, at(20))).len(), 1);
        assert_eq!(changed(&[], &old).len(), 1);
    }

    #[test]
    fn a_condition_holds_when_it_was_found_to_be_true() {
        for (truth, holds_then) in [(Truth::True, true), (Truth::False, false), (Truth::Unknown, false)] {
            assert_eq!(holds(&[finding(truth, "Accepted")], ConditionType::Accepted), holds_then);
            assert!(!holds(&[finding(truth, "Accepted")], ConditionType::Ready));
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(truncate("abc", 3), "abc");
        assert_eq!(truncate("ääää", 6), "ä…");
    }
}
