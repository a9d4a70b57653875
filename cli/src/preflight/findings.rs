//! What comes of the next pod, and each risk of a restart with what removes it: the values are those of the official chart, where
//! nothing else is said. Pure.
//!
//! - [`risks`]: of the restart
//! - [`probes`]: what the nodes say

mod probes;
mod risks;

use k8s_openapi::{
    api::core::v1::{Container, Pod},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::ResourceExt as _;
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, condition::ConditionType, names};

use super::facts::{Facts, Next};
use crate::{
    cluster,
    failure::Failure,
    report::{Finding, Report, Section},
};

pub(super) fn of(facts: &Facts) -> Report {
    let mut sections = vec![
        Section { title: format!("the next pod of {}", facts.workload.shown), findings: next_pod(facts) },
        Section { title: "risks of the restart".into(), findings: risks::of(facts) },
    ];
    sections.extend(facts.probed.as_ref().map(|probed| probes::of(probed, image(facts))));
    Report::of(sections)
}

fn next_pod(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![policy(facts)];
    let what = "the API server takes it (webhook, backstop, quotas, Pod Security)";
    match &facts.next {
        Next::Refused(403, message) if message.contains("cannot create resource") => {
            let fix = "run the command as somebody who may create pods; a dry run keeps none";
            findings.push(Finding::unseen(&Failure::new("try the next pod", message, fix)));
        }
        Next::Refused(_, message) => findings.push(Finding::wrong(
            what,
            message,
            "change what the message names; the pods that run are left alone until then",
        )),
        Next::Pod(pod) => {
            findings.push(Finding::right(what));
            findings
                .extend(facts.policies.first().map(|policy| sidecar(pod, &policy.uid().unwrap_or_default())));
        }
    }
    findings
}

fn policy(facts: &Facts) -> Finding {
    let what = "a policy selects it";
    let Some(policy) = facts.policies.first() else {
        return Finding::warning(
            what,
            "none does, so this says nothing of injection",
            "apply the policy first: that touches new pods only, and with mode: Audit it refuses no call",
        );
    };
    match condition(policy, ConditionType::Accepted) {
        Some(condition) if condition.status == "True" => {
            Finding::right(format!("{what}: {}", policy.name_any()))
        }
        Some(condition) => Finding::wrong(
            what,
            format!("{} is not accepted: {}", policy.name_any(), condition.message),
            "correct the policy",
        ),
        None => Finding::warning(
            what,
            format!("the operator has not looked at {} yet", policy.name_any()),
            "kubectl restward check",
        ),
    }
}

fn condition(policy: &RestApiAuthPolicy, kind: ConditionType) -> Option<&Condition> {
    policy.status.iter().flat_map(|it| &it.conditions).find(|it| it.type_ == kind.as_str())
}

/// The sidecar's image in the next pod.
fn image(facts: &Facts) -> &str {
    let Next::Pod(pod) = &facts.next else { return "" };
    container(pod).and_then(|sidecar| sidecar.image.as_deref()).unwrap_or_default()
}

/// The sidecar of a pod.
pub(super) fn container(pod: &Pod) -> Option<&Container> {
    let mut containers = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
    containers.find(|it| it.name == names::SIDECAR_CONTAINER)
}

fn sidecar(pod: &Pod, uid: &str) -> Finding {
    let what = "it gets the sidecar";
    let sidecar = container(pod);
    let by = pod.labels().get(names::LABEL_INJECTED);
    match (sidecar, cluster::settings(pod)) {
        (Some(it), Some(settings)) if by.is_some_and(|by| by == uid) => Finding::right(format!(
            "{what}: {} on port {}",
            it.image.as_deref().unwrap_or_default(),
            settings.listen_port
        )),
        (Some(_), _) => {
            Finding::wrong(what, "it is another policy's or another program's", "kubectl restward check")
        }
        (None, _) => Finding::wrong(
            what,
            "it comes without: it is not Confluence (no container has a port named http or the variable ATL_TOMCAT_PORT), or the \
             webhook was not asked",
            "name Confluence's container in spec.container of the policy; kubectl restward check looks at the webhook",
        ),
    }
}

#[cfg(test)]
mod tests;
