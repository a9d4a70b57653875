//! Whether a request is a use of break-glass. Pure.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource as _;
use restward_crds::{
    api::v1alpha1::{BreakGlassUse, RestApiAuthPolicy},
    names,
};
use serde_json::Value;

use crate::{
    args::Sidecar,
    events::reference,
    inject::{self, Decision},
    policy_source::Candidate,
    selector,
    webhook::review::{Request, labels},
};

/// Policies of a namespace that are told of what concerns them all.
const MOST_POLICIES: usize = 8;

/// What the API server asks about: the webhooks of the chart's configuration, by the first part of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::webhook) enum Rule {
    /// `keys`: its condition is the rule.
    Keys,
    /// `injected-pods`: the same.
    InjectedPods,
    /// `managed-objects`: the same.
    ManagedObjects,
    /// `ephemeral-containers`: the same.
    EphemeralContainers,
    /// `require-sidecar` and `sidecar-image`, which are decided here.
    Pods,
}

impl Rule {
    /// The rule of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "keys" => Self::Keys,
            "injected-pods" => Self::InjectedPods,
            "managed-objects" => Self::ManagedObjects,
            "ephemeral-containers" => Self::EphemeralContainers,
            "pods" => Self::Pods,
            _ => return None,
        })
    }
}

/// A use: who did what to which object, and which policies it concerns. Nothing of what the object holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Use {
    pub what: BreakGlassUse,
    pub user: String,
    pub operation: String,
    pub on: ObjectReference,
    pub policies: Vec<ObjectReference>,
}

impl Use {
    /// Kind and name of the object.
    pub(super) fn object(&self) -> String {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        format!("{} {}", text(&self.on.kind), text(&self.on.name))
    }
}

/// The use that the request is; a dry run is none.
pub(super) fn judge(rule: Rule, request: &Request, policies: &[Candidate], sidecar: &Sidecar) -> Option<Use> {
    if request.dry_run {
        return None;
    }
    let what = match rule {
        Rule::Keys => BreakGlassUse::KeysExposed,
        Rule::InjectedPods => BreakGlassUse::InjectedPodChanged,
        Rule::ManagedObjects => BreakGlassUse::ManagedObjectChanged,
        Rule::EphemeralContainers => BreakGlassUse::EphemeralContainerAdded,
        Rule::Pods => pod(request, policies, sidecar)?,
    };
    let on = object(request);
    let policies = concerned(request, &on, policies);
    let (user, operation) = (request.user_info.username.clone(), request.operation.clone());
    Some(Use { what, user, operation, on, policies })
}

/// What is wrong with a pod that is made or has other labels, as the rules `require-sidecar` and `sidecar-image` see it. They
/// cannot ask injection what it would do to the pod; here it is asked: nothing, when the pod is as it should be.
fn pod(request: &Request, policies: &[Candidate], sidecar: &Sidecar) -> Option<BreakGlassUse> {
    let is_new = request.operation == "CREATE";
    let (pod, labels, before) = (&request.object, labels(&request.object), labels(&request.old_object));
    let mark = labels.get(names::LABEL_INJECTED);
    let is_selected_now = policies.iter().any(|policy| {
        selector::matches(&policy.selector, &labels)
            && (is_new || !selector::matches(&policy.selector, &before))
    });
    if is_selected_now
        && let Some(policy) = inject::choose(policies, None, &labels)
        && !matches!(inject::decide(pod, policy, sidecar), Decision::LeaveAlone(_))
        && !is_as_injected(pod, policy, sidecar)
    {
        let forged = is_new && mark.is_some();
        return Some(if forged { BreakGlassUse::SidecarForged } else { BreakGlassUse::SidecarMissing });
    }
    // Whether it is selected or not: whoever may make pods could run it to read the keys.
    let mark = mark.filter(|_| is_new)?;
    let named = policies.iter().find(|policy| policy.uid == *mark);
    let is_genuine = match named.map(|policy| inject::decide(pod, policy, sidecar)) {
        Some(Decision::Inject(operations)) => operations.is_empty(),
        Some(Decision::LeaveAlone(_) | Decision::Refuse(_)) | None => runs_our_sidecar(pod, sidecar),
    };
    (!is_genuine).then_some(BreakGlassUse::SidecarForged)
}

fn is_as_injected(pod: &Value, policy: &Candidate, sidecar: &Sidecar) -> bool {
    matches!(inject::decide(pod, policy, sidecar), Decision::Inject(operations) if operations.is_empty())
}

/// `violates` of the rule `sidecar-image`.
fn runs_our_sidecar(pod: &Value, sidecar: &Sidecar) -> bool {
    let containers = pod.pointer("/spec/initContainers").and_then(Value::as_array);
    let mut named =
        containers.into_iter().flatten().filter(|container| container["name"] == names::SIDECAR_CONTAINER);
    let is_ours = named.next().is_some_and(|container| {
        container["image"] == sidecar.image && container["command"].is_null() && container["args"].is_null()
    });
    is_ours && named.next().is_none()
}

/// The object, as it is or was.
fn object(request: &Request) -> ObjectReference {
    let metadata = |member: &str| {
        [&request.object, &request.old_object]
            .into_iter()
            .find_map(|version| version.pointer("/metadata")?.get(member)?.as_str())
            .map(ToOwned::to_owned)
    };
    let kind = &request.kind;
    let version =
        if kind.group.is_empty() { kind.version.clone() } else { format!("{}/{}", kind.group, kind.version) };
    let name = metadata("name").unwrap_or_else(|| request.name.clone());
    let uid = metadata("uid").unwrap_or_default();
    reference(&version, &kind.name, Some(request.namespace.clone()), &name, &uid)
}

/// The policies that the object names by label, or that select it; else all of the namespace, as the keys are of them all.
fn concerned(request: &Request, on: &ObjectReference, policies: &[Candidate]) -> Vec<ObjectReference> {
    if on.kind.as_deref() == Some(RestApiAuthPolicy::kind(&()).as_ref()) {
        return vec![on.clone()];
    }
    let versions = [labels(&request.object), labels(&request.old_object)];
    let is_named = |policy: &&Candidate| {
        let marks = [names::LABEL_INJECTED, names::LABEL_POLICY];
        versions.iter().any(|labels| marks.iter().any(|mark| labels.get(*mark) == Some(&policy.uid)))
    };
    let mut concerned: Vec<&Candidate> = policies.iter().filter(is_named).collect();
    if on.kind.as_deref() == Some("Pod") {
        let selecting = versions.iter().find_map(|labels| inject::choose(policies, None, labels));
        concerned.extend(selecting.filter(|policy| !concerned.contains(policy)));
    }
    if concerned.is_empty() {
        concerned.extend(policies);
        concerned.sort_by_key(|policy| policy.seniority());
    }
    concerned.into_iter().take(MOST_POLICIES).map(policy_reference).collect()
}

fn policy_reference(policy: &Candidate) -> ObjectReference {
    let (api, kind) = (RestApiAuthPolicy::api_version(&()), RestApiAuthPolicy::kind(&()));
    reference(&api, &kind, Some(policy.namespace.clone()), &policy.name, &policy.uid)
}

#[cfg(test)]
mod tests;
