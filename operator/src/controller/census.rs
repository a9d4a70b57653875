//! Counts the pods of a policy: which have the sidecar, which need a restart, which cannot be injected. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use restward_crds::{
    api::v1alpha1::{RolloutStatus, WorkloadStatus},
    names,
};
use serde_json::Value;

use super::{
    break_glass,
    dereference::{Observed, ObservedPod, Workload},
    pod::PodId,
    sidecar::Container,
};
use crate::{
    args::Sidecar,
    inject::{self, Decision},
    policy_source::Candidate,
    selector::{self, Labels},
};

/// Most workloads that status lists, and so remembers.
pub const MAX_LISTED: usize = 20;

/// The pods of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Workload → (pods, pods with the sidecar).
    pub workloads: BTreeMap<Workload, (i32, i32)>,
    /// What cannot be injected, and what to change.
    pub refusals: BTreeMap<Workload, String>,
    /// What injection leaves as it is, but people should know.
    pub advisories: BTreeSet<String>,
    /// Pods that came without the sidecar although the policy was in force.
    pub broken_glass: BTreeSet<PodId>,
    /// Name and address of every pod with this policy's sidecar.
    pub sidecars: Vec<(String, String)>,
    /// Every pod that counts.
    pub members: Vec<Member>,
    /// Workloads whose new pods are injected, with the replicas that they ask for.
    pub replaceable: BTreeMap<Workload, i32>,
    /// Hash of what those pods are injected with.
    pub wanted: BTreeMap<Workload, String>,
    /// The image that their sidecars run.
    pub image: String,
}

/// A pod that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The pod.
    pub id: PodId,
    /// What made it.
    pub workload: Workload,
    /// When.
    pub created: Option<Timestamp>,
    /// Whether Services send it calls.
    pub is_ready: bool,
    /// Whether it has the sidecar.
    pub is_injected: bool,
    /// How what it was injected with compares to what it would be injected with now.
    pub injection: Injection,
    /// Its sidecar.
    pub sidecar: Option<Container>,
}

/// Pods whose sidecars say so of themselves.
#[derive(Debug, Default)]
pub struct Said<'a> {
    /// That they run the policy as it is now.
    pub current: BTreeSet<&'a str>,
    /// That they find no way around them.
    pub enforced: BTreeSet<&'a str>,
}

/// How what a pod was injected with compares to what it would be injected with now. The image counts with neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Injection {
    /// It is the same.
    Current,
    /// It is what an earlier policy or operator injected.
    Outdated,
    /// There is nothing to compare: it was not injected, or would not be now.
    Unknown,
}

impl Member {
    /// Whether it runs what an earlier policy or operator injected.
    pub fn is_outdated(&self) -> bool {
        self.injection == Injection::Outdated
    }

    /// Whether Services send it calls, and go on to: nothing is being done to its sidecar.
    pub fn is_whole(&self) -> bool {
        self.is_ready && self.sidecar.as_ref().is_none_or(|sidecar| sidecar.replaces.is_none())
    }
}

impl Census {
    /// Pods that are meant to have the sidecar.
    pub fn pods(&self) -> i32 {
        self.workloads.values().map(|(pods, _)| pods).sum()
    }

    /// Pods that have it.
    pub fn injected(&self) -> i32 {
        self.workloads.values().map(|(_, injected)| injected).sum()
    }

    /// Pods that have one which an earlier policy or operator injected.
    pub fn outdated(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.is_outdated())
    }

    /// Commands that restart what lacks the sidecar, or has an earlier one.
    pub fn restart_commands(&self, namespace: &str) -> Vec<String> {
        let behind = self.workloads.keys().filter(|workload| self.is_behind(workload));
        behind.filter_map(|workload| workload.restart_command(namespace)).collect()
    }

    fn is_behind(&self, workload: &Workload) -> bool {
        let mut members = self.members.iter().filter(|member| member.workload == *workload);
        members.any(|member| member.is_outdated() || !member.is_injected)
    }

    /// For `status.workloads`, with what sidecars say and what is remembered of rollouts.
    pub fn listed(
        &self,
        namespace: &str,
        said: &Said<'_>,
        rollouts: &BTreeMap<Workload, RolloutStatus>,
    ) -> Vec<WorkloadStatus> {
        let count = |of: &Workload, is_meant: &dyn Fn(&Member) -> bool| {
            let members = self.members.iter().filter(|member| member.workload == *of && is_meant(member));
            i32::try_from(members.count()).unwrap_or(i32::MAX)
        };
        let runs_image =
            |member: &Member| member.sidecar.as_ref().is_some_and(|sidecar| sidecar.runs(&self.image));
        let listed =
            self.workloads.iter().take(MAX_LISTED).map(|(workload, (pods, injected))| WorkloadStatus {
                kind: workload.kind.clone(),
                name: workload.name.clone(),
                pods: *pods,
                injected: *injected,
                outdated: count(workload, &Member::is_outdated),
                image_current: count(workload, &runs_image),
                current: count(workload, &|member| said.current.contains(member.id.pod.as_str())),
                enforced: count(workload, &|member| said.enforced.contains(member.id.pod.as_str())),
                restart_command: Some(workload)
                    .filter(|workload| self.is_behind(workload))
                    .and_then(|workload| workload.restart_command(namespace)),
                rollout: rollouts.get(workload).cloned(),
            });
        listed.collect()
    }
}

impl Workload {
    /// The command that replaces its pods, when there is one.
    pub fn restart_command(&self, namespace: &str) -> Option<String> {
        let Self { kind, name } = self;
        match kind.as_str() {
            "StatefulSet" | "Deployment" | "DaemonSet" => {
                Some(format!("kubectl rollout restart {}/{name} -n {namespace}", kind.to_lowercase()))
            }
            "Pod" => Some(format!("kubectl delete pod/{name} -n {namespace}")),
            _ => None,
        }
    }
}

/// Counts. Pods that belong to an older policy and pods that are no Confluence do not count.
/// `in_force_since` is when pods became held to the policy.
pub fn census(
    candidate: &Candidate,
    observed: &Observed,
    sidecar: &Sidecar,
    in_force_since: Option<Timestamp>,
) -> Census {
    let mut census = Census { image: sidecar.image.clone(), ..Census::default() };
    let policies: Vec<Candidate> =
        observed.neighbours.iter().cloned().chain(std::iter::once(candidate.clone())).collect();
    let is_ours = |labels: &Labels| {
        selector::matches(&candidate.selector, labels)
            && inject::choose(&policies, Some(&candidate.uid), labels)
                .is_some_and(|winner| winner.uid == candidate.uid)
    };
    let decide = |pod: &Value| inject::decide(pod, candidate, sidecar);
    let advisories = |workload: &Workload, pod: &Value| {
        let Workload { kind, name } = workload.clone();
        inject::advisories(pod, candidate).into_iter().map(move |said| format!("{said} ({kind} {name})"))
    };

    let templates: Vec<_> = observed.templates.iter().filter(|template| is_ours(&template.labels)).collect();
    for template in &templates {
        let wanted = inject::wanted_hash(&template.raw, candidate, sidecar);
        census.wanted.extend(wanted.map(|hash| (template.workload.clone(), hash)));
    }
    for pod in &observed.pods {
        let injected = pod.is_injected_by(&candidate.uid);
        if !injected {
            if !is_ours(&pod.labels) {
                continue;
            }
            match decide(&pod.raw) {
                Decision::LeaveAlone(_) => continue,
                Decision::Inject(_) => {}
                Decision::Refuse(refusal) => {
                    census.refusals.insert(pod.workload.clone(), refusal.to_string());
                }
            }
        }
        census.advisories.extend(advisories(&pod.workload, &pod.raw));
        let (pods, with_sidecar) = census.workloads.entry(pod.workload.clone()).or_default();
        *pods += 1;
        let wanted = census.wanted.get(&pod.workload);
        let injection =
            if injected { injection(pod, candidate, sidecar, wanted) } else { Injection::Unknown };
        census.members.push(Member {
            id: pod.id(),
            workload: pod.workload.clone(),
            created: pod.created(),
            is_ready: pod.is_ready(),
            is_injected: injected,
            injection,
            sidecar: pod.sidecar().filter(|_| injected),
        });
        if !injected {
            census.broken_glass.extend(break_glass::broken(pod, in_force_since));
        }
        *with_sidecar += i32::from(injected);
        if injected && let Some(ip) = &pod.ip {
            census.sidecars.push((pod.name.clone(), ip.clone()));
        }
    }
    for template in templates {
        census.advisories.extend(advisories(&template.workload, &template.raw));
        match decide(&template.raw) {
            Decision::LeaveAlone(_) => {}
            Decision::Inject(_) => {
                census.workloads.entry(template.workload.clone()).or_default();
                census.replaceable.insert(template.workload.clone(), template.replicas);
            }
            Decision::Refuse(refusal) => {
                census.refusals.insert(template.workload.clone(), refusal.to_string());
            }
        }
    }
    census
}

/// Of an injected pod, compared with what it would be injected with now, in itself or as its template. The two differ where other
/// webhooks change pods too, and while the template has a change that this pod has not.
pub(super) fn injection(
    pod: &ObservedPod,
    candidate: &Candidate,
    sidecar: &Sidecar,
    of_template: Option<&String>,
) -> Injection {
    let has = pod.annotations.get(names::ANNOTATION_INJECTED_HASH);
    let of_itself = inject::wanted_hash(&pod.raw, candidate, sidecar);
    let wanted: Vec<&String> = of_itself.iter().chain(of_template).collect();
    if wanted.is_empty() {
        Injection::Unknown
    } else if wanted.into_iter().any(|hash| Some(hash) == has) {
        Injection::Current
    } else {
        Injection::Outdated
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        controller::validate::validate,
        testing::{injected, observed, pod, policy, template},
    };

    const UID: &str = "11112222-3333-4444-5555-666677778888";

    fn count(observed: &Observed) -> Census {
        let sidecar = crate::testing::sidecar();
        census(&validate(&policy(json!({})), observed).unwrap().candidate, observed, &sidecar, None)
    }

    #[test]
    fn what_counts_is_listed_as_it_is() {
        let mut first = pod("wiki-0", json!({}));
        first.raw["metadata"]["uid"] = json!("u-0");
        first.raw["metadata"]["creationTimestamp"] = json!("2026-02-01T00:00:00Z");
        first.raw["status"]["conditions"] =
            json!([{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "True"}]);
        let mut second = injected(pod("wiki-1", json!({})), UID);
        second.raw["status"]["conditions"] =
            json!([{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "False"}]);
        let mut other = pod("wiki-test", json!({}));
        other.raw["spec"]["containers"][0] = json!({"name": "curl"});
        let census = count(&Observed { pods: vec![first, second, other], ..observed() });
        let members: Vec<_> = census
            .members
            .iter()
            .map(|member| (member.id.pod.as_str(), member.is_ready, member.is_injected))
            .collect();
        assert_eq!(members, [("wiki-0", true, false), ("wiki-1", false, true)]);
        assert_eq!(census.members[0].id.uid, "u-0");
        assert_eq!(census.members[0].created, Some("2026-02-01T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn an_injected_pod_is_outdated_when_it_would_be_injected_with_something_else_now() {
        let is_outdated = |observed: Observed| count(&observed).members[0].is_outdated();
        let current = || injected(pod("wiki-0", json!({})), UID);
        let mut old = current();
        old.annotations.insert(names::ANNOTATION_INJECTED_HASH.into(), "of before".into());
        assert!(!is_outdated(Observed { pods: vec![current()], ..observed() }));
        assert!(is_outdated(Observed { pods: vec![old.clone()], ..observed() }));
        assert!(!is_outdated(Observed { pods: vec![pod("wiki-0", json!({}))], ..observed() }), "it has none");

        let mut template = template("wiki-0", json!({}), "confluence");
        template.raw["spec"]["containers"][0]["readinessProbe"] =
            json!({"httpGet": {"port": "http", "path": "/"}});
        let with_template =
            |pod: ObservedPod| Observed { pods: vec![pod], templates: vec![template.clone()], ..observed() };
        assert!(!is_outdated(with_template(current())), "the template has changed, and not what is injected");
        assert!(is_outdated(with_template(old.clone())));
        let mut by_others = old.clone();
        by_others.annotations.insert(
            names::ANNOTATION_INJECTED_HASH.into(),
            count(&with_template(current())).wanted.into_values().next().unwrap(),
        );
        assert!(!is_outdated(with_template(by_others)), "another webhook has changed the pod since");

        old.raw["spec"]["hostNetwork"] = json!(true);
        let census = count(&Observed { pods: vec![old], ..observed() });
        assert_eq!(census.members[0].injection, Injection::Unknown, "it could not be injected now");
    }

    #[test]
    fn a_workload_is_replaceable_when_its_template_would_be_injected() {
        let mut refused = template("b", json!({}), "confluence");
        refused.raw["spec"]["hostNetwork"] = json!(true);
        let mut other = template("c", json!({}), "curl");
        other.raw["spec"]["containers"][0] = json!({"name": "curl"});
        let mut foreign = template("d", json!({}), "confluence");
        foreign.labels.insert("app".into(), "other".into());
        let mut good = template("a", json!({}), "confluence");
        good.replicas = 3;
        let census = count(&Observed { templates: vec![good, refused, other, foreign], ..observed() });
        let replaceable: Vec<_> = census
            .replaceable
            .iter()
            .map(|(workload, replicas)| (workload.name.as_str(), *replicas))
            .collect();
        assert_eq!(replaceable, [("a", 3)]);
        assert!(census.refusals.keys().map(|workload| workload.name.as_str()).eq(["b"]));
    }
}
