//! The backstop of a policy: what refuses selected pods without the sidecar while the webhook configuration is missing.
//!
//! The rules are a ValidatingAdmissionPolicy of the chart. For each policy there is a binding with the policy's selector.
//! The parameters of the rules are the policy itself, of which they read `status.inForce`. A ConfigMap would not do: once
//! the last ValidatingAdmissionPolicy with such parameters is gone, an API server (measured on 1.34.4) finds no parameters
//! of a built-in kind until it is restarted, so that installing the chart again would refuse every selected pod. Pure.

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, ParamRef, ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
};
use kube::api::ObjectMeta;
use restward_crds::api::v1alpha1::InForceStatus;

use super::build::{in_namespace, labelled, webhook_name};
use crate::{args::Sidecar, policy_source::Candidate};

/// What the rules have to know about the policy, and the sidecar that is injected now. `neighbours` are the other policies
/// of the namespace.
pub fn in_force(candidate: &Candidate, neighbours: &[Candidate], sidecar: &Sidecar) -> InForceStatus {
    let older = neighbours.iter().filter(|other| other.seniority() < candidate.seniority());
    // Sorted, so that nothing is written when nothing changed.
    let mut policies: Vec<String> =
        older.chain(std::iter::once(candidate)).map(|policy| policy.uid.clone()).collect();
    policies.sort();
    InForceStatus {
        selector: candidate.selector.clone(),
        container: candidate.container.clone(),
        sidecar_image: sidecar.image.clone(),
        policies,
    }
}

/// The binding: `policy` holds for the pods that the policy selects. A pod of the selector before or after a change
/// counts, so that a label that is put on later is seen.
pub fn binding(candidate: &Candidate, policy: &str) -> ValidatingAdmissionPolicyBinding {
    ValidatingAdmissionPolicyBinding {
        metadata: ObjectMeta { name: Some(webhook_name(candidate)), ..labelled(candidate) },
        spec: Some(ValidatingAdmissionPolicyBindingSpec {
            policy_name: Some(policy.to_owned()),
            validation_actions: Some(vec!["Deny".into(), "Audit".into()]),
            param_ref: Some(ParamRef {
                name: Some(candidate.name.clone()),
                namespace: Some(candidate.namespace.clone()),
                parameter_not_found_action: Some("Deny".into()),
                selector: None,
            }),
            match_resources: Some(MatchResources {
                namespace_selector: Some(in_namespace(&candidate.namespace)),
                object_selector: Some(candidate.selector.clone()),
                match_policy: Some("Equivalent".into()),
                ..MatchResources::default()
            }),
        }),
    }
}
