//! One look at the sidecars of a policy: plans, changes one, tells.

use std::collections::{BTreeMap, BTreeSet};

use kube::{ResourceExt, runtime::events::EventType};
use restward_crds::{
    api::v1alpha1::{RestApiAuthPolicy, SidecarUpdateStrategy},
    condition::InjectedReason,
};

use super::{Obstacle, Plan, Situation, patch, plan};
use crate::{
    acks::Ack,
    controller::{
        Context, break_glass,
        census::{Census, Injection, Member, census},
        dereference::{self, Template},
        dry_run,
    },
    policy_source::Candidate,
};

/// Reasons of Events.
const STARTED: &str = "SidecarUpgradeStarted";
const DONE: &str = "SidecarUpgraded";
/// Pods that a message names before it only counts.
const NAMED: usize = 5;

/// What came of a look, for status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What condition `Injected` says for it.
    pub reason: Option<InjectedReason>,
    /// For people, when there is anything to say.
    pub message: Option<String>,
}

/// Has the next sidecar replaced, when one is to be. Without `candidate`, which is what is programmed, nothing is done. Sidecars
/// are to run the configuration of `generation`; of any, when that is not known.
pub async fn round(
    context: &Context,
    policy: &RestApiAuthPolicy,
    candidate: Option<&Candidate>,
    (census, templates): (&Census, &[Template]),
    acks: &[Ack],
    generation: Option<i64>,
) -> Report {
    let (namespace, name) = (policy.namespace().unwrap_or_default(), policy.name_any());
    let runs = |member: &&Member| member.sidecar.as_ref().is_some_and(|sidecar| sidecar.runs(&census.image));
    let injected = census.members.iter().filter(|member| member.is_injected);
    context.metrics.sidecars_behind(&namespace, &name, injected.filter(|member| !runs(member)).count());
    let Some(candidate) = candidate else { return Report::default() };

    let current = acks.iter().filter(|ack| ack.is_current(generation));
    let answering: BTreeSet<&str> = current.map(|ack| ack.pod.as_str()).collect();
    let strategy = policy.spec.sidecar.update_strategy;
    let situation = Situation { census, templates, answering: &answering, strategy };
    let mut plan = plan(&situation);
    for member in &plan.arrived {
        arrive(context, policy, member, &census.image).await;
    }
    tell(context, policy, &plan).await;
    let mut begun = None;
    if let Some(next) = plan.next {
        match begin(context, policy, candidate, next, &situation).await {
            Ok(()) => begun = Some(next),
            Err(obstacle) => plan.left.insert(0, (next, obstacle)),
        }
    }
    report(&plan, begun, &census.image, &namespace, strategy)
}

async fn arrive(context: &Context, policy: &RestApiAuthPolicy, member: &Member, image: &str) {
    let namespace = policy.namespace().unwrap_or_default();
    if let Err(answer) = patch::arrived(&context.client, &namespace, &member.id).await {
        tracing::warn!(pod.name = member.id.pod, %answer, "that a pod is well with its new sidecar could not be noted");
        return;
    }
    // It may be well with one that is not the wanted one any more.
    if member.sidecar.as_ref().is_some_and(|sidecar| sidecar.image == image) {
        context.metrics.sidecar_upgrade(&namespace, &policy.name_any(), "Done");
        let note = format!("pod {} runs the sidecar {image}", member.id.pod);
        context.events.about_pod(policy, EventType::Normal, &member.id, DONE, &note).await;
    }
}

/// By what the cluster looks like at this very moment: since it was looked at a rollout may have begun, or a pod gone.
async fn begin(
    context: &Context,
    policy: &RestApiAuthPolicy,
    candidate: &Candidate,
    member: &Member,
    situation: &Situation<'_>,
) -> Result<(), Obstacle> {
    let failed = |error: kube::Error| Obstacle::Failed(dry_run::answer(&error));
    let namespace = policy.namespace().unwrap_or_default();
    let observed = dereference::dereference(&context.client, policy).await.map_err(failed)?;
    let since = break_glass::in_force_since(policy);
    let census = census(candidate, &observed, &context.sidecar, since);
    let now = plan(&Situation { census: &census, templates: &observed.templates, ..*situation });
    let is_next = now.next.is_some_and(|next| next.id == member.id);
    let pod = observed.pods.iter().find(|pod| is_next && pod.id() == member.id).ok_or(Obstacle::Turn)?;
    let sidecar = pod.sidecar().ok_or(Obstacle::Turn)?;

    let image = &context.sidecar.image;
    let seen = (&member.id, pod.resource_version());
    let result = patch::replace(&context.client, &namespace, seen, &sidecar, image).await;
    let word = if result.is_ok() { "Started" } else { "Failed" };
    context.metrics.sidecar_upgrade(&namespace, &policy.name_any(), word);
    result.map_err(Obstacle::Failed)?;
    tracing::info!(
        policy.namespace = namespace, policy.name = %policy.name_any(), pod.name = member.id.pod, image,
        "sidecar upgrade begun"
    );
    let note = format!("pod {} gets the sidecar {image} in place of {}", member.id.pod, sidecar.image);
    context.events.about_pod(policy, EventType::Normal, &member.id, STARTED, &note).await;
    Ok(())
}

/// Tells once of each pod that does not come up.
async fn tell(context: &Context, policy: &RestApiAuthPolicy, plan: &Plan<'_>) {
    let namespace = policy.namespace().unwrap_or_default();
    let facts = plan.failing.iter().map(|(member, _)| member.id.clone()).collect();
    for id in context.upgrades.news(&policy.uid().unwrap_or_default(), &facts) {
        let Some((member, reason)) = plan.failing.iter().find(|(member, _)| member.id == id) else {
            continue;
        };
        context.metrics.sidecar_upgrade(&namespace, &policy.name_any(), "Stopped");
        let stopped = InjectedReason::UpgradeStopped.as_str();
        let note = describe_failing(member, reason, &namespace, policy.spec.sidecar.update_strategy);
        context.events.about_pod(policy, EventType::Warning, &id, stopped, &note).await;
    }
}

/// The kubelet's own words are left to whoever may read the pod: they hold what registries answer.
fn describe_failing(
    member: &Member,
    reason: &str,
    namespace: &str,
    strategy: SidecarUpdateStrategy,
) -> String {
    let (pod, image) = (&member.id.pod, image_of(member));
    let is_in_place = strategy == SidecarUpdateStrategy::InPlace && member.injection == Injection::Current;
    let back = if is_in_place {
        "which is done in place too".to_owned()
    } else {
        format!("and then have the pod made anew: kubectl delete pod -n {namespace} {pod}")
    };
    format!(
        "pod {pod} does not come up with {image} ({reason}) and takes no connections; no other pod gets it. Have its node get \
         and run that image (kubectl describe pod -n {namespace} {pod} says what is wrong), or set sidecar.image of the chart \
         back, {back}"
    )
}

fn image_of(member: &Member) -> &str {
    member.sidecar.as_ref().map(|sidecar| sidecar.image.as_str()).unwrap_or_default()
}

fn report(
    plan: &Plan<'_>,
    begun: Option<&Member>,
    image: &str,
    namespace: &str,
    strategy: SidecarUpdateStrategy,
) -> Report {
    let failing: BTreeSet<_> = plan.failing.iter().map(|(member, _)| &member.id).collect();
    let is_told =
        |member: &Member| failing.contains(&member.id) || begun.is_some_and(|begun| begun.id == member.id);
    let each = plan.failing.iter();
    let mut said: Vec<String> =
        each.map(|(member, reason)| describe_failing(member, reason, namespace, strategy)).collect();
    let under_way = plan.under_way.iter().filter(|(member, _)| !is_told(member));
    said.extend(
        under_way
            .map(|(member, what)| format!("pod {} is getting {}: {what}", member.id.pod, image_of(member))),
    );
    said.extend(begun.map(|member| format!("pod {} is getting {image}", member.id.pod)));
    let mut waiting: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (member, obstacle) in &plan.left {
        waiting.entry(obstacle.to_string()).or_default().push(&member.id.pod);
    }
    said.extend(waiting.into_iter().map(|(why, pods)| {
        let more = pods.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let named = pods.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        format!("not {image}: {named}{more} ({why})")
    }));

    let is_going_on = begun.is_some()
        || !plan.under_way.is_empty()
        || plan.left.iter().any(|(_, obstacle)| obstacle.is_passing());
    let reason = match (failing.is_empty(), is_going_on) {
        (false, _) => Some(InjectedReason::UpgradeStopped),
        (true, true) => Some(InjectedReason::UpgradeInProgress),
        (true, false) => None,
    };
    Report { reason, message: (!said.is_empty()).then(|| said.join("; ")) }
}

/// The policy is gone.
pub fn forget(context: &Context, policy: &RestApiAuthPolicy) {
    context.upgrades.news(&policy.uid().unwrap_or_default(), &BTreeSet::new());
}
