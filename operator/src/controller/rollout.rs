//! Rollouts, with `rollout.strategy: Automatic`: workloads whose pods are not injected as they would be now have them made
//! anew by their own controllers, by annotation `restward.io/injection-hash` on the pod template. What is to be done about each
//! workload is pure; [`start`] does it, [`round`] puts the two together.
//!
//! The annotation is a hash and no time, and none is put on a template twice, so that nothing is restarted again and again:
//! not by a webhook that injects something else, nor in a fight with whoever takes the annotation away.

mod obstacle;
mod round;
mod start;
#[cfg(test)]
mod tests;

use restward_crds::{api::v1alpha1::RolloutStatus, names};

pub use obstacle::Obstacle;
pub use round::{Report, attach, detach, forget};

use super::dereference::{Template, Update};

/// What the pods of a workload are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim<'a> {
    /// Injected with what has this hash, for the policy that says this (by its hash).
    Injected {
        /// What they are to be injected with.
        hash: &'a str,
        /// What the policy says.
        policy: &'a str,
    },
    /// Without the sidecar, as the policy is being deleted.
    Plain,
}

/// A workload and its pods.
#[derive(Debug, Clone)]
pub struct Standing<'a> {
    /// The workload.
    pub template: &'a Template,
    /// What its pods are to be.
    pub aim: Aim<'a>,
    /// Names of the pods that are not.
    pub behind: Vec<&'a str>,
    /// Whether one of those lacks the sidecar and is to have it.
    pub lacks_sidecar: bool,
    /// A pod that somebody made without the sidecar while the policy was in force.
    pub on_purpose: Option<&'a str>,
    /// A pod that is not ready.
    pub unready: Option<&'a str>,
    /// What is remembered.
    pub memory: RolloutStatus,
}

/// What is to be done about a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing: its pods are as they are to be.
    Done,
    /// The annotation becomes this; `None` takes it away.
    Start(Option<String>),
    /// Nothing for now.
    Wait(Obstacle),
}

impl Standing<'_> {
    /// What is put on the template, and remembered.
    const fn mark(&self) -> &str {
        match self.aim {
            Aim::Injected { hash, .. } => hash,
            Aim::Plain => names::NOTHING_INJECTED,
        }
    }

    /// The annotation as it is.
    fn put(&self) -> Option<&str> {
        self.template.raw.get("metadata")?.get("annotations")?.get(names::ANNOTATION_INJECTION_HASH)?.as_str()
    }

    fn is_remembered(&self) -> bool {
        self.memory.hash.as_deref() == Some(self.mark())
    }

    /// Whether the template says already what the pods are to be.
    fn is_put(&self) -> bool {
        match (self.put(), self.aim) {
            (Some(put), _) => put == self.mark(),
            (None, Aim::Plain) => self.is_remembered(),
            (None, Aim::Injected { .. }) => false,
        }
    }

    /// To come without the sidecar, pods need a change of the template too: the annotation goes when there is one.
    fn change(&self) -> Option<String> {
        match (self.aim, self.put()) {
            (Aim::Plain, Some(_)) => None,
            (Aim::Plain, None) | (Aim::Injected { .. }, _) => Some(self.mark().to_owned()),
        }
    }

    /// Nothing lacks the sidecar and the policy says what it said: what changed since is the operator's.
    fn only_the_operator_changed(&self) -> bool {
        match self.aim {
            Aim::Injected { policy, .. } => !self.lacks_sidecar && self.memory.policy == policy,
            Aim::Plain => false,
        }
    }

    /// What is missing of the workload.
    fn not_whole(&self) -> Option<String> {
        let unready = self.unready.map(|pod| format!("pod {pod} is not ready"));
        unready.or_else(|| self.template.unsettled.clone())
    }

    fn behind(&self) -> Vec<String> {
        self.behind.iter().map(|pod| (*pod).to_owned()).collect()
    }

    /// What is to be done about this one, if it were alone.
    fn alone(&self) -> Step {
        let (not_whole, is_put) = (self.not_whole(), self.is_put());
        let wait = match (not_whole, self.template.update) {
            (Some(what), _) if self.behind.is_empty() && is_put => Obstacle::InProgress(what),
            _ if self.behind.is_empty() => return Step::Done,
            _ if self.on_purpose.is_some() => Obstacle::OnPurpose(self.on_purpose.unwrap_or_default().into()),
            (_, Update::OnDelete) => Obstacle::OnDelete(self.behind()),
            (_, Update::Paused) => Obstacle::Paused,
            (Some(what), _) if is_put => Obstacle::InProgress(what),
            (None, Update::Partition(partition)) if is_put => Obstacle::Partition(partition, self.behind()),
            (None, Update::Rolling) if is_put => Obstacle::Drift(self.behind()),
            _ if self.is_remembered() => Obstacle::Reverted,
            _ if self.only_the_operator_changed() => Obstacle::OperatorChanged,
            (Some(what), _) => Obstacle::NotWhole(what),
            (None, Update::Rolling | Update::Partition(_)) => return Step::Start(self.change()),
        };
        Step::Wait(wait)
    }

    /// What is to be remembered of the workload once `step` is done.
    pub fn remember(&self, step: &Step) -> RolloutStatus {
        let policy = match self.aim {
            Aim::Injected { policy, .. } => policy.to_owned(),
            Aim::Plain => self.memory.policy.clone(),
        };
        match step {
            Step::Done => RolloutStatus { hash: self.memory.hash.clone(), policy },
            Step::Start(_) => RolloutStatus { hash: Some(self.mark().to_owned()), policy },
            Step::Wait(_) if self.is_put() => RolloutStatus { hash: Some(self.mark().to_owned()), policy },
            Step::Wait(_) => self.memory.clone(),
        }
    }
}

/// Decides about the workloads of a policy, in their order: one at a time, and none while another is not whole.
pub fn plan(standings: &[Standing<'_>]) -> Vec<Step> {
    let mut steps: Vec<Step> = standings.iter().map(Standing::alone).collect();
    let mut is_taken = steps.iter().any(|step| matches!(step, Step::Wait(Obstacle::InProgress(_))));
    for (index, step) in steps.iter_mut().enumerate().filter(|(_, step)| matches!(step, Step::Start(_))) {
        let mut others = standings.iter().enumerate().filter(|(other, _)| *other != index);
        let not_whole =
            others.find_map(|(_, other)| Some(format!("{}: {}", other.name(), other.not_whole()?)));
        match not_whole {
            _ if is_taken => *step = Step::Wait(Obstacle::Turn),
            Some(what) => *step = Step::Wait(Obstacle::NotWhole(what)),
            None => is_taken = true,
        }
    }
    steps
}

impl Standing<'_> {
    /// For people.
    fn name(&self) -> String {
        format!("{} {}", self.template.workload.kind, self.template.workload.name)
    }
}
