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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyLabels {
    namespace: String,
    policy: String,
}

/// Every metric of the operator.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciliations: Family<ReconcileLabels, Counter>,
    break_glass: Family<PolicyLabels, Counter>,
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
        let break_glass = Family::default();
        registry.register(
            "restward_operator_break_glass_pods",
            "Pods of Confluence that came without the sidecar while a policy was in force",
            break_glass.clone(),
        );
        let webhook = webhook::Metrics::register(&mut registry);
        Self { registry: Arc::new(registry), reconciliations, break_glass, webhook }
    }
}

impl Metrics {
    /// A reconciliation ended.
    pub fn reconciled(&self, succeeded: bool) {
        let result = if succeeded { "ok" } else { "error" };
        self.reconciliations.get_or_create(&ReconcileLabels { result }).inc();
    }

    /// A pod came without the sidecar although this policy was in force.
    pub fn glass_broken(&self, namespace: &str, policy: &str) {
        let labels = PolicyLabels { namespace: namespace.to_owned(), policy: policy.to_owned() };
        self.break_glass.get_or_create(&labels).inc();
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
