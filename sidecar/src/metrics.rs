//! Numbers for Prometheus. All labels are words from closed sets.

#[cfg(test)]
mod exposition;

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use restward_crds::reason::Reason;

use crate::{audit::Record, verify::verdict::Findings};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    path_class: &'static str,
    credential: &'static str,
    decision: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerLabel {
    issuer: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MemoryLabel {
    memory: &'static str,
}

/// Counts requests for the keys of identity providers. Clones share the numbers.
#[derive(Debug, Clone, Default)]
pub struct Fetches(Family<ResultLabel, Counter>);

impl Fetches {
    /// Counts one.
    pub fn count(&self, is_ok: bool) {
        let result = if is_ok { "ok" } else { "failed" };
        self.0.get_or_create(&ResultLabel { result }).inc();
    }
}

/// What the gauges show at the moment of a scrape.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one gauge each")]
pub struct State {
    /// The newest configuration file is in force.
    pub config_is_current: bool,
    /// Keycloak answered when it was last asked.
    pub provider_is_reachable: bool,
    /// Tokens can be checked.
    pub keys_are_usable: bool,
    /// Confluence accepts assertions.
    pub upstream_is_trusted: bool,
    /// By issuer of the policy: how long ago its keys were fetched.
    pub keys_ages: Vec<(String, Duration)>,
    /// By memory: how many entries it holds.
    pub memories: Vec<(&'static str, usize)>,
}

/// All metrics of the sidecar.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    auth_duration: Histogram,
    upstream_duration: Histogram,
    config_reloads: Family<ResultLabel, Counter>,
    rejected_assertions: Counter,
    fetches: Fetches,
    keys_age: Family<IssuerLabel, Gauge<f64, AtomicU64>>,
    memories: Family<MemoryLabel, Gauge>,
    announcements: Counter,
    verifications: Family<ResultLabel, Counter>,
    bypass_ports: Gauge,
    config_is_current: Gauge,
    provider_is_reachable: Gauge,
    keys_are_usable: Gauge,
    upstream_is_trusted: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut this = Self {
            registry: Registry::with_prefix("restward_sidecar"),
            requests: Family::default(),
            // A cached verdict takes microseconds, a signature half a millisecond, a fetch of keys seconds.
            auth_duration: Histogram::new([
                0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0,
            ]),
            // Small pages take a millisecond, exports and searches of large spaces minutes.
            upstream_duration: Histogram::new([
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0,
            ]),
            config_reloads: Family::default(),
            rejected_assertions: Counter::default(),
            fetches: Fetches::default(),
            keys_age: Family::default(),
            memories: Family::default(),
            announcements: Counter::default(),
            verifications: Family::default(),
            bypass_ports: Gauge::default(),
            config_is_current: Gauge::default(),
            provider_is_reachable: Gauge::default(),
            keys_are_usable: Gauge::default(),
            upstream_is_trusted: Gauge::default(),
        };
        let registry = &mut this.registry;
        registry.register(
            "requests",
            "Requests by what was decided about them and why",
            this.requests.clone(),
        );
        registry.register(
            "auth_duration_seconds",
            "From the request's head to the decision",
            this.auth_duration.clone(),
        );
        registry.register(
            "upstream_duration_seconds",
            "From sending a request to Confluence to the head of its answer",
            this.upstream_duration.clone(),
        );
        registry.register("config_reload", "Configurations read, by result", this.config_reloads.clone());
        registry.register(
            "rejected_assertions",
            "Answers in which Confluence did not accept how the user was asserted",
            this.rejected_assertions.clone(),
        );
        registry.register(
            "basic_end_announcements",
            "Answers to password logins that say when such logins end",
            this.announcements.clone(),
        );
        registry.register(
            "verifications",
            "Looks for ways around the sidecar, by result",
            this.verifications.clone(),
        );
        registry.register(
            "bypass_ports",
            "Ports of the pod that lead to Confluence around the sidecar",
            this.bypass_ports.clone(),
        );
        registry.register(
            "config_current",
            "1: the newest configuration is in force",
            this.config_is_current.clone(),
        );
        registry.register(
            "identity_provider_reachable",
            "1: the identity provider answered when last asked",
            this.provider_is_reachable.clone(),
        );
        registry.register(
            "key_fetches",
            "Requests for the keys of an identity provider, by result",
            this.fetches.0.clone(),
        );
        registry.register(
            "keys_age_seconds",
            "Since the issuer's keys were fetched; absent until they were",
            this.keys_age.clone(),
        );
        registry.register("memory_entries", "Entries of each bounded memory", this.memories.clone());
        registry.register("keys_usable", "1: tokens can be checked", this.keys_are_usable.clone());
        registry.register(
            "upstream_trusted",
            "1: Confluence accepts assertions",
            this.upstream_is_trusted.clone(),
        );
        this
    }
}

impl Metrics {
    /// Counts a finished request.
    pub fn count(&self, record: &Record) {
        let labels = RequestLabels {
            path_class: record.class_word(),
            credential: record.credential.as_str(),
            decision: record.outcome.as_str(),
            reason: record.reason.map_or("none", Reason::code),
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// Notes how long a decision took.
    pub fn decided_in(&self, duration: Duration) {
        self.auth_duration.observe(duration.as_secs_f64());
    }

    /// Notes how long Confluence took to answer, or not to.
    pub fn answered_in(&self, duration: Duration) {
        self.upstream_duration.observe(duration.as_secs_f64());
    }

    /// Counts a configuration that was read.
    pub fn config_read(&self, is_accepted: bool) {
        let result = if is_accepted { "accepted" } else { "rejected" };
        self.config_reloads.get_or_create(&ResultLabel { result }).inc();
    }

    /// Counts an assertion that Confluence did not accept.
    pub fn assertion_rejected(&self) {
        self.rejected_assertions.inc();
    }

    /// Counts an answer that says when password logins end.
    pub fn end_announced(&self) {
        self.announcements.inc();
    }

    /// Counts a look for ways around the sidecar.
    pub fn verified(&self, findings: &Findings) {
        let result = match (&findings.problem, findings.bypasses.is_empty()) {
            (Some(_), _) => "failed",
            (None, true) => "clear",
            (None, false) => "bypass",
        };
        self.verifications.get_or_create(&ResultLabel { result }).inc();
        self.bypass_ports.set(i64::try_from(findings.bypasses.len()).unwrap_or(i64::MAX));
    }

    /// The counter of requests for keys.
    pub fn fetches(&self) -> Fetches {
        self.fetches.clone()
    }

    /// The OpenMetrics text.
    pub fn encode(&self, state: State) -> String {
        for (gauge, value) in [
            (&self.config_is_current, state.config_is_current),
            (&self.provider_is_reachable, state.provider_is_reachable),
            (&self.keys_are_usable, state.keys_are_usable),
            (&self.upstream_is_trusted, state.upstream_is_trusted),
        ] {
            gauge.set(i64::from(value));
        }
        // Issuers come and go with the policy.
        self.keys_age.clear();
        for (issuer, age) in state.keys_ages {
            self.keys_age.get_or_create(&IssuerLabel { issuer }).set(age.as_secs_f64());
        }
        for (memory, entries) in state.memories {
            let entries = i64::try_from(entries).unwrap_or(i64::MAX);
            self.memories.get_or_create(&MemoryLabel { memory }).set(entries);
        }
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}
