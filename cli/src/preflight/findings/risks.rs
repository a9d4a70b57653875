//! Each risk of a restart. Pure.

use k8s_openapi::api::core::v1::{Container, Node, Pod};
use kube::ResourceExt as _;
use restward_crds::{condition::ConditionType, fix, names};

use super::{
    super::{
        facts::{Facts, Next},
        nodes,
    },
    condition, image,
};
use crate::{cluster, failure::Failure, report::Finding, workload::Update};

/// The oldest Kubernetes of which every part is there: native sidecars and ValidatingAdmissionPolicies are stable.
const OLDEST_KUBELET: (u32, u32) = (1, 33);
/// Most nodes that are named.
const NAMED: usize = 5;

pub(super) fn of(facts: &Facts) -> Vec<Finding> {
    let mut risks = restart(facts);
    risks.extend(kubelets(facts));
    risks.extend(images(facts));
    risks.extend(provider(facts));
    risks.extend(network(facts));
    risks.extend(pull_secrets(facts));
    risks.extend(commands(&facts.workload.template));
    if risks.is_empty() {
        risks.push(Finding::right("none is known"));
    }
    risks
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

fn kubelets(facts: &Facts) -> Vec<Finding> {
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

/// A node that cannot pull the sidecar's image shows that when Confluence is away already.
fn images(facts: &Facts) -> Vec<Finding> {
    let (Next::Pod(pod), Ok(all)) = (&facts.next, &facts.nodes) else { return Vec::new() };
    let image = image(facts);
    // The nodes themselves have said it.
    if image.is_empty() || matches!(facts.probed, Some(Ok(_))) {
        return Vec::new();
    }
    let without = nodes::eligible(all, pod).into_iter().filter(|node| !nodes::has_image(node, image));
    let without: Vec<String> = without.map(kube::ResourceExt::name_any).collect();
    if without.is_empty() {
        return Vec::new();
    }
    let more = without.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let named = without.get(..NAMED).unwrap_or(&without).join(", ");
    vec![Finding::warning(
        "every node has the sidecar's image",
        format!(
            "that {named}{more} can pull {image} is unproven: they do not tell that they have it (a kubelet tells of 50 images)"
        ),
        "kubectl restward preflight --probe has each of them try; sidecar.pullSecrets of the chart restward has the registry's login",
    )]
}

/// What the operator found of the identity provider; from the pods' own network it may look different.
fn provider(facts: &Facts) -> Option<Finding> {
    let policy = facts.policies.first()?;
    let kind = ConditionType::IdentityProviderReachable;
    let what = format!("the identity provider answers ({})", kind.as_str());
    match condition(policy, kind) {
        Some(it) if it.status == "True" && fix::is_best(kind, &it.reason) => None,
        Some(it) => {
            let fix = fix::of(kind, &it.reason).unwrap_or("the message says what to do");
            Some(Finding::warning(what, format!("{}: {}", it.reason, it.message), fix))
        }
        None => Some(Finding::warning(what, "nothing was said about it yet", "kubectl restward check")),
    }
}

/// `v1.34.4+k3s1` is (1, 34).
pub(super) fn minor(version: &str) -> Option<(u32, u32)> {
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
