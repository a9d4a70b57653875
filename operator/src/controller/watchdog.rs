//! The watchdog: pods that run without the sidecar under a policy in force are evicted, when the chart says so, and made
//! anew with it. Which one is next, and why others are left, is pure; [`pace`] says when, [`evict`] does it, [`round`] puts
//! them together.
//!
//! Only pods from before the policy are evicted. What replaces one is from after it and is never evicted, whatever it
//! looks like, so that there is no eviction again and again.

mod evict;
mod pace;
mod round;
#[cfg(test)]
mod tests;

use std::fmt;

use k8s_openapi::jiff::Timestamp;

pub use round::Watchdog;

use super::{
    break_glass::came_after,
    census::{Census, Member},
};

/// Why a pod without the sidecar is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// It came while the policy was in force. Who made it stands in the API server's audit log only, and its owner says
    /// nothing, as controllers adopt pods by their labels: it may be there on purpose, by somebody who broke the glass to
    /// have Confluence back, and the watchdog must not fight them.
    OnPurpose,
    /// No controller owns it.
    NobodyMakesItAgain,
    /// Its controller has no template that is known, selected and could be injected.
    ReplacementUnknown,
    /// A pod or the template of its workload could not be injected.
    ReplacementRefused,
    /// Something else that the policy selects is not whole.
    OthersNotReady(String),
    /// Another one is next, or was a moment ago.
    Turn,
    /// As a dry run its replacement did not come back with the sidecar: the API server's answer.
    NotInjected(String),
    /// A PodDisruptionBudget forbids it: the API server's answer.
    DisruptionBudget(String),
    /// The API server gave no answer that says more.
    Failed(String),
}

impl Obstacle {
    /// For Events and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::OnPurpose => "OnPurpose",
            Self::NobodyMakesItAgain => "NobodyMakesItAgain",
            Self::ReplacementUnknown => "ReplacementUnknown",
            Self::ReplacementRefused => "ReplacementRefused",
            Self::OthersNotReady(_) => "OthersNotReady",
            Self::Turn => "Turn",
            Self::NotInjected(_) => "NotInjected",
            Self::DisruptionBudget(_) => "DisruptionBudget",
            Self::Failed(_) => "Failed",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnPurpose => f.write_str(
                "it came while the policy was in force and may be there on purpose: delete it to have it made anew with the sidecar",
            ),
            Self::NobodyMakesItAgain => f.write_str("no controller would make it again"),
            Self::ReplacementUnknown => f.write_str(
                "no StatefulSet or Deployment whose template the policy selects would make it again: restart it by hand",
            ),
            Self::ReplacementRefused => {
                f.write_str("what would come in its place could not be injected (see InjectionRefused)")
            }
            Self::OthersNotReady(what) => write!(f, "waits until all else is ready: {what}"),
            Self::Turn => f.write_str("waits for its turn: one pod of a policy at a time, one a minute of all"),
            Self::NotInjected(answer) => {
                write!(f, "a new pod like it did not come back with the sidecar from a dry run, tried every minute: {answer}")
            }
            Self::DisruptionBudget(answer) => {
                write!(f, "its PodDisruptionBudget forbids it, tried every minute: {answer}")
            }
            Self::Failed(answer) => write!(f, "the eviction failed, tried every minute: {answer}"),
        }
    }
}

/// What is to be done about the pods without the sidecar.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan<'a> {
    /// The one that may be evicted now.
    pub next: Option<&'a Member>,
    /// The others, and what each waits for.
    pub left: Vec<(&'a Member, Obstacle)>,
}

/// Decides. `since` is when the policy came into force for the first time.
pub fn plan(census: &Census, since: Timestamp) -> Plan<'_> {
    let mut plan = Plan::default();
    for member in census.members.iter().filter(|member| !member.is_injected) {
        match (obstacle(census, member, since), plan.next) {
            (Some(obstacle), _) => plan.left.push((member, obstacle)),
            (None, Some(_)) => plan.left.push((member, Obstacle::Turn)),
            (None, None) => plan.next = Some(member),
        }
    }
    plan
}

fn obstacle(census: &Census, member: &Member, since: Timestamp) -> Option<Obstacle> {
    let is_from_before = member.created.is_some_and(|created| !came_after(created, since));
    if !is_from_before || census.broken_glass.contains(&member.id) {
        Some(Obstacle::OnPurpose)
    } else if member.workload.kind == "Pod" {
        Some(Obstacle::NobodyMakesItAgain)
    } else if census.refusals.contains_key(&member.workload) {
        // Its own revision may come again (partition, rollout that goes on), or the template's.
        Some(Obstacle::ReplacementRefused)
    } else if !census.replaceable.contains_key(&member.workload) {
        Some(Obstacle::ReplacementUnknown)
    } else {
        not_whole(census, member).map(Obstacle::OthersNotReady)
    }
}

/// What else of the policy is missing or not ready. The pod itself need not be: nobody loses by its going.
fn not_whole(census: &Census, but: &Member) -> Option<String> {
    let unready = census.members.iter().find(|member| member.id != but.id && !member.is_whole());
    if let Some(member) = unready {
        return Some(format!("pod {} is not", member.id.pod));
    }
    census.replaceable.iter().find_map(|(workload, replicas)| {
        let (pods, _) = census.workloads.get(workload).copied().unwrap_or_default();
        (pods < *replicas)
            .then(|| format!("{} {} has {pods} of {replicas} pods", workload.kind, workload.name))
    })
}
