//! Upgrades in place: running pods get the image of the sidecar that new pods get, by a change of nothing but that image, which
//! has the kubelet restart the sidecar and not Confluence. Which pod is next, and what the others wait for, is pure; [`patch`]
//! does it, [`round`] puts the two together.
//!
//! For the restart of its sidecar a pod takes no connections. So one pod of a policy at a time, and none of a workload that is not
//! whole; the first to get a new image is the proof of it. From the change on until the pod is well with it, annotation
//! `restward.io/replaced-container` holds the container that was there: so a new one is known, also to another replica of the
//! operator. Where the sidecar is down already nobody loses by another image, so that an image that does not come up can be
//! taken back.

mod obstacle;
mod patch;
mod round;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use restward_crds::api::v1alpha1::SidecarUpdateStrategy;

pub use obstacle::Obstacle;
pub use round::{Report, forget, round};

use super::{
    census::{Census, Injection, Member},
    dereference::Template,
    sidecar::{Container, State},
};

/// What is decided by.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The pods, and the image.
    pub census: &'a Census,
    /// Their workloads.
    pub templates: &'a [Template],
    /// Names of the pods whose sidecar says that it runs the policy's configuration.
    pub answering: &'a BTreeSet<&'a str>,
    /// What the policy says.
    pub strategy: SidecarUpdateStrategy,
}

/// What is to be done about the sidecars.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan<'a> {
    /// Pods that are well with their new sidecar.
    pub arrived: Vec<&'a Member>,
    /// Pods that do not come up with the image that they got, by the kubelet's word for it.
    pub failing: Vec<(&'a Member, &'a str)>,
    /// Pods that are getting it, and what is missing.
    pub under_way: Vec<(&'a Member, &'static str)>,
    /// The one that may get it now.
    pub next: Option<&'a Member>,
    /// The others that do not have it, and what each waits for.
    pub left: Vec<(&'a Member, Obstacle)>,
}

impl Situation<'_> {
    /// What a pod that is getting another sidecar still lacks; nothing when it has arrived.
    fn lacks(&self, member: &Member, sidecar: &Container) -> Option<&'static str> {
        if sidecar.is_old() {
            Some("its kubelet has not replaced the container yet")
        } else if sidecar.state != State::Up {
            Some("its sidecar is not ready yet")
        } else if !member.is_ready {
            Some("the sidecar is ready, and the pod is not yet")
        } else if !self.answering.contains(member.id.pod.as_str()) {
            Some("its sidecar has not said yet that it runs the policy's configuration")
        } else {
            None
        }
    }

    /// What else of the member's workload is not there or not ready, or about to be so.
    fn not_whole(&self, member: &Member) -> Option<Obstacle> {
        let others = self.census.members.iter().filter(|other| other.workload == member.workload);
        if let Some(other) = others.clone().find(|other| other.id != member.id && !other.is_whole()) {
            return Some(Obstacle::OthersNotReady(other.id.pod.clone()));
        }
        let template = self.templates.iter().find(|template| template.workload == member.workload)?;
        if let Some(what) = &template.unsettled {
            return Some(Obstacle::Rollout(what.clone()));
        }
        let pods = i32::try_from(others.count()).unwrap_or(i32::MAX);
        (pods < template.replicas)
            .then(|| Obstacle::Rollout(format!("it has {pods} of {} pods", template.replicas)))
    }
}

/// Decides.
pub fn plan<'a>(of: &Situation<'a>) -> Plan<'a> {
    let census = of.census;
    let sidecars: Vec<(&Member, &Container)> =
        census.members.iter().filter_map(|member| Some((member, member.sidecar.as_ref()?))).collect();
    let is_behind = |sidecar: &Container| sidecar.image != census.image;
    let any_is_behind = sidecars.iter().any(|(_, sidecar)| is_behind(sidecar));

    let mut plan = Plan::default();
    for (member, sidecar) in sidecars.iter().filter(|(_, sidecar)| sidecar.replaces.is_some()) {
        match of.lacks(member, sidecar) {
            Some(what) => plan.under_way.push((member, what)),
            None => plan.arrived.push(member),
        }
    }
    for (member, sidecar) in &sidecars {
        let State::Failing(reason) = &sidecar.state else { continue };
        let is_upgraded = sidecar.replaces.is_some();
        // A pod that was made with the image tells as much about it as one that got it. And one that got an earlier image may
        // be beyond help in place by now.
        let is_told = if is_behind(sidecar) {
            is_upgraded && member.injection != Injection::Current
        } else {
            is_upgraded || any_is_behind
        };
        if is_told {
            plan.failing.push((member, reason));
        }
    }

    let mut behind: Vec<_> = sidecars.into_iter().filter(|(_, sidecar)| is_behind(sidecar)).collect();
    behind.sort_by_key(|(_, sidecar)| sidecar.state == State::Up);
    for (member, sidecar) in behind {
        let is_under_way = plan.under_way.iter().any(|(other, _)| other.id == member.id);
        let obstacle = if of.strategy == SidecarUpdateStrategy::OnDelete {
            Some(Obstacle::OnDelete)
        } else if member.is_outdated() {
            Some(Obstacle::MoreThanTheImage)
        } else if member.injection == Injection::Unknown {
            Some(Obstacle::Unknown)
        } else if !plan.failing.is_empty() {
            Some(Obstacle::Stopped)
        } else if plan.next.is_some() || !(plan.under_way.is_empty() || is_under_way) {
            Some(Obstacle::Turn)
        } else if is_under_way || sidecar.state != State::Up {
            None
        } else if !member.is_ready {
            Some(Obstacle::NotReady)
        } else {
            of.not_whole(member)
        };
        match obstacle {
            Some(obstacle) => plan.left.push((member, obstacle)),
            None => plan.next = Some(member),
        }
    }
    plan
}
