//! Metrics in the text format of OpenMetrics, at `/metrics` of the admin server.

#[cfg(test)]
mod exposition;

use std::{sync::Arc, time::SystemTime};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
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

impl PolicyLabels {
    fn of(namespace: &str, policy: &str) -> Self {
        Self { namespace: namespace.to_owned(), policy: policy.to_owned() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    namespace: String,
    policy: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateLabels {
    certificate: &'static str,
}

impl ResultLabels {
    fn of(namespace: &str, policy: &str, result: &'static str) -> Self {
        Self { namespace: namespace.to_owned(), policy: policy.to_owned(), result }
    }
}

/// Every metric of the operator.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciliations: Family<ReconcileLabels, Counter>,
    break_glass: Family<PolicyLabels, Counter>,
    without_sidecar: Family<PolicyLabels, Gauge>,
    certificate_ends: Family<CertificateLabels, Gauge>,
    evictions: Family<ResultLabels, Counter>,
    rollouts: Family<ResultLabels, Counter>,
    upgrades: Family<ResultLabels, Counter>,
    sidecars_behind: Family<PolicyLabels, Gauge>,
    retained: Family<PolicyLabels, Gauge>,
    ready: Family<PolicyLabels, Gauge>,
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
        let without_sidecar = Family::default();
        registry.register(
            "restward_operator_watchdog_pods_without_sidecar",
            "Pods of Confluence that run without the sidecar under a policy in force",
            without_sidecar.clone(),
        );
        let evictions = Family::default();
        registry.register(
            "restward_operator_watchdog_evictions",
            "Evictions of such pods that were tried, by result",
            evictions.clone(),
        );
        let certificate_ends = Family::default();
        registry.register(
            "restward_operator_certificate_expiration_timestamp_seconds",
            "When the webhook's certificate ends, and the authority that signed it",
            certificate_ends.clone(),
        );
        let retained = Family::default();
        registry.register(
            "restward_operator_retained_policies",
            "Policies that were deleted and stay in force until they are released",
            retained.clone(),
        );
        let ready = Family::default();
        registry.register(
            "restward_operator_policy_ready",
            "1: condition Ready of the policy is True",
            ready.clone(),
        );
        let rollouts = Family::default();
        registry.register(
            "restward_operator_rollouts",
            "Rollouts of workloads that began, and what kept others from beginning, each once",
            rollouts.clone(),
        );
        let upgrades = Family::default();
        registry.register(
            "restward_operator_sidecar_upgrades",
            "Sidecars that were to be replaced in running pods by one of another image, by what came of it",
            upgrades.clone(),
        );
        let sidecars_behind = Family::default();
        registry.register(
            "restward_operator_sidecars_behind",
            "Pods with the sidecar that do not run the image which new pods get",
            sidecars_behind.clone(),
        );
        let webhook = webhook::Metrics::register(&mut registry);
        Self {
            registry: Arc::new(registry),
            reconciliations,
            break_glass,
            without_sidecar,
            evictions,
            certificate_ends,
            rollouts,
            upgrades,
            sidecars_behind,
            retained,
            ready,
            webhook,
        }
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
        self.break_glass.get_or_create(&PolicyLabels::of(namespace, policy)).inc();
    }

    /// So many pods of this policy run without the sidecar.
    pub fn without_sidecar(&self, namespace: &str, policy: &str, pods: i32) {
        self.without_sidecar.get_or_create(&PolicyLabels::of(namespace, policy)).set(pods.into());
    }

    /// An eviction was tried.
    pub fn eviction_tried(&self, namespace: &str, policy: &str, result: &'static str) {
        self.evictions.get_or_create(&ResultLabels::of(namespace, policy, result)).inc();
    }

    /// A rollout began, or something keeps it from beginning.
    pub fn rollout(&self, namespace: &str, policy: &str, result: &'static str) {
        self.rollouts.get_or_create(&ResultLabels::of(namespace, policy, result)).inc();
    }

    /// The replacement of a sidecar in a running pod began, could not begin, was done, or did not come up.
    pub fn sidecar_upgrade(&self, namespace: &str, policy: &str, result: &'static str) {
        self.upgrades.get_or_create(&ResultLabels::of(namespace, policy, result)).inc();
    }

    /// So many sidecars of this policy do not run the image that new pods get.
    pub fn sidecars_behind(&self, namespace: &str, policy: &str, pods: usize) {
        let pods = i64::try_from(pods).unwrap_or(i64::MAX);
        self.sidecars_behind.get_or_create(&PolicyLabels::of(namespace, policy)).set(pods);
    }

    /// This certificate (`webhook` or `authority`) ends then.
    pub fn certificate_ends(&self, certificate: &'static str, end: Option<SystemTime>) {
        let seconds = end.and_then(|end| end.duration_since(SystemTime::UNIX_EPOCH).ok());
        if let Some(seconds) = seconds.and_then(|since| i64::try_from(since.as_secs()).ok()) {
            self.certificate_ends.get_or_create(&CertificateLabels { certificate }).set(seconds);
        }
    }

    /// Whether this policy was deleted and stays in force.
    pub fn retained(&self, namespace: &str, policy: &str, is_retained: bool) {
        let labels = PolicyLabels::of(namespace, policy);
        if is_retained {
            self.retained.get_or_create(&labels).set(1);
        } else {
            self.retained.remove(&labels);
        }
    }

    /// Whether condition `Ready` of this policy is True.
    pub fn ready(&self, namespace: &str, policy: &str, is_ready: bool) {
        self.ready.get_or_create(&PolicyLabels::of(namespace, policy)).set(i64::from(is_ready));
    }

    /// The policy is gone, and with it what is the case now. What was counted stays.
    pub fn forget_policy(&self, namespace: &str, policy: &str) {
        for family in [&self.without_sidecar, &self.sidecars_behind, &self.ready] {
            family.remove(&PolicyLabels::of(namespace, policy));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_case_of_a_policy_goes_with_it() {
        let metrics = Metrics::default();
        let shows = |line: &str| metrics.encode().unwrap().lines().any(|shown| shown == line);
        metrics.ready("atlassian", "wiki", true);
        assert!(shows(r#"restward_operator_policy_ready{namespace="atlassian",policy="wiki"} 1"#));
        metrics.ready("atlassian", "wiki", false);
        metrics.ready("atlassian", "other", true);
        assert!(shows(r#"restward_operator_policy_ready{namespace="atlassian",policy="wiki"} 0"#));
        metrics.forget_policy("atlassian", "wiki");
        let text = metrics.encode().unwrap();
        assert!(!text.contains("wiki") && text.contains("other"), "{text}");
    }
}
