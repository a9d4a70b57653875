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
    let acks = outcome.acks;
    if acks.is_empty() {
        return (Truth::Unknown, ConfigReason::Pending, "no sidecar runs yet".into());
    }
    let silent: Vec<&Ack> = acks.iter().filter(|ack| ack.status.is_none()).collect();
    let behind: Vec<&Ack> = acks.iter().filter(|ack| is_behind(ack, outcome)).collect();
    let refusing: Vec<&Ack> = acks.iter().filter(|ack| ack.rejected().is_some()).collect();
    if let Some(cause) = refusing.iter().find_map(|ack| ack.rejected()) {
        let message = format!(
            "{} of {} sidecars keep their last good configuration: {cause} (pods: {})",
            refusing.len(),
            acks.len(),
            names(&refusing)
        );
        return (Truth::False, ConfigReason::Rejected, message);
    }
    if !behind.is_empty() {
        let message = format!(
            "{} of {} sidecars still run an older configuration; the kubelet brings the new one within seconds (pods: {})",
            behind.len(),
            acks.len(),
            names(&behind)
        );
        return (Truth::False, ConfigReason::Stale, message);
    }
    if silent.is_empty() {
        return (
            Truth::True,
            ConfigReason::Current,
            format!("{} sidecars run this configuration", acks.len()),
        );
    }
    let message = format!(
        "{} of {} sidecars do not say what they run (pods: {})",
        silent.len(),
        acks.len(),
        names(&silent)
    );
    // A configuration that was swapped in stays: silence afterwards, as of a pod that restarts, takes nothing back.
    if was_current(outcome) {
        (Truth::True, ConfigReason::Current, format!("all sidecars ran this configuration; now {message}"))
    } else {
        (Truth::Unknown, ConfigReason::Unreachable, message)
    }
}

/// Whether the sidecar runs the configuration of an older generation. Of the same generation is enough: what else is in the
/// configuration, such as the keys known last, follows the identity provider and not the policy.
fn is_behind(ack: &Ack, outcome: &Outcome<'_>) -> bool {
    // While the policy's newest edit is not accepted, the one accepted last is what sidecars should run.
    let wanted = outcome.policy.metadata.generation.filter(|_| *outcome.programming == Programming::Done);
    let runs = ack.status.as_ref().map(|status| status.policy.generation);
    wanted.is_some() && runs.is_some_and(|runs| Some(runs) != wanted)
}

/// Whether status says that every sidecar ran the configuration of this very generation.
fn was_current(outcome: &Outcome<'_>) -> bool {
    conditions::shown(outcome.policy, ConditionType::ConfigCurrent).is_some_and(|condition| {
        condition.status == Truth::True.as_str()
            && condition.observed_generation == outcome.policy.metadata.generation
    })
}
