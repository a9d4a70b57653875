//! The label and annotations that tell an injected pod.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use restward_crds::names;
use serde_json::{Value, json};

use super::{draft::Draft, refusal::Refusal, target::Target};
use crate::policy_source::Candidate;

/// Annotation by which `kubectl logs` and `kubectl exec` choose a container.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Hash of what needs a new pod when it changes. The image does not: it is replaced in a running pod.
pub(super) fn hash(container: &Value, volumes: &[Value]) -> String {
    let mut container = container.clone();
    if let Some(members) = container.as_object_mut() {
        members.remove("image");
    }
    sha256_hex(&json!([container, volumes]))
}

/// Hash of what the policy says that can need a new pod. A member that is new in [`Candidate`] must be left out of its JSON
/// while it has its default, else an upgrade of the operator would look like a change of the policy.
pub(super) fn policy_hash(policy: &Candidate) -> String {
    let mut said = json!(policy);
    if let Some(members) = said.as_object_mut() {
        // Which pods, and files that others write: both need no new pod, or not by the policy's word.
        for other in ["selector", "created", "serverXml"] {
            members.remove(other);
        }
    }
    sha256_hex(&said)
}

fn sha256_hex(value: &Value) -> String {
    let digest = digest::digest(&digest::SHA256, value.to_string().as_bytes());
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Sets them.
pub(super) fn place(
    draft: &mut Draft,
    target: &Target,
    policy: &Candidate,
    hash: &str,
) -> Result<(), Refusal> {
    const LABELS: &str = "/metadata/labels";
    const ANNOTATIONS: &str = "/metadata/annotations";
    draft.set(LABELS, names::LABEL_INJECTED, json!(policy.uid))?;
    draft.set(ANNOTATIONS, names::ANNOTATION_INJECTED_HASH, json!(hash))?;
    draft.set(ANNOTATIONS, names::ANNOTATION_POLICY, json!(policy.name))?;
    let annotations = draft.pod().pointer(ANNOTATIONS);
    if annotations.is_none_or(|annotations| annotations.get(DEFAULT_CONTAINER).is_none()) {
        draft.set(ANNOTATIONS, DEFAULT_CONTAINER, json!(target.name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(change: &Value) -> Candidate {
        let mut policy = json!({
            "namespace": "atlassian", "name": "wiki", "uid": "11112222-3333-4444-5555-666677778888",
            "created": "2026-01-02T03:04:05Z", "selector": {"matchLabels": {"app": "wiki"}},
        });
        policy.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        serde_json::from_value(policy).unwrap()
    }

    /// When this fails because [`Candidate`] has a new member, leave that out of its JSON while it has its default.
    #[test]
    fn an_operator_of_another_version_sees_no_change_of_the_policy() {
        let hash = "8f0b9e4a82523d504ddb129dfb1a666a55cd12746a8e364b6fd18d7393f3e073";
        assert_eq!(policy_hash(&policy(&json!({}))), hash);
    }

    #[test]
    fn what_needs_no_new_pod_is_no_change_of_the_policy() {
        let hash = |change: &Value| policy_hash(&policy(change));
        let before = hash(&json!({}));
        assert_eq!(before, hash(&json!({"selector": {"matchLabels": {"app": "blog"}}})));
        assert_eq!(before, hash(&json!({"serverXml": [{"configMap": "x", "outcome": {"refused": "y"}}]})));
        for change in [
            json!({"loopbackBind": "Off"}),
            json!({"interception": "UnixSocket"}),
            json!({"clientSecret": "x"}),
            json!({"auditVolume": "logs"}),
            json!({"container": "wiki"}),
        ] {
            assert_ne!(before, hash(&change), "{change}");
        }
    }
}
