//! What status says of the last use of the chart's `breakGlass.groups`. Pure.

use k8s_openapi::jiff::Unit;
use restward_crds::{advisory::Advisory, api::v1alpha1::BreakGlassStatus, names};

use super::Outcome;

/// How long a use is told, in seconds: whoever looks once a working day sees it.
const TOLD: i64 = 24 * 60 * 60;

/// The last use, for a day. No user is named: status is read by more people than Events and audit log are.
pub(super) fn used(outcome: &Outcome<'_>) -> Option<String> {
    let BreakGlassStatus { time, what, operation, object } =
        outcome.policy.status.as_ref()?.break_glass.as_ref()?;
    let age = outcome.at.saturating_sub(time.0.as_second());
    (age < TOLD).then(|| {
        Advisory::BreakGlass.says(format_args!(
            "at {} a member of the chart's breakGlass.groups {} ({operation} of {object}). The Event of reason {} \
             and the API server's audit log name the user",
            time.0.round(Unit::Second).unwrap_or(time.0),
            what.sentence(),
            names::BREAK_GLASS_USED
        ))
    })
}
