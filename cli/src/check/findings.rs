//! What is right and what is not, from facts. Pure.
//!
//! - [`definition`]: of the kind
//! - [`backstop`]: what the API server itself refuses
//! - [`policy`]: each policy with its pods

mod backstop;
mod definition;
mod policy;

use kube::ResourceExt as _;

use super::facts::{Facts, Operator, Replica, Seen};
use crate::report::{Finding, Report, Section};

/// The version of this program.
const OWN: &str = env!("CARGO_PKG_VERSION");

pub(super) fn of(facts: &Facts) -> Report {
    let mut sections = vec![installed(facts), backstop::of(facts)];
    match &facts.policies {
        Ok(policies) if policies.is_empty() => sections.push(Section {
            title: "policies".into(),
            findings: vec![Finding::warning(
                "no policy exists",
                "so nothing is protected",
                "write one: the README has the smallest",
            )],
        }),
        Ok(policies) => sections.extend(policies.iter().map(|policy| policy::of(policy, facts))),
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
    let mut findings = seen(&facts.definition, |it| definition::of(it.as_ref(), &facts.operators));
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

fn operator(operator: &Operator) -> Vec<Finding> {
    let deployment = &operator.deployment;
    let name = format!("{}/{}", deployment.namespace().unwrap_or_default(), deployment.name_any());
    let mut findings = vec![version(&name, operator.version())];
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

fn version(name: &str, version: Option<&str>) -> Finding {
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

#[cfg(test)]
mod tests;
