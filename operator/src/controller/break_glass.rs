//! Pods of Confluence that came without the sidecar although the policy was in force. Webhook and backstop let nobody make
//! one but the members of the chart's `breakGlass.groups`, while the webhook is away. The API server tells who it was in its audit
//! log only; that it happened is seen here, by level, and also afterwards, if the operator was away. A pod is told for as long
//! as `status.inForce` is not written anew, as after a change of the policy: from then on it is one from before.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::{ResourceExt, runtime::events::EventType};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, condition::InjectedReason, names};

use super::{Context, dereference::ObservedPod, pod::PodId};

/// API servers hear of a new binding a moment after it was written; what they let through until then was no use of
/// anything.
const SETTLED: SignedDuration = SignedDuration::from_secs(10);

/// Since when pods are held to what the policy has in force: the last write of `status.inForce`, which has a field manager
/// of its own. By the API server's clock, like the pods' creation. None before the first write.
pub fn in_force_since(policy: &RestApiAuthPolicy) -> Option<Timestamp> {
    let manager = names::in_force_manager();
    let entry = policy.managed_fields().iter().find(|entry| entry.manager.as_ref() == Some(&manager))?;
    entry.time.as_ref().map(|time| time.0)
}

/// Gives a selected pod without the sidecar, when it cannot be from before.
pub fn broken(pod: &ObservedPod, since: Option<Timestamp>) -> Option<PodId> {
    came_after(pod.created()?, since?).then(|| pod.id())
}

/// Whether what was created then met what was in force since then.
pub(super) fn came_after(created: Timestamp, since: Timestamp) -> bool {
    created.duration_since(since) > SETTLED
}

/// What was told already, by policy.
#[derive(Debug)]
pub struct Told<T>(Mutex<BTreeMap<String, BTreeSet<T>>>);

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Ord + Clone> Told<T> {
    /// Which of `facts` are news of this policy. Those that are gone are forgotten; a new process starts anew.
    pub fn news(&self, policy_uid: &str, facts: &BTreeSet<T>) -> Vec<T> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = if facts.is_empty() {
            told.remove(policy_uid)
        } else {
            told.insert(policy_uid.to_owned(), facts.clone())
        };
        facts.difference(&before.unwrap_or_default()).cloned().collect()
    }
}

/// Tells of the pods that are news.
pub(super) async fn tell(context: &Context, policy: &RestApiAuthPolicy, pods: &BTreeSet<PodId>) {
    for broken in context.told.news(&policy.uid().unwrap_or_default(), pods) {
        context.metrics.glass_broken(&policy.namespace().unwrap_or_default(), &policy.name_any());
        let reason = InjectedReason::BreakGlass.as_str();
        context.events.about_pod(policy, EventType::Warning, &broken, reason, &note(&broken)).await;
    }
}

/// What people should know of such a pod.
pub fn note(PodId { pod, .. }: &PodId) -> String {
    format!(
        "pod {pod} runs Confluence without the sidecar and was made while the policy was in force: by a member of the chart's \
         breakGlass.groups, or while webhook and backstop were both away. The API server's audit log names the user \
         (annotation break-glass). Delete the pod to have it made anew with the sidecar"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing;

    fn policy(manager: &str) -> RestApiAuthPolicy {
        let mut policy = testing::policy(json!({}));
        let entries = json!([
            {"manager": "kubectl", "operation": "Update", "time": "2020-01-01T00:00:00Z"},
            {"manager": manager, "operation": "Apply", "subresource": "status", "time": "2026-03-01T12:00:00Z"},
        ]);
        policy.metadata.managed_fields = Some(serde_json::from_value(entries).unwrap());
        policy
    }

    #[test]
    fn only_a_pod_from_after_the_policy_came_into_force_counts() {
        let since = in_force_since(&policy("restward-operator/in-force"));
        let made = |at: &str| {
            let mut pod = testing::pod("wiki-0", json!({}));
            pod.raw["metadata"]["creationTimestamp"] = json!(at);
            pod
        };
        for (at, broken) in [
            ("2026-03-01T11:59:00Z", false),
            ("2026-03-01T12:00:10Z", false),
            ("2026-03-01T12:00:11Z", true),
            ("", false),
        ] {
            assert_eq!(super::broken(&made(at), since).is_some(), broken, "{at}");
            assert_eq!(super::broken(&made(at), in_force_since(&policy("somebody"))), None, "{at}");
        }
    }

    #[test]
    fn each_pod_is_told_once_while_it_is_there() {
        let told = Told::default();
        let news = |policy: &str, uids: &[&str]| {
            let pods =
                uids.iter().map(|uid| PodId { pod: "wiki-0".into(), uid: (*uid).to_owned() }).collect();
            told.news(policy, &pods).into_iter().map(|broken| broken.uid).collect::<Vec<_>>()
        };
        assert_eq!(news("a", &["1"]), ["1"]);
        assert_eq!(news("a", &["1"]), [""; 0]);
        assert_eq!(news("b", &["1"]), ["1"]);
        assert_eq!(news("a", &["1", "2"]), ["2"]);
        assert_eq!(news("a", &["2", "3"]), ["3"], "the same name again");
        assert_eq!(news("a", &[]), [""; 0]);
        assert_eq!(news("a", &["2"]), ["2"]);
    }
}
