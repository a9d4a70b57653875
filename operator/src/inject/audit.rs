//! A volume of the pod's own to which the sidecar writes its audit lines, when the policy names one.

use restward_crds::names;
use serde_json::{Value, json};

use super::{
    refusal::{Refusal, RefusalReason},
    view,
};
use crate::policy_source::Candidate;

/// Kinds of volume to which no container can write.
const READ_ONLY: [&str; 5] = ["configMap", "secret", "projected", "downwardAPI", "image"];

/// The volume must be one to which lines can be written. One that is missing is none of ours to refuse: in a template it may
/// be a claim of the StatefulSet, and in a pod the API server says so.
pub(super) fn check(pod: &Value, policy: &Candidate) -> Result<(), Refusal> {
    let Some(wanted) = &policy.audit_volume else { return Ok(()) };
    let volumes = view::list(pod, "/spec/volumes");
    let kind = volumes
        .iter()
        .find(|volume| view::name(volume) == wanted)
        .and_then(|volume| READ_ONLY.iter().find(|kind| volume.get(**kind).is_some()));
    kind.map_or(Ok(()), |kind| {
        Err(Refusal::new(
            RefusalReason::AuditVolume,
            format!(
                "the policy sends audit lines to the volume {wanted:?} (spec.audit.volume), to which nothing can be written, as it \
                 is of the kind {kind}; name an emptyDir, a claim or another writable volume of the pod in the policy"
            ),
        ))
    })
}

/// Where the sidecar finds it.
pub(super) fn mount(policy: &Candidate) -> Option<Value> {
    policy.audit_volume.as_ref().map(|volume| json!({"name": volume, "mountPath": names::AUDIT_DIR}))
}

/// The variables that name the file. The kubelet puts the pod's name, which nobody knows before, into it.
pub(super) fn variables(policy: &Candidate) -> Vec<Value> {
    if policy.audit_volume.is_none() {
        return Vec::new();
    }
    let pod = format!("$({})", names::ENV_POD_NAME);
    vec![
        json!({
            "name": names::ENV_POD_NAME,
            "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}
        }),
        json!({
            "name": names::ENV_AUDIT_FILE,
            "value": format!("{}/{}", names::AUDIT_DIR, names::audit_file(&pod))
        }),
    ]
}
