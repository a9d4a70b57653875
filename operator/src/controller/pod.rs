//! What is read off a pod as the API server gave it. Pure.

use k8s_openapi::jiff::Timestamp;
use restward_crds::names;
use serde_json::Value;

use super::dereference::ObservedPod;

/// One pod. Its name may be another pod's later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodId {
    /// Name of the pod.
    pub pod: String,
    /// Its UID.
    pub uid: String,
}

impl ObservedPod {
    /// Name and UID.
    pub fn id(&self) -> PodId {
        PodId { pod: self.name.clone(), uid: self.metadata("uid").unwrap_or_default().to_owned() }
    }

    /// When it was created, by the API server's clock.
    pub fn created(&self) -> Option<Timestamp> {
        self.metadata("creationTimestamp")?.parse().ok()
    }

    /// Whether Services send it calls.
    pub fn is_ready(&self) -> bool {
        let conditions = self.raw.pointer("/status/conditions").and_then(Value::as_array);
        let mut conditions = conditions.into_iter().flatten();
        conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    }

    /// Whether the webhook injected this pod for the policy with this UID. Judged by what only the webhook sets and by
    /// the container itself.
    pub fn is_injected_by(&self, policy_uid: &str) -> bool {
        let containers = self.raw.pointer("/spec/initContainers").and_then(Value::as_array);
        self.labels.get(names::LABEL_INJECTED).is_some_and(|uid| uid == policy_uid)
            && self.annotations.contains_key(names::ANNOTATION_INJECTED_HASH)
            && containers.into_iter().flatten().any(|container| container["name"] == names::SIDECAR_CONTAINER)
    }

    /// The version of the pod that was seen.
    pub fn resource_version(&self) -> Option<&str> {
        self.metadata("resourceVersion")
    }

    fn metadata(&self, member: &str) -> Option<&str> {
        self.raw.get("metadata")?.get(member)?.as_str()
    }
}
