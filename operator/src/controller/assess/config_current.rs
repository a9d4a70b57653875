//! Whether every sidecar runs what the policy says now, by their own word. Pure.

use restward_crds::condition::{ConditionType, ConfigReason};

use super::{Outcome, Programming, found, names};
use crate::{
    acks::Ack,
    conditions::{self, Finding, Truth},
};

pub(super) fn config_current(outcome: &Outcome<'_>) -> Finding {
    let (truth, reason, message) = verdict(outcome);
    found(ConditionType::ConfigCurrent, truth, reason.as_str(), message)
}

fn verdict(outcome: &Outcome<'_>) -> (Truth, ConfigReason, String) {
    use ConfigReason::{Current, Pending, Rejected, Stale, Unreachable};
    if outcome.acks.is_empty() {
        return (Truth::Unknown, Pending, "no sidecar runs yet".into());
    }
    let that_are = |reason: ConfigReason| -> Vec<&Ack> {
        outcome.acks.iter().filter(|ack| bucket(ack, outcome) == reason).collect()
    };
    let message = message(outcome, that_are);
    let any = |reason| !that_are(reason).is_empty();
    if any(Rejected) {
        (Truth::False, Rejected, message)
    } else if any(Stale) {
        (Truth::False, Stale, message)
    } else if !any(Unreachable) {
        (Truth::True, Current, message)
    } else if was_current(outcome) {
        // A configuration that was swapped in stays: silence afterwards, as of a pod that restarts, takes nothing back.
        (Truth::True, Current, format!("all sidecars ran this configuration; now {message}"))
    } else {
        (Truth::Unknown, Unreachable, message)
    }
}

/// Whether the sidecar runs what the policy says now.
pub(super) fn is_current(ack: &Ack, outcome: &Outcome<'_>) -> bool {
    bucket(ack, outcome) == ConfigReason::Current
}

/// What a sidecar runs. One that does not answer for a moment runs the configuration of this generation still if it did; of
/// everything else that it said it may have had enough since.
fn bucket(ack: &Ack, outcome: &Outcome<'_>) -> ConfigReason {
    let Some(last) = &ack.last else { return ConfigReason::Unreachable };
    // Of the same generation is enough: what else is in the configuration, such as the keys known last, follows the identity
    // provider and not the policy. While the policy's newest edit is not accepted, the one accepted last is what sidecars
    // should run.
    let wanted = outcome.policy.metadata.generation.filter(|_| *outcome.programming == Programming::Done);
    let is_current = wanted.is_none_or(|wanted| last.policy.generation == wanted);
    match (&last.config_rejected, is_current) {
        (None, true) => ConfigReason::Current,
        _ if ack.status.is_none() => ConfigReason::Unreachable,
        (Some(_), _) => ConfigReason::Rejected,
        (None, false) => ConfigReason::Stale,
    }
}

/// How many there are of each, worst first.
fn message<'a>(outcome: &Outcome<'_>, that_are: impl Fn(ConfigReason) -> Vec<&'a Ack>) -> String {
    let all = outcome.acks.len();
    let part = |reason, what: &str| {
        let those = that_are(reason);
        let cause = those.iter().find_map(|ack| ack.rejected()).map(|cause| format!(": {cause}"));
        (!those.is_empty()).then(|| {
            let cause = cause.unwrap_or_default();
            format!("{} of {all} sidecars {what}{cause} (pods: {})", those.len(), names(&those))
        })
    };
    let current = that_are(ConfigReason::Current).len();
    let without = outcome.census.pods() - outcome.census.injected();
    let parts = [
        part(ConfigReason::Rejected, "keep their last good configuration"),
        part(
            ConfigReason::Stale,
            "still run an older configuration; the kubelet brings the new one within seconds",
        ),
        part(ConfigReason::Unreachable, "do not say what they run"),
        (current > 0).then(|| format!("{current} of {all} sidecars run this configuration")),
        (without > 0).then(|| format!("{without} pods have no sidecar")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// Whether status says that every sidecar ran the configuration of this very generation.
fn was_current(outcome: &Outcome<'_>) -> bool {
    conditions::shown(outcome.policy, ConditionType::ConfigCurrent).is_some_and(|condition| {
        condition.status == Truth::True.as_str()
            && condition.observed_generation == outcome.policy.metadata.generation
    })
}
