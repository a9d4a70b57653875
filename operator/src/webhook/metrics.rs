//! Decisions of the webhook, counted by reason.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use restward_crds::api::v1alpha1::BreakGlassUse;

/// Counters of the webhook.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    injections: Family<Labels, Counter>,
    break_glass: Family<UseLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UseLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    decision: &'static str,
    reason: &'static str,
}

impl Metrics {
    /// Registers the counters.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "restward_operator_injections",
            "Decisions of the admission webhook about pods",
            metrics.injections.clone(),
        );
        registry.register(
            "restward_operator_break_glass_uses",
            "Requests by members of breakGlass.groups that the admission policies refuse to others, as this replica saw them",
            metrics.break_glass.clone(),
        );
        metrics
    }

    /// Counts a use of break-glass. Not by user or object, of which there may be any number.
    pub(crate) fn count_use(&self, what: BreakGlassUse) {
        self.break_glass.get_or_create(&UseLabels { kind: what.as_str() }).inc();
    }

    /// Counts one decision.
    pub(crate) fn count(&self, decision: &'static str, reason: &'static str) {
        self.injections.get_or_create(&Labels { decision, reason }).inc();
    }
}
