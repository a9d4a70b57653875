//! Metrics in the text format of OpenMetrics, at `/metrics` of the admin server.

use std::sync::Arc;

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::webhook;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    result: &'static str,
}

/// Every metric of the operator.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciliations: Family<ReconcileLabels, Counter>,
    /// Those of the webhook.
    pub webhook: webhook::Metrics,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let reconciliations = Family::default();
        registry.register(
            "restward_operator_reconciliations",
            "Reconciliations of policies by result",
            reconciliations.clone(),
        );
        let webhook = webhook::Metrics::register(&mut registry);
        Self { registry: Arc::new(registry), reconciliations, webhook }
    }
}

impl Metrics {
    /// A reconciliation ended.
    pub fn reconciled(&self, succeeded: bool) {
        let result = if succeeded { "ok" } else { "error" };
        self.reconciliations.get_or_create(&ReconcileLabels { result }).inc();
    }

    /// All of them as text.
    ///
    /// # Errors
    /// Never in practice: a `String` takes everything.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
