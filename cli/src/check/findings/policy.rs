//! A policy: what its status says, what was made for it, its pods. Pure.

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Condition};
use kube::ResourceExt as _;
use restward_crds::{
    advisory::Advisory, api::v1alpha1::RestApiAuthPolicy, condition::ConditionType, fix, names,
};

use super::{
    super::facts::{Facts, Policy},
    backstop::{self, Bound},
    seen,
};
use crate::{
    cluster::is_ready,
    report::{Finding, Section},
};

pub(super) fn of(of: &Policy, facts: &Facts) -> Section {
    let policy = &of.policy;
    let mut findings = vec![looked_at(policy)];
    findings.extend(ConditionType::ALL.iter().map(|kind| condition(policy, *kind)));
    findings.extend(programmed(policy, facts));
    findings.extend(seen(&of.pods, |pods| pods.iter().filter_map(|pod| self::pod(policy, pod)).collect()));
    let advisories = policy.status.iter().flat_map(|status| &status.advisories);
    findings.extend(advisories.map(|told| {
        let (name, text) = told.split_once(": ").unwrap_or((told, ""));
        let fix = Advisory::of(told)
            .map_or("the sentence says what to do; this program does not know it yet", Advisory::fix);
        Finding::warning(name, text, fix)
    }));
    let title = format!("policy {}/{}", policy.namespace().unwrap_or_default(), policy.name_any());
    Section { title, findings }
}

fn looked_at(policy: &RestApiAuthPolicy) -> Finding {
    let what = "the operator has looked at the newest change";
    let observed = policy.status.as_ref().and_then(|status| status.observed_generation);
    if observed.is_some() && observed == policy.metadata.generation {
        return Finding::right(what);
    }
    Finding::wrong(
        what,
        "status is of an older one, or there is none",
        "wait a moment; if it stays, look at the operator above",
    )
}

fn condition(policy: &RestApiAuthPolicy, kind: ConditionType) -> Finding {
    let conditions = policy.status.iter().flat_map(|status| &status.conditions);
    let Some(found) = conditions.into_iter().find(|condition| condition.type_ == kind.as_str()) else {
        return Finding::wrong(
            kind.as_str(),
            "the operator has said nothing about it",
            "look at the operator above",
        );
    };
    let Condition { reason, message, status, .. } = found;
    let what = format!("{}: {reason}", kind.as_str());
    let fix = || {
        fix::of(kind, reason)
            .unwrap_or("the message says what to do; this program does not know the reason yet")
    };
    match status.as_str() {
        "True" if fix::is_best(kind, reason) => Finding::right(what),
        "True" | "Unknown" => Finding::warning(what, message, fix()),
        _ => Finding::wrong(what, message, fix()),
    }
}

/// Whether what refuses pods without the sidecar is there, beside what status says of it.
fn programmed(policy: &RestApiAuthPolicy, facts: &Facts) -> Vec<Finding> {
    let uid = policy.uid().unwrap_or_default();
    let was_accepted = policy.status.as_ref().is_some_and(|status| status.in_force.is_some());
    if !was_accepted || policy.metadata.deletion_timestamp.is_some() {
        return Vec::new();
    }
    let is_ours =
        |labels: &std::collections::BTreeMap<String, String>| labels.get(names::LABEL_POLICY) == Some(&uid);
    let again = "the operator puts it back by itself; if it does not, look at the operator above";
    let webhook = seen(&facts.webhooks, |all| {
        let entry = all.iter().find(|it| is_ours(it.labels())).and_then(|it| it.webhooks.as_ref()?.first());
        let what = "its webhook configuration is there, and no pod passes without it";
        vec![match entry {
            Some(entry) if entry.failure_policy.as_deref() != Some("Ignore") => Finding::right(what),
            Some(_) => Finding::wrong(what, "somebody set failurePolicy: Ignore", again),
            None => Finding::wrong(what, "it is not there", again),
        }]
    });
    let binding = seen(&facts.bindings, |all| {
        let what = "its binding to the backstop is there, and refuses";
        let binding = all.iter().find(|it| is_ours(it.labels()) && backstop::requires_sidecar(it));
        let open = "without the webhook pods could come without the sidecar";
        vec![match Bound::of(binding) {
            Bound::Denies => Finding::right(what),
            Bound::Lets(actions) => Finding::wrong(what, format!("{actions}: {open}"), again),
            Bound::Not => Finding::wrong(what, format!("it is not there: {open}"), again),
        }]
    });
    webhook.into_iter().chain(binding).collect()
}

/// What is to be said of a pod with the sidecar.
fn pod(policy: &RestApiAuthPolicy, pod: &Pod) -> Option<Finding> {
    let name = pod.name_any();
    if !is_ready(pod) {
        let fix = format!("kubectl describe pod {name} -n {}", pod.namespace().unwrap_or_default());
        return Some(Finding::warning(format!("pod {name} is ready"), "it is not, or not yet", fix));
    }
    let wanted = &policy.status.as_ref()?.in_force.as_ref()?.sidecar_image;
    let containers = pod.spec.as_ref()?.init_containers.as_ref()?;
    let image = containers.iter().find(|it| it.name == names::SIDECAR_CONTAINER)?.image.as_ref()?;
    (image != wanted).then(|| {
        let why = format!("it runs {image}, new pods get {wanted}");
        Finding::warning(
            format!("pod {name} runs the newest sidecar"),
            why,
            "restart it when Confluence may restart",
        )
    })
}
