//! From an admission review to an answer.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::Instant;

use super::{
    metrics::Metrics,
    review::{Request, Subject, Verdict, labels},
};
use crate::{
    args::Sidecar,
    inject::{self, Decision, RefusalReason},
    policy_source::{Candidate, PolicySource},
    server_xml::{self, ServerXml},
};

/// The API server waits 5 s for the webhook; what takes longer than this is answered before it gives up.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);

/// About workloads the API server waits 2 s, however many ConfigMaps they mount.
const SERVER_XML_TIMEOUT: Duration = Duration::from_secs(1);

/// What the webhook decides with.
pub(super) struct Mutator {
    pub source: Arc<dyn PolicySource>,
    pub sidecar: Sidecar,
    pub metrics: Metrics,
}

impl Mutator {
    /// Answers a call for the policy `called` of `namespace`.
    pub(super) async fn answer(&self, namespace: &str, called: &str, request: &Request) -> Verdict {
        match request.subject().filter(|_| request.namespace == namespace) {
            Some(Subject::Pod) => self.pod(namespace, called, request).await,
            Some(Subject::Template(template)) => self.template(namespace, called, template).await,
            Some(Subject::Unchanged) => Verdict::Allow,
            None => {
                self.metrics.count("refuse", "unexpected_request");
                Verdict::Deny(format!(
                    "this webhook is for pods and their workloads in namespace {namespace}"
                ))
            }
        }
    }

    /// Says early, while the old pods serve, what would come of the new ones. Each pod is decided about again when it is
    /// created, so what is not known here is no reason to refuse.
    async fn template(&self, namespace: &str, called: &str, template: &Value) -> Verdict {
        let Ok(policies) = self.policies(namespace, called).await else { return Verdict::Allow };
        // Of a workload the API server has matched no selector, so the policy that was called counts like any other.
        let Some(policy) = inject::choose(&policies, None, &labels(template)) else { return Verdict::Allow };
        let policy = self.with_current_server_xml(policy.clone(), template).await;
        match inject::decide(template, &policy, &self.sidecar) {
            Decision::Refuse(refusal) if refusal.reason != RefusalReason::ServerXmlPending => {
                self.metrics.count("refuse_workload", refusal.reason.as_str());
                Verdict::Deny(format!(
                    "RestApiAuthPolicy {:?} selects the pods of this workload and would refuse them: {refusal}. Nothing was \
                     changed, running pods go on",
                    policy.name
                ))
            }
            Decision::Refuse(_) | Decision::Inject(_) | Decision::LeaveAlone(_) => Verdict::Allow,
        }
    }

    /// A ConfigMap is often changed a moment before the workload that mounts it, so it is asked for here, as many as a policy
    /// takes. What has not come in time is judged as it was.
    async fn with_current_server_xml(&self, mut policy: Candidate, template: &Value) -> Candidate {
        let deadline = Instant::now() + SERVER_XML_TIMEOUT;
        let names: BTreeSet<&str> = inject::server_xml_config_maps(template).collect();
        for name in names.into_iter().take(server_xml::MAX_SOURCES) {
            let fetched = self.source.fetch_server_xml(&policy.namespace, name);
            if let Ok(Ok(Some(text))) = tokio::time::timeout_at(deadline, fetched).await {
                let (current, _) = ServerXml::of(name, &text, policy.interception);
                policy.server_xml.retain(|known| known.config_map != name);
                policy.server_xml.push(current);
            }
        }
        policy
    }

    async fn pod(&self, namespace: &str, called: &str, request: &Request) -> Verdict {
        let policies = match self.policies(namespace, called).await {
            Ok(policies) => policies,
            Err(message) => {
                self.metrics.count("refuse", "policies_unavailable");
                tracing::warn!(policy.namespace = namespace, policy.uid = called, message, "pod not decided");
                return Verdict::Unavailable(message);
            }
        };
        let labels = labels(&request.object);
        let Some(policy) = inject::choose(&policies, Some(called), &labels) else {
            return self.unknown(namespace, called);
        };
        self.record(request, policy, inject::decide(&request.object, policy, &self.sidecar))
    }

    /// The policies of the namespace, with `called` among them when there is such a policy: a replica that has not heard
    /// of it yet asks.
    async fn policies(&self, namespace: &str, called: &str) -> Result<Vec<Candidate>, String> {
        let known = self.source.policies_of(namespace);
        if known.iter().any(|policy| policy.uid == called) {
            return Ok(known);
        }
        match tokio::time::timeout(FETCH_TIMEOUT, self.source.fetch_policies_of(namespace)).await {
            Ok(Ok(policies)) => Ok(policies),
            Ok(Err(error)) => Err(format!("the policies of namespace {namespace} cannot be read: {error}")),
            Err(_) => Err(format!("the policies of namespace {namespace} cannot be read in time")),
        }
    }

    fn unknown(&self, namespace: &str, called: &str) -> Verdict {
        self.metrics.count("refuse", "unknown_policy");
        tracing::warn!(policy.namespace = namespace, policy.uid = called, "pod refused: unknown policy");
        Verdict::Deny(format!(
            "the RestApiAuthPolicy with UID {called} of namespace {namespace} is not known, or not in force any more; \
             if it was deleted, the pod can be created in a moment"
        ))
    }

    fn record(&self, request: &Request, policy: &Candidate, decision: Decision) -> Verdict {
        let (word, reason, verdict) = match decision {
            Decision::Inject(operations) if operations.is_empty() => ("inject", "unchanged", Verdict::Allow),
            Decision::Inject(operations) => ("inject", "changed", Verdict::Patch(operations)),
            Decision::LeaveAlone(_) => ("leave_alone", "not_confluence", Verdict::Allow),
            Decision::Refuse(refusal) => {
                let message = format!("RestApiAuthPolicy {:?} selects this pod: {refusal}", policy.name);
                let verdict = match refusal.reason {
                    RefusalReason::ServerXmlPending => Verdict::Unavailable(message),
                    _ => Verdict::Deny(message),
                };
                ("refuse", refusal.reason.as_str(), verdict)
            }
        };
        self.metrics.count(word, reason);
        tracing::info!(
            policy.namespace = policy.namespace,
            policy.name = policy.name,
            pod.name = pod_name(&request.object),
            pod.dry_run = request.dry_run,
            inject.decision = word,
            inject.reason = reason,
            "pod decided"
        );
        verdict
    }
}

/// The name, or what it will start with.
fn pod_name(pod: &Value) -> &str {
    ["/metadata/name", "/metadata/generateName"]
        .into_iter()
        .find_map(|place| pod.pointer(place).and_then(Value::as_str))
        .unwrap_or_default()
}
