//! Whether nobody reaches Confluence around the sidecars, by their own word. Pure.

use restward_crds::{
    condition::{ConditionType, EnforcedReason},
    sidecar::{enforcement::OnBypass, terms::Mode},
};

use super::{Outcome, found, names};
use crate::{
    acks::Ack,
    conditions::{Finding, Truth},
};

/// Ways around that a message describes before it only counts.
const DESCRIBED: usize = 3;

pub(super) fn enforced(outcome: &Outcome<'_>) -> Finding {
    let (truth, reason, message) = verdict(outcome);
    found(ConditionType::Enforced, truth, reason.as_str(), message)
}

fn verdict(outcome: &Outcome<'_>) -> (Truth, EnforcedReason, String) {
    let (acks, census) = (outcome.acks, outcome.census);
    let that = |reason: Option<EnforcedReason>| -> Vec<&Ack> {
        acks.iter().filter(|ack| said(ack) == reason).collect()
    };
    let bypassed = that(Some(EnforcedReason::BypassDetected));
    if !bypassed.is_empty() {
        return (Truth::False, EnforcedReason::BypassDetected, bypass(outcome, &bypassed));
    }
    if census.injected() < census.pods() {
        let message =
            format!("{} of {} pods have no sidecar", census.pods() - census.injected(), census.pods());
        return (Truth::False, EnforcedReason::NotInjected, message);
    }
    let of = |some: &[&Ack], what: &str| {
        format!("{} of {} sidecars {what} (pods: {})", some.len(), acks.len(), names(some))
    };
    let unable = that(Some(EnforcedReason::Unverifiable));
    if let Some(cause) = unable.iter().find_map(|ack| ack.verification()) {
        let message = of(&unable, &format!("cannot look for ways around them: {}", cause.message));
        return (Truth::Unknown, EnforcedReason::Unverifiable, message);
    }
    let (silent, old): (Vec<&Ack>, Vec<&Ack>) = that(None).into_iter().partition(|ack| ack.last.is_none());
    if !old.is_empty() {
        let message = of(&old, "are of a version that does not look for ways around them");
        return (Truth::Unknown, EnforcedReason::Unverifiable, message);
    }
    if !silent.is_empty() {
        return (Truth::Unknown, EnforcedReason::Unreachable, of(&silent, "do not say what they found"));
    }
    let verified = that(Some(EnforcedReason::Verified));
    if acks.is_empty() {
        (Truth::Unknown, EnforcedReason::Pending, "no sidecar runs yet".into())
    } else if verified.len() < acks.len() {
        let message =
            format!("{} of {} sidecars have not looked yet", acks.len() - verified.len(), acks.len());
        (Truth::Unknown, EnforcedReason::Pending, message)
    } else {
        let message = format!("{} sidecars find no way around them", acks.len());
        (Truth::True, EnforcedReason::Verified, message)
    }
}

/// Whether the sidecar finds no way around it.
pub(super) fn is_verified(ack: &Ack) -> bool {
    said(ack) == Some(EnforcedReason::Verified)
}

fn said(ack: &Ack) -> Option<EnforcedReason> {
    ack.verification().map(|said| said.reason)
}

fn bypass(outcome: &Outcome<'_>, bypassed: &[&Ack]) -> String {
    let each = bypassed.iter().take(DESCRIBED).filter_map(|ack| {
        let said = ack.verification()?;
        Some(format!("pod {}, {}", ack.pod, said.message))
    });
    let more = bypassed.len().saturating_sub(DESCRIBED);
    let more = if more == 0 { String::new() } else { format!("; and {more} more pods") };
    let spec = &outcome.policy.spec;
    let consequence = match (spec.mode, spec.on_bypass) {
        (Mode::Enforce, OnBypass::Block) => "such pods are not ready (spec.onBypass: Block)",
        (Mode::Enforce, OnBypass::Report) => "such pods stay ready (spec.onBypass: Report)",
        (Mode::Audit | Mode::Off, _) => "such pods stay ready (spec.mode is not Enforce)",
    };
    format!("{}{more}; {consequence}", each.collect::<Vec<_>>().join("; "))
}
