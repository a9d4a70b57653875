//! Whether every selected pod has the sidecar, and what is done about those that have none, or an earlier one. Pure.

use kube::ResourceExt;
use restward_crds::condition::{ConditionType, InjectedReason};

use super::{NAMED, Outcome, Programming, found};
use crate::{
    conditions::{Finding, Truth},
    controller::{break_glass, census::Census, rollout, upgrade},
};

pub(super) fn injected(outcome: &Outcome<'_>) -> Finding {
    let census = outcome.census;
    let namespace = outcome.policy.namespace().unwrap_or_default();
    let (truth, reason, message) = if *outcome.programming == Programming::Nothing {
        (
            Truth::Unknown,
            InjectedReason::NoPods,
            "nothing is injected before the policy is accepted".to_owned(),
        )
    } else if !census.broken_glass.is_empty() {
        let each: Vec<String> = census.broken_glass.iter().take(NAMED).map(break_glass::note).collect();
        (Truth::False, InjectedReason::BreakGlass, each.join("; "))
    } else if !census.refusals.is_empty() {
        let each = census
            .refusals
            .iter()
            .map(|(workload, why)| format!("{} {}: {why}", workload.kind, workload.name));
        (Truth::False, InjectedReason::InjectionRefused, each.collect::<Vec<_>>().join("; "))
    } else if census.pods() == 0 {
        (
            Truth::False,
            InjectedReason::NoPods,
            "spec.selector matches no running pod of Confluence in this namespace".into(),
        )
    } else if census.injected() < census.pods() {
        let commands = census.restart_commands(&namespace);
        let message = format!(
            "{} of {} pods were made before the policy and need a restart: {}",
            census.pods() - census.injected(),
            census.pods(),
            commands.join("; ")
        );
        (Truth::False, InjectedReason::RestartRequired, message)
    } else if let Some(message) = outdated(census, &namespace) {
        (Truth::True, InjectedReason::Outdated, message)
    } else {
        (Truth::True, InjectedReason::Injected, "every selected pod has the sidecar".into())
    };
    let (reason, message) = with_rollout(outcome.rollout, reason, message);
    let (truth, reason, message) = with_upgrade(outcome.upgrade, truth, reason, message);
    let message = match &outcome.watchdog {
        Some(said) => format!("{message}; {said}"),
        None => message,
    };
    found(ConditionType::Injected, truth, reason.as_str(), message)
}

/// Their sidecars check every call by the policy as it is now: they only lack what a pod gets when it is made.
fn outdated(census: &Census, namespace: &str) -> Option<String> {
    let pods: Vec<&str> = census.outdated().map(|member| member.id.pod.as_str()).collect();
    let named = pods.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    (!pods.is_empty()).then(|| {
        format!(
            "every selected pod has the sidecar, but {} of {} have what was injected before a change of the policy or the              operator and get the change with a restart (pods: {named}): {}",
            pods.len(),
            census.pods(),
            census.restart_commands(namespace).join("; ")
        )
    })
}

/// A rollout is told where pods wait for one.
fn with_rollout(
    rollout: &rollout::Report,
    reason: InjectedReason,
    message: String,
) -> (InjectedReason, String) {
    match (reason, &rollout.message) {
        (InjectedReason::RestartRequired | InjectedReason::Outdated, Some(said)) => {
            (rollout.reason.unwrap_or(reason), format!("{message}; rollout: {said}"))
        }
        _ => (reason, message),
    }
}

/// That a pod does not come up is more than that others wait for something; all else is told before an upgrade that goes on.
fn with_upgrade(
    upgrade: &upgrade::Report,
    truth: Truth,
    reason: InjectedReason,
    message: String,
) -> (Truth, InjectedReason, String) {
    let Some(said) = &upgrade.message else { return (truth, reason, message) };
    let (truth, reason) = match upgrade.reason {
        Some(InjectedReason::UpgradeStopped) if truth == Truth::True => {
            (Truth::False, InjectedReason::UpgradeStopped)
        }
        Some(other) if reason == InjectedReason::Injected => (truth, other),
        _ => (truth, reason),
    };
    (truth, reason, format!("{message}; sidecar image: {said}"))
}
