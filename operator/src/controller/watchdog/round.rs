//! One look at the pods of a policy: plans, tries, tells.

use std::{collections::BTreeSet, time::Instant};

use k8s_openapi::jiff::Timestamp;
use kube::{Client, ResourceExt, runtime::events::EventType};
use restward_crds::api::v1alpha1::RestApiAuthPolicy;
use tokio::sync::Mutex;

use super::{Obstacle, Plan, evict, pace::Pace, plan};
use crate::{
    args::WatchdogAction,
    controller::{
        Context,
        break_glass::Told,
        census::{Census, Member},
        dereference::Template,
        pod::PodId,
    },
};

/// Reasons of Events.
const EVICTED: &str = "PodEvicted";
const LEFT: &str = "PodNotEvicted";
/// Pods that a message names before it only counts.
const NAMED: usize = 5;

/// What it does, and what it remembers.
pub struct Watchdog {
    action: WatchdogAction,
    /// Does not try again by itself.
    client: Client,
    pace: Mutex<Pace>,
    told: Told<(PodId, &'static str)>,
}

impl Watchdog {
    /// `client` must not try again by itself what the API server refuses with 429.
    pub fn new(action: WatchdogAction, client: Client, now: Instant) -> Self {
        Self { action, client, pace: Mutex::new(Pace::start(now)), told: Told::default() }
    }

    /// Evicts a pod of the policy when one may be, and says for status what it does and what it waits for; nothing when it
    /// only reports. `since` is when the policy came into force for the first time.
    pub async fn round(
        &self,
        context: &Context,
        policy: &RestApiAuthPolicy,
        census: &Census,
        templates: &[Template],
        since: Option<Timestamp>,
    ) -> Option<String> {
        let (namespace, uid) = (policy.namespace().unwrap_or_default(), policy.uid().unwrap_or_default());
        context.metrics.without_sidecar(
            &namespace,
            &policy.name_any(),
            census.pods().saturating_sub(census.injected()),
        );
        let since = since.filter(|_| self.action == WatchdogAction::Evict)?;
        let Plan { next, mut left } = plan(census, since);
        let mut evicted = None;
        if let Some(next) = next {
            let template = templates.iter().find(|template| template.workload == next.workload);
            match self.attempt(context, policy, (&namespace, &uid), next, template).await {
                Ok(()) => evicted = Some(next),
                Err(obstacle) => left.insert(0, (next, obstacle)),
            }
        }
        let facts: BTreeSet<_> = left
            .iter()
            .filter(|(_, obstacle)| *obstacle != Obstacle::Turn)
            .map(|(member, obstacle)| (member.id.clone(), obstacle.as_str()))
            .collect();
        for (id, reason) in self.told.news(&uid, &facts) {
            let is_it =
                |(member, obstacle): &&(&Member, Obstacle)| member.id == id && obstacle.as_str() == reason;
            let Some((_, obstacle)) = left.iter().find(is_it) else { continue };
            let note = format!("pod {} runs without the sidecar and is not evicted: {obstacle}", id.pod);
            context.events.about_pod(policy, EventType::Warning, &id, LEFT, &note).await;
        }
        message(evicted, &left)
    }

    /// Tries one pod, when it is time. Only one policy tries at a time.
    async fn attempt(
        &self,
        context: &Context,
        policy: &RestApiAuthPolicy,
        (namespace, uid): (&str, &str),
        member: &Member,
        template: Option<&Template>,
    ) -> Result<(), Obstacle> {
        let template = template.ok_or(Obstacle::ReplacementUnknown)?;
        let Ok(mut pace) = self.pace.try_lock() else { return Err(Obstacle::Turn) };
        pace.may_try(uid, &member.id.uid, Instant::now())?;
        let result = evict::evict(&self.client, namespace, uid, &member.id, template).await;
        let obstacle = result.as_ref().err();
        pace.note(uid, &member.id.uid, obstacle.cloned(), Instant::now());
        drop(pace);
        context.metrics.eviction_tried(
            namespace,
            &policy.name_any(),
            obstacle.map_or("Evicted", Obstacle::as_str),
        );
        tracing::info!(
            policy.namespace = namespace, policy.name = %policy.name_any(), pod.name = member.id.pod,
            watchdog.result = obstacle.map_or("Evicted", Obstacle::as_str), "eviction tried"
        );
        if result.is_ok() {
            let note = format!(
                "pod {} ran without the sidecar from before the policy and was evicted; {} {} makes it anew with it",
                member.id.pod, member.workload.kind, member.workload.name
            );
            context.events.about_pod(policy, EventType::Normal, &member.id, EVICTED, &note).await;
        }
        result
    }

    /// The policy is gone.
    pub async fn forget(&self, context: &Context, policy: &RestApiAuthPolicy) {
        let uid = policy.uid().unwrap_or_default();
        self.pace.lock().await.forget(&uid);
        self.told.news(&uid, &BTreeSet::new());
        context.metrics.forget_policy(&policy.namespace().unwrap_or_default(), &policy.name_any());
    }
}

/// For status. It holds no times, so that status changes only when something does.
fn message(evicted: Option<&Member>, left: &[(&Member, Obstacle)]) -> Option<String> {
    let evicted = evicted.map(|member| format!("pod {} was evicted", member.id.pod));
    let named = left.iter().take(NAMED).map(|(member, obstacle)| {
        format!("pod {} is not evicted ({}): {obstacle}", member.id.pod, obstacle.as_str())
    });
    let more = left.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("{more} more pods are not evicted"));
    let parts: Vec<String> = evicted.into_iter().chain(named).chain(more).collect();
    (!parts.is_empty()).then(|| format!("watchdog: {}", parts.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::{census::Injection, dereference::Workload};

    #[test]
    fn status_says_what_was_done_and_what_each_pod_waits_for() {
        let members: Vec<Member> = (0..8)
            .map(|number| Member {
                id: PodId { pod: format!("wiki-{number}"), uid: number.to_string() },
                workload: Workload { kind: "StatefulSet".into(), name: "wiki".into() },
                created: None,
                is_ready: true,
                is_injected: false,
                injection: Injection::Unknown,
                sidecar: None,
            })
            .collect();
        assert_eq!(message(None, &[]), None);
        assert_eq!(message(Some(&members[0]), &[]).unwrap(), "watchdog: pod wiki-0 was evicted");
        let budget = Obstacle::DisruptionBudget("Cannot evict pod".into());
        let said = message(None, &[(&members[1], budget)]).unwrap();
        assert!(said.starts_with("watchdog: pod wiki-1 is not evicted (DisruptionBudget): "), "{said}");
        assert!(said.ends_with(": Cannot evict pod"), "{said}");
        let many: Vec<_> = members.iter().map(|member| (member, Obstacle::Turn)).collect();
        assert!(message(None, &many).unwrap().ends_with("; 3 more pods are not evicted"));
    }
}
