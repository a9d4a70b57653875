//! Decisions of the webhook, counted by reason.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// Counters of the webhook.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    injections: Family<Labels, Counter>,
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
        metrics
    }

    /// Counts one decision.
    pub(super) fn count(&self, decision: &'static str, reason: &'static str) {
        self.injections.get_or_create(&Labels { decision, reason }).inc();
    }
}
