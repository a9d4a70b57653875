//! What is right and what is not, from facts. Pure.

use k8s_openapi::{
    api::core::v1::Pod, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::ResourceExt as _;
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, condition::ConditionType, fix, names};

use super::facts::{Facts, Operator, Policy, Replica, Seen};
use crate::{
    cluster::is_ready,
    report::{Finding, Report, Section},
};

/// The version of the kind that this program reads.
const VERSION: &str = "v1alpha1";
/// The chart's policies without which a way is open, by the ends of their names.
const BACKSTOP: [&str; 5] = ["require-sidecar", "injected-pods", "keys", "managed-objects", "sidecar-image"];

pub(super) fn of(facts: &Facts) -> Report {
    let mut sections = vec![installed(facts), backstop(facts)];
    match &facts.policies {
        Ok(policies) if policies.is_empty() => sections.push(Section {
            title: "policies".into(),
            findings: vec![Finding::warning(
                "no policy exists",
                "so nothing is protected",
                "write one: the README has the smallest",
            )],
        }),
        Ok(policies) => sections.extend(policies.iter().map(|policy| self::policy(policy, facts))),
        // Without the definition that is said already.
        Err(_) if matches!(facts.definition, Ok(None)) => {}
        Err(failure) => {
            sections.push(Section { title: "policies".into(), findings: vec![Finding::unseen(failure)] });
        }
    }
    Report::of(sections)
}

fn seen<T>(seen: &Seen<T>, findings: impl FnOnce(&T) -> Vec<Finding>) -> Vec<Finding> {
    seen.as_ref().map_or_else(|failure| vec![Finding::unseen(failure)], findings)
}

fn installed(facts: &Facts) -> Section {
    let mut findings = seen(&facts.definition, |it| vec![definition(it.as_ref())]);
    findings.extend(seen(&facts.operators, |operators| match operators.as_slice() {
        [] => vec![Finding::wrong(
            "the operator is installed",
            "no namespace has its Deployment, so pods that policies select cannot be created",
            "helm install restward, or run the command as somebody who may list Deployments of all namespaces",
        )],
        operators => operators.iter().flat_map(operator).collect(),
    }));
    Section { title: "operator".into(), findings }
}

fn definition(definition: Option<&CustomResourceDefinition>) -> Finding {
    let what = format!("RestApiAuthPolicy is defined in version {VERSION}");
    let serves = |it: &CustomResourceDefinition| {
        it.spec.versions.iter().any(|version| version.name == VERSION && version.served)
    };
    match definition {
        Some(it) if serves(it) => Finding::right(what),
        Some(_) => {
            Finding::wrong(what, "the cluster has other versions only", "upgrade the chart restward-crds")
        }
        None => {
            Finding::wrong(what, "the API server does not know the kind", "install the chart restward-crds")
        }
    }
}

fn operator(operator: &Operator) -> Vec<Finding> {
    let deployment = &operator.deployment;
    let name = format!("{}/{}", deployment.namespace().unwrap_or_default(), deployment.name_any());
    let mut findings = vec![version(&name, deployment.labels().get("app.kubernetes.io/version"))];
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    findings.extend(seen(&operator.replicas, |replicas| serving(&name, wanted, replicas)));
    findings.extend(seen(&operator.leader, |leader| {
        let ready = |holder: &String| {
            operator.replicas.as_ref().is_ok_and(|all| all.iter().any(|it| it.is_ready && *holder == it.name))
        };
        let what = format!("one replica of {name} leads");
        vec![match leader {
            Some(holder) if ready(holder) => Finding::right(format!("{what}: {holder}")),
            Some(holder) => Finding::wrong(
                what,
                format!("the Lease is held by {holder}, which is no replica that is ready"),
                "wait half a minute for another to take it; then read the operator's log",
            ),
            None => Finding::wrong(
                what,
                "nobody holds the Lease",
                "read the operator's log: policies are not looked at",
            ),
        }]
    }));
    findings
}

fn version(name: &str, version: Option<&String>) -> Finding {
    const OWN: &str = env!("CARGO_PKG_VERSION");
    let what = format!("{name} is of the version of this program");
    match version {
        Some(version) if version == OWN => Finding::right(format!("{what}: {OWN}")),
        Some(version) => Finding::warning(
            what,
            format!("it is {version}, this program {OWN}"),
            "take the program of the operator's release",
        ),
        None => Finding::warning(what, "its Deployment does not say which it is", "install it by its chart"),
    }
}

fn serving(name: &str, wanted: i32, replicas: &[Replica]) -> Vec<Finding> {
    let ready = replicas.iter().filter(|replica| replica.is_ready).count();
    let what = format!("{name} serves: {ready} of {wanted} replicas are ready");
    let first = if ready == 0 {
        let why = "no pod that a policy selects can be created; running ones go on as they are";
        Finding::wrong(what, why, "look at its pods: kubectl describe pods, kubectl logs")
    } else if usize::try_from(wanted).is_ok_and(|wanted| ready < wanted) {
        Finding::warning(
            what,
            "some replicas are not ready",
            "look at its pods: kubectl describe pods, kubectl logs",
        )
    } else {
        Finding::right(what)
    };
    let certificates = replicas.iter().filter_map(|replica| {
        let what = format!("the API server trusts the certificate of {}", replica.name);
        Some(match replica.certificate.as_ref()? {
            Ok(()) => Finding::right(what),
            Err(why) => Finding::wrong(
                what,
                why,
                "wait a minute, as authorities are replaced in two steps; then restart the operator's pods and read their log",
            ),
        })
    });
    std::iter::once(first).chain(certificates).collect()
}

fn backstop(facts: &Facts) -> Section {
    let findings = seen(&facts.backstop, |policies| {
        let mut findings: Vec<Finding> = BACKSTOP
            .iter()
            .map(|end| {
                let what = format!("the API server itself refuses: {end}");
                if policies.iter().any(|policy| policy.name_any().ends_with(&format!("-{end}"))) {
                    Finding::right(what)
                } else {
                    Finding::wrong(
                        what,
                        "the admission policy of the chart is not there",
                        "helm upgrade restward",
                    )
                }
            })
            .collect();
        for policy in policies {
            let warnings =
                policy.status.as_ref().and_then(|it| it.type_checking.as_ref()?.expression_warnings.as_ref());
            for warning in warnings.into_iter().flatten() {
                findings.push(Finding::warning(
                    format!("the rules of {} are of the right types", policy.name_any()),
                    format!("{}: {}", warning.field_ref, warning.warning),
                    "see whether the cluster's version is supported",
                ));
            }
        }
        findings
    });
    Section { title: "backstop".into(), findings }
}

fn policy(of: &Policy, facts: &Facts) -> Section {
    let policy = &of.policy;
    let mut findings = vec![looked_at(policy)];
    findings.extend(ConditionType::ALL.iter().map(|kind| condition(policy, *kind)));
    findings.extend(programmed(policy, facts));
    findings.extend(seen(&of.pods, |pods| pods.iter().filter_map(|pod| self::pod(policy, pod)).collect()));
    let advisories = policy.status.iter().flat_map(|status| &status.advisories);
    findings.extend(advisories.map(|advisory| {
        let (name, text) = advisory.split_once(": ").unwrap_or((advisory, ""));
        Finding::warning(name, text, "kubectl describe has it too; it may stay if it is meant")
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
        let what = "its binding to the backstop is there";
        vec![if all.iter().any(|it| is_ours(it.labels())) {
            Finding::right(what)
        } else {
            Finding::wrong(
                what,
                "it is not there: without the webhook pods could come without the sidecar",
                again,
            )
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

#[cfg(test)]
mod tests;
