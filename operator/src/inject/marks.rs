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
    let digest = digest::digest(&digest::SHA256, json!([container, volumes]).to_string().as_bytes());
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
