//! One look at the workloads of a policy: plans, begins, tells.

use std::collections::{BTreeMap, BTreeSet};

use kube::{Api, ResourceExt, runtime::events::EventType};
use restward_crds::{
    api::v1alpha1::{RestApiAuthPolicy, RolloutStatus, RolloutStrategy},
    condition::InjectedReason,
};

use super::{Aim, Obstacle, Standing, Step, plan, start};
use crate::{
    controller::{
        Context,
        census::{self, Census, Injection},
        dereference::{ObservedPod, Template, Workload},
        dry_run,
    },
    inject,
    policy_source::Candidate,
};

/// Reason of Events.
const STARTED: &str = "RolloutStarted";

/// What came of a look, for status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What is to be remembered.
    pub memory: BTreeMap<Workload, RolloutStatus>,
    /// What condition `Injected` says for it.
    pub reason: Option<InjectedReason>,
    /// For people, when there is anything to say.
    pub message: Option<String>,
}

/// Has pods made anew that are not injected as `candidate` says. `candidate` is what is programmed for this very generation;
/// without it nothing begins.
pub async fn attach(
    context: &Context,
    policy: &RestApiAuthPolicy,
    candidate: Option<&Candidate>,
    census: &Census,
    templates: &[Template],
) -> Report {
    if policy.spec.rollout.strategy != RolloutStrategy::Automatic {
        return Report::default();
    }
    let memory = remembered(policy);
    let Some(candidate) = candidate else { return Report { memory, ..Report::default() } };
    let policy_hash = inject::policy_hash(candidate);
    let standings = standings(census, templates, &policy_hash, &memory);
    let sidecar = &context.sidecar;
    let is_meant = |of: &Standing<'_>, made: &ObservedPod| {
        let wanted = census.wanted.get(&of.template.workload);
        if !made.is_injected_by(&candidate.uid) {
            Err("it came back without the policy's sidecar".to_owned())
        } else if census::injection(made, candidate, sidecar, wanted) == Injection::Outdated {
            Err("it came back with what was injected before the change, which the webhook may not know yet"
                .to_owned())
        } else {
            Ok(())
        }
    };
    look(context, policy, &standings, memory.clone(), is_meant).await
}

/// Has the pods that the policy injected made anew without the sidecar.
pub async fn detach(
    context: &Context,
    policy: &RestApiAuthPolicy,
    pods: &[ObservedPod],
    templates: &[Template],
) -> Report {
    let memory = remembered(policy);
    let of =
        |template: &Template| pods.iter().filter(|pod| pod.workload == template.workload).collect::<Vec<_>>();
    let standings: Vec<Standing<'_>> = templates
        .iter()
        .map(|template| Standing {
            template,
            aim: Aim::Plain,
            behind: of(template).iter().map(|pod| pod.name.as_str()).collect(),
            lacks_sidecar: false,
            on_purpose: None,
            unready: of(template).iter().find(|pod| !pod.is_ready()).map(|pod| pod.name.as_str()),
            memory: memory.get(&template.workload).cloned().unwrap_or_default(),
        })
        .collect();
    let uid = policy.uid().unwrap_or_default();
    let is_meant = |_: &Standing<'_>, made: &ObservedPod| {
        if made.is_injected_by(&uid) { Err("it still came back with the sidecar".to_owned()) } else { Ok(()) }
    };
    look(context, policy, &standings, memory.clone(), is_meant).await
}

/// What status remembers.
fn remembered(policy: &RestApiAuthPolicy) -> BTreeMap<Workload, RolloutStatus> {
    let known = policy.status.iter().flat_map(|status| &status.workloads);
    known
        .filter_map(|known| {
            let workload = Workload { kind: known.kind.clone(), name: known.name.clone() };
            Some((workload, known.rollout.clone()?))
        })
        .collect()
}

/// Of what status has no room for nothing could be remembered, so it is left alone.
fn standings<'a>(
    census: &'a Census,
    templates: &'a [Template],
    policy: &'a str,
    memory: &BTreeMap<Workload, RolloutStatus>,
) -> Vec<Standing<'a>> {
    let listed: BTreeSet<&Workload> = census.workloads.keys().take(census::MAX_LISTED).collect();
    let mut standings: Vec<Standing<'a>> = templates
        .iter()
        .filter(|template| {
            listed.contains(&template.workload) && !census.refusals.contains_key(&template.workload)
        })
        .filter_map(|template| {
            let hash = census.wanted.get(&template.workload)?;
            let members = || census.members.iter().filter(|member| member.workload == template.workload);
            let name = |member: &'a census::Member| member.id.pod.as_str();
            Some(Standing {
                template,
                aim: Aim::Injected { hash, policy },
                behind: members()
                    .filter(|member| member.is_outdated() || !member.is_injected)
                    .map(name)
                    .collect(),
                lacks_sidecar: members().any(|member| !member.is_injected),
                on_purpose: members().find(|member| census.broken_glass.contains(&member.id)).map(name),
                unready: members().find(|member| !member.is_whole()).map(name),
                memory: memory.get(&template.workload).cloned().unwrap_or_default(),
            })
        })
        .collect();
    standings.sort_by(|a, b| a.template.workload.cmp(&b.template.workload));
    standings
}

async fn look(
    context: &Context,
    policy: &RestApiAuthPolicy,
    standings: &[Standing<'_>],
    mut memory: BTreeMap<Workload, RolloutStatus>,
    is_meant: impl Fn(&Standing<'_>, &ObservedPod) -> Result<(), String>,
) -> Report {
    let mut left = Vec::new();
    for (standing, mut step) in standings.iter().zip(plan(standings)) {
        if let Step::Start(change) = &step {
            match begin(context, policy, standing, change.as_deref(), |made| is_meant(standing, made)).await {
                Ok(()) => left.push((standing.template, Obstacle::InProgress("it has just begun".into()))),
                Err(obstacle) => step = Step::Wait(obstacle),
            }
        }
        memory.insert(standing.template.workload.clone(), standing.remember(&step));
        if let Step::Wait(obstacle) = step {
            left.push((standing.template, obstacle));
        }
    }
    tell(context, policy, &left).await;
    report(memory, &left, &policy.namespace().unwrap_or_default())
}

fn report(
    memory: BTreeMap<Workload, RolloutStatus>,
    left: &[(&Template, Obstacle)],
    namespace: &str,
) -> Report {
    let said: Vec<String> =
        left.iter().map(|(template, obstacle)| obstacle.describe(&template.workload, namespace)).collect();
    let reasons = left.iter().filter_map(|(_, obstacle)| obstacle.reason());
    Report {
        memory,
        reason: reasons.max_by_key(|reason| *reason == InjectedReason::RolloutBlocked),
        message: (!said.is_empty()).then(|| said.join("; ")),
    }
}

async fn begin(
    context: &Context,
    policy: &RestApiAuthPolicy,
    standing: &Standing<'_>,
    change: Option<&str>,
    is_meant: impl Fn(&ObservedPod) -> Result<(), String>,
) -> Result<(), Obstacle> {
    let namespace = policy.namespace().unwrap_or_default();
    // What was decided by may be from before the last write of status, and with it what is remembered.
    let policies: Api<RestApiAuthPolicy> = Api::namespaced(context.client.clone(), &namespace);
    let now =
        policies.get(&policy.name_any()).await.map_err(|error| Obstacle::Failed(dry_run::answer(&error)))?;
    if remembered(&now).remove(&standing.template.workload).unwrap_or_default() != standing.memory {
        return Err(Obstacle::Turn);
    }
    let pod = standing.behind.first().copied().unwrap_or_default();
    start::start(&context.client, &namespace, standing.template, change, pod, is_meant).await?;
    context.metrics.rollout(&namespace, &policy.name_any(), "Started");
    let Workload { kind, name } = &standing.template.workload;
    tracing::info!(
        policy.namespace = namespace, policy.name = %policy.name_any(), workload.kind = kind, workload.name = name,
        "rollout begun"
    );
    let note = format!(
        "{kind} {name} has its pods made anew, as {} of them are not injected as RestApiAuthPolicy {:?} says",
        standing.behind.len(),
        policy.name_any()
    );
    context.events.about_workload(policy, EventType::Normal, standing.template, STARTED, &note).await;
    Ok(())
}

/// Tells once what keeps a workload from being rolled out.
async fn tell(context: &Context, policy: &RestApiAuthPolicy, left: &[(&Template, Obstacle)]) {
    let blocked = InjectedReason::RolloutBlocked;
    let told: Vec<_> = left.iter().filter(|(_, obstacle)| obstacle.reason() == Some(blocked)).collect();
    let facts = told.iter().map(|(template, obstacle)| (template.uid.clone(), obstacle.as_str())).collect();
    for (uid, what) in context.rollouts.news(&policy.uid().unwrap_or_default(), &facts) {
        let is_it = |it: &&&(&Template, Obstacle)| it.0.uid == uid && it.1.as_str() == what;
        let Some((template, obstacle)) = told.iter().find(is_it) else { continue };
        let namespace = policy.namespace().unwrap_or_default();
        context.metrics.rollout(&namespace, &policy.name_any(), what);
        let note = obstacle.describe(&template.workload, &namespace);
        context.events.about_workload(policy, EventType::Warning, template, blocked.as_str(), &note).await;
    }
}

/// The policy is gone.
pub fn forget(context: &Context, policy: &RestApiAuthPolicy) {
    context.rollouts.news(&policy.uid().unwrap_or_default(), &BTreeSet::new());
}
