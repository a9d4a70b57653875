//! What comes of the next pod, and each risk of a restart with what removes it: the values are those of the official chart, where
//! nothing else is said. Pure.

use k8s_openapi::api::core::v1::{Container, Node, Pod};
use kube::ResourceExt as _;
use restward_crds::{condition::ConditionType, names};

use super::facts::{Facts, Next};
use crate::{
    cluster,
    failure::Failure,
    report::{Finding, Report, Section},
    workload::Update,
};

/// The oldest Kubernetes of which every part is there: native sidecars and ValidatingAdmissionPolicies are stable.
const OLDEST_KUBELET: (u32, u32) = (1, 33);

pub(super) fn of(facts: &Facts) -> Report {
    let mut risks = Vec::new();
    risks.extend(restart(facts));
    risks.extend(nodes(facts));
    risks.extend(network(facts));
    risks.extend(pull_secrets(facts));
    risks.extend(commands(&facts.workload.template));
    if risks.is_empty() {
        risks.push(Finding::right("none is known"));
    }
    Report::of(vec![
        Section { title: format!("the next pod of {}", facts.workload.shown), findings: next_pod(facts) },
        Section { title: "risks of the restart".into(), findings: risks },
    ])
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
    let accepted = policy
        .status
        .iter()
        .flat_map(|it| &it.conditions)
        .find(|it| it.type_ == ConditionType::Accepted.as_str());
    match accepted {
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

fn sidecar(pod: &Pod, uid: &str) -> Finding {
    let what = "it gets the sidecar";
    let containers = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
    let sidecar = containers.into_iter().find(|it| it.name == names::SIDECAR_CONTAINER);
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

fn restart(facts: &Facts) -> Vec<Finding> {
    let workload = &facts.workload;
    let mut findings = Vec::new();
    if workload.replicas == 1 {
        findings.push(Finding::warning(
            "Confluence is away while it restarts",
            "it has one pod",
            "restart it when nobody minds; with a licence for a cluster, replicaCount: 2 and confluence.clustering.enabled: true",
        ));
    }
    let by_hand = |why: &str, fix: &str| Finding::warning("no pod is made anew by itself", why, fix);
    match workload.update {
        Update::Rolling => {}
        Update::OnDelete => findings.push(by_hand(
            "its update strategy is OnDelete",
            "delete the pods one by one, or updateStrategy.type: RollingUpdate",
        )),
        Update::Partition(from) => findings.push(by_hand(
            &format!("its update strategy leaves pods below number {from}"),
            "lower the partition, or delete those pods one by one",
        )),
        Update::Paused => findings.push(by_hand("it is paused", "kubectl rollout resume")),
    }
    let unready: Vec<String> =
        facts.pods.iter().filter(|pod| !cluster::is_ready(pod)).map(kube::ResourceExt::name_any).collect();
    if !unready.is_empty() {
        findings.push(Finding::warning(
            "all of its pods are ready now",
            format!("not ready: {}", unready.join(", ")),
            "put them right first: a StatefulSet waits for a pod that does not become ready",
        ));
    }
    match &facts.budgets {
        Ok(budgets) => findings.extend(budgets.iter().filter_map(|budget| {
            let spare = budget.status.as_ref()?.disruptions_allowed;
            (spare == 0).then(|| {
                Finding::warning(
                    "its PodDisruptionBudget has room",
                    format!("{} allows no disruption now, so the watchdog (watchdog.action: Evict) evicts nothing", budget.name_any()),
                    "kubectl rollout restart does not ask it; else podDisruptionBudget.maxUnavailable: 1",
                )
            })
        })),
        Err(failure) => findings.push(unseen(failure)),
    }
    findings
}

fn nodes(facts: &Facts) -> Vec<Finding> {
    let nodes = match &facts.nodes {
        Ok(nodes) => nodes,
        Err(failure) => return vec![unseen(failure)],
    };
    let told = |node: &Node, what: fn(&k8s_openapi::api::core::v1::NodeSystemInfo) -> String| {
        node.status.as_ref().and_then(|status| status.node_info.as_ref()).map(what)
    };
    let is_linux =
        |node: &&Node| told(node, |info| info.operating_system.clone()).is_none_or(|os| os == "linux");
    let old: Vec<String> = nodes
        .iter()
        .filter(is_linux)
        .filter_map(|node| {
            let version = told(node, |info| info.kubelet_version.clone())?;
            (minor(&version)? < OLDEST_KUBELET).then(|| format!("{} ({version})", node.name_any()))
        })
        .collect();
    if old.is_empty() {
        return Vec::new();
    }
    vec![Finding::warning(
        "every node's kubelet is new enough",
        format!("older than {}.{}: {}", OLDEST_KUBELET.0, OLDEST_KUBELET.1, old.join(", ")),
        "upgrade these nodes, or keep Confluence away from them: confluence.nodeSelector, or affinity",
    )]
}

/// `v1.34.4+k3s1` is (1, 34).
fn minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split('.');
    let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    Some((number(parts.next()?)?, number(parts.next()?)?))
}

fn network(facts: &Facts) -> Vec<Finding> {
    let policies = match &facts.network_policies {
        Ok(policies) => policies,
        Err(failure) => return vec![unseen(failure)],
    };
    let limiting = |direction: &str| -> Vec<String> {
        let limits = policies.iter().filter(|policy| {
            let types = policy.spec.as_ref().and_then(|spec| spec.policy_types.clone()).unwrap_or_default();
            types.iter().any(|it| it == direction)
        });
        limits.map(kube::ResourceExt::name_any).collect()
    };
    let mut findings = Vec::new();
    let (egress, ingress) = (limiting("Egress"), limiting("Ingress"));
    if !egress.is_empty() {
        findings.push(Finding::warning(
            "the pods reach Keycloak",
            format!("NetworkPolicies limit where they may go: {}", egress.join(", ")),
            "let them reach DNS and the host and port of spec.keycloak (or its backchannelURL)",
        ));
    }
    if !ingress.is_empty() {
        findings.push(Finding::warning(
            "the operator reaches the sidecars",
            format!("NetworkPolicies limit who may come: {}", ingress.join(", ")),
            format!("let the operator's namespace reach port {}", names::ADMIN_PORT),
        ));
    }
    findings
}

fn pull_secrets(facts: &Facts) -> Vec<Finding> {
    let (Next::Pod(pod), Ok(secrets)) = (&facts.next, &facts.secrets) else { return Vec::new() };
    let wanted = pod.spec.iter().flat_map(|spec| spec.image_pull_secrets.iter().flatten());
    let missing: Vec<&str> = wanted
        .map(|secret| secret.name.as_str())
        .filter(|name| !secrets.iter().any(|it| it == name))
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    vec![Finding::warning(
        "its images can be pulled",
        format!("the namespace has no Secret {}", missing.join(", ")),
        "make it here: sidecar.pullSecrets of the chart restward names those of the sidecar",
    )]
}

/// Commands that call the HTTP port, where the sidecar answers afterwards.
fn commands(template: &Pod) -> Vec<Finding> {
    let containers: Vec<&Container> = template.spec.iter().flat_map(|spec| &spec.containers).collect();
    let port = containers
        .iter()
        .flat_map(|it| it.ports.iter().flatten())
        .find(|port| port.name.as_deref() == Some("http"));
    let Some(port) = port.map(|port| port.container_port.to_string()) else { return Vec::new() };
    let probes = containers.iter().flat_map(|it| {
        [
            ("readinessProbe", &it.readiness_probe),
            ("livenessProbe", &it.liveness_probe),
            ("startupProbe", &it.startup_probe),
        ]
        .map(|(kind, probe)| {
            (format!("{}/{kind}", it.name), probe.as_ref().and_then(|probe| probe.exec.as_ref()))
        })
    });
    let names_port = |word: &String| word.split(|c: char| !c.is_ascii_digit()).any(|digits| digits == port);
    probes
        .filter(|(_, exec)| exec.is_some_and(|exec| exec.command.iter().flatten().any(names_port)))
        .map(|(name, _)| {
            Finding::warning(
                format!("{name} asks Confluence"),
                format!("it runs a command that names port {port}, where the sidecar answers afterwards"),
                "make it httpGet or tcpSocket, which are moved: confluence.readinessProbe.customProbe and the like",
            )
        })
        .collect()
}

/// A risk that could not be looked at is one more.
fn unseen(failure: &Failure) -> Finding {
    Finding::warning("every risk could be looked at", failure.in_a_line(), failure.fix())
}

#[cfg(test)]
mod tests;
