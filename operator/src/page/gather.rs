//! What is shown: policies by the API server, and what their sidecars answer.

use std::{collections::BTreeSet, net::IpAddr};

use futures::{StreamExt as _, stream};
use kube::{Api, Client, ResourceExt as _, api::ListParams};
use restward_crds::{
    api::v1alpha1::RestApiAuthPolicy,
    seal::Seal,
    sidecar::admin::{Explained, MeantCall, Tally},
};

use super::review::PolicyId;
use crate::{
    ask::{Asker, Unanswered},
    controller::{dereference, sidecar::State},
    keys,
};

/// Most policies that are listed.
const MAX_POLICIES: u32 = 500;
/// Most sidecars that are asked what they refused.
const MAX_SIDECARS: usize = 16;

/// A running sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sidecar {
    pub(super) pod: String,
    ip: IpAddr,
}

/// What a sidecar said of what it refused.
pub(super) struct Tallied {
    pub(super) pod: String,
    pub(super) tally: Result<Tally, Unanswered>,
}

/// What came of a token that was tried.
pub(super) struct Tried {
    pub(super) pod: String,
    pub(super) explained: Result<Explained, Unanswered>,
}

/// The sidecars of a policy, and what questions to them are sealed with: by the status key, or else by the one from before.
pub(super) struct Sidecars {
    running: Vec<Sidecar>,
    seals: Vec<Seal>,
}

/// The policies of the cluster, and whether there are more.
pub(super) async fn policies(client: &Client) -> Result<(Vec<RestApiAuthPolicy>, bool), kube::Error> {
    let listed = Api::<RestApiAuthPolicy>::all(client.clone())
        .list(&ListParams::default().limit(MAX_POLICIES))
        .await?;
    let is_cut = listed.metadata.continue_.is_some_and(|more| !more.is_empty());
    Ok((listed.items, is_cut))
}

pub(super) fn id(policy: &RestApiAuthPolicy) -> PolicyId {
    (policy.namespace().unwrap_or_default(), policy.name_any())
}

pub(super) fn ids(policies: &[RestApiAuthPolicy]) -> BTreeSet<PolicyId> {
    policies.iter().map(id).collect()
}

pub(super) async fn sidecars(client: &Client, policy: &RestApiAuthPolicy) -> Result<Sidecars, kube::Error> {
    let (namespace, uid) = (policy.namespace().unwrap_or_default(), policy.uid().unwrap_or_default());
    let pods = dereference::injected_pods(client, &namespace, &uid).await?;
    let mut running: Vec<(bool, Sidecar)> = pods
        .into_iter()
        .filter_map(|pod| {
            let state = pod.sidecar()?.state;
            let ip = pod.ip.as_deref()?.parse().ok()?;
            matches!(state, State::Up | State::Running)
                .then_some((state != State::Up, Sidecar { pod: pod.name, ip }))
        })
        .collect();
    // Those that are ready come first.
    running.sort_by(|(a, one), (b, other)| (a, &one.pod).cmp(&(b, &other.pod)));
    let stored = dereference::stored_keys(client, &namespace, &uid).await?;
    let status_keys = [stored.status_key, stored.previous_status_key];
    let seals = status_keys.iter().flatten().filter_map(|key| keys::seal(key)).collect();
    Ok(Sidecars { running: running.into_iter().map(|(_, sidecar)| sidecar).collect(), seals })
}

impl Sidecars {
    /// What each refused lately, and how many were not asked.
    pub(super) async fn tallies(&self, asker: &Asker) -> (Vec<Tallied>, usize) {
        let seals = &self.seals;
        if seals.is_empty() {
            return (Vec::new(), self.running.len());
        }
        let first: Vec<Sidecar> = self.running.iter().take(MAX_SIDECARS).cloned().collect();
        let tallies = stream::iter(first)
            .map(|Sidecar { pod, ip }| async move { Tallied { pod, tally: asker.tally(ip, seals).await } })
            .buffered(MAX_SIDECARS)
            .collect()
            .await;
        (tallies, self.running.len().saturating_sub(MAX_SIDECARS))
    }

    /// What the first that answers says about a token; `None` when none runs.
    pub(super) async fn try_token(
        &self,
        asker: &Asker,
        token: &str,
        call: Option<&MeantCall>,
    ) -> Option<Tried> {
        if self.seals.is_empty() {
            return None;
        }
        let mut last = None;
        for sidecar in self.running.iter().take(2) {
            let explained = asker.token(sidecar.ip, &self.seals, token.to_owned(), call.cloned()).await;
            let is_answered = explained.is_ok();
            last = Some(Tried { pod: sidecar.pod.clone(), explained });
            if is_answered {
                break;
            }
        }
        last
    }
}
