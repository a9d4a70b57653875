//! What a policy wants of its realm (`keycloak.provisioning`), how often the realm is looked at for it, and what status says.
//! The work itself is in [`crate::provision`], and goes on beside: nothing waits for it, and `Ready` does not count it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::core::v1::{Namespace, Secret},
    jiff::Timestamp,
};
use kube::{Api, Client, ResourceExt};
use restward_crds::{
    advisory::Advisory,
    api::v1alpha1::{Provisioning, ProvisioningState, ProvisioningStatus, RestApiAuthPolicy},
};
use tokio::sync::{Mutex as AsyncMutex, OnceCell, Semaphore};

use super::validate::Validated;
use crate::{
    conditions::truncate,
    discovery::Guard,
    lease::fence::Fence,
    provision::{
        self, Kept, Trouble,
        admin::AdminClient,
        plan::{Desired, DesiredScope},
    },
};

/// How long what was put right is believed to stay so.
const FRESH: Duration = Duration::from_mins(5);
/// How long a failure is believed.
const FAILED: Duration = Duration::from_mins(1);
/// How long a reconciliation waits for a Keycloak that answers at once, as most do.
const MOMENT: Duration = Duration::from_secs(1);
/// Realms that are worked on at a time; the others wait for their turn. What they answer is held in memory.
const TURNS: usize = 4;
/// Namespace whose UID tells clusters apart.
const CLUSTER: &str = "kube-system";
/// Most of what was done at once that status repeats.
const MAX_CHANGE: usize = 2048;
/// Most of an advisory, which may repeat what is in the realm.
const MAX_ADVICE: usize = 1024;
/// Clients that status remembers while they cannot be removed; more are found by their mark.
const MAX_CLIENTS: usize = 128;
const PLAIN_HTTP: &str = "the secret of spec.keycloak.provisioning goes to Keycloak over http; whoever is on the way can \
                          manage the clients of the realm";

/// UID of the cluster.
async fn cluster_uid(client: &Client) -> Result<String, Trouble> {
    let cluster = Api::<Namespace>::all(client.clone()).get_metadata(CLUSTER).await;
    let uid = cluster.ok().and_then(|cluster| cluster.uid());
    uid.ok_or_else(|| Trouble::NotTold(format!("the UID of the namespace {CLUSTER}")))
}

/// The client as which it is done. What the API server said is not repeated, as it may be of the Secret.
async fn admin_client(
    client: &Client,
    policy: &RestApiAuthPolicy,
    wanted: &Provisioning,
) -> Result<AdminClient, Trouble> {
    let name = &wanted.admin_secret_ref.name;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &policy.namespace().unwrap_or_default());
    match secrets.get_opt(name).await {
        Ok(secret) => {
            let data = secret.and_then(|secret| secret.data).unwrap_or_default();
            let data = data.into_iter().map(|(key, item)| (key, item.0)).collect();
            AdminClient::from_secret(name, &data)
        }
        Err(kube::Error::Api(status)) if status.is_forbidden() => Err(Trouble::NotReadable(name.clone())),
        Err(_) => Err(Trouble::NotTold(format!("the Secret '{name}' of spec.keycloak.provisioning"))),
    }
}

/// How far a look at the realm has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It goes on. Until it is over status says what it said.
    UnderWay,
    /// This came of it.
    Over(Kept),
}

/// What came of it lately, by the policy's UID.
pub struct Realms {
    guard: Guard,
    fence: Fence,
    /// Once it was asked for; it stays.
    cluster: OnceCell<String>,
    turns: Arc<Semaphore>,
    known: Mutex<HashMap<String, Arc<Realm>>>,
}

/// The last look for one policy; locked for as long as the next one goes on.
type Realm = AsyncMutex<Option<Look>>;

struct Look {
    desired: Desired,
    admin: AdminClient,
    at: Instant,
    kept: Kept,
}

impl Look {
    fn is_of(&self, desired: &Desired, admin: &AdminClient) -> bool {
        (&self.desired, &self.admin) == (desired, admin) && self.at.elapsed() < self.believed()
    }

    fn believed(&self) -> Duration {
        if self.kept.trouble.is_none() { FRESH } else { FAILED }
    }

    /// Clients that may be there. Status says so too, but may come late from the API server.
    fn made(&self) -> impl Iterator<Item = &String> {
        let gone = self.desired.gone.iter().filter(|_| self.kept.trouble.is_some());
        self.desired.clients.iter().map(|of| &of.client).chain(gone)
    }

    /// What was done is told once.
    fn tell(&mut self) -> Kept {
        let done = std::mem::take(&mut self.kept.done);
        Kept { done, ..self.kept.clone() }
    }
}

impl Realms {
    /// With the addresses that `guard` admits, as long as `fence` lets changes pass.
    pub fn new(guard: Guard, fence: Fence) -> Self {
        let turns = Arc::new(Semaphore::new(TURNS));
        Self { guard, fence, cluster: OnceCell::new(), turns, known: Mutex::default() }
    }

    /// Has the realm be as the policy wants it, unless it was lately. The Secret of a policy that is not accepted is not read.
    pub async fn keep(
        &self,
        client: &Client,
        policy: &RestApiAuthPolicy,
        accepted: Option<&Validated>,
    ) -> Option<Progress> {
        let wanted = policy.spec.keycloak.provisioning.as_ref().filter(|_| accepted.is_some())?;
        let failed = |trouble| Progress::Over(Kept { trouble: Some(trouble), ..Kept::default() });
        Some(self.try_keep(client, policy, wanted).await.unwrap_or_else(failed))
    }

    async fn try_keep(
        &self,
        client: &Client,
        policy: &RestApiAuthPolicy,
        wanted: &Provisioning,
    ) -> Result<Progress, Trouble> {
        let cluster = self.cluster.get_or_try_init(|| cluster_uid(client)).await?;
        let admin = admin_client(client, policy, wanted).await?;
        Ok(self.keep_as(admin, policy, wanted, cluster).await)
    }

    async fn keep_as(
        &self,
        admin: AdminClient,
        policy: &RestApiAuthPolicy,
        wanted: &Provisioning,
        cluster: &str,
    ) -> Progress {
        let realm = self.realm(policy.uid().unwrap_or_default());
        let Ok(mut last) = Arc::clone(&realm).try_lock_owned() else { return Progress::UnderWay };
        let desired = desired(policy, wanted, cluster, last.as_ref());
        if let Some(look) = last.as_mut().filter(|look| look.is_of(&desired, &admin)) {
            return Progress::Over(look.tell());
        }
        let (turns, fence, guard) = (Arc::clone(&self.turns), self.fence.clone(), self.guard);
        tokio::spawn(async move {
            let Ok(_turn) = turns.acquire().await else { return };
            let mut kept = provision::keep(&admin, guard, || fence.pass(), &desired).await;
            let not_told = last.as_mut().map(Look::tell).unwrap_or_default();
            kept.done = [not_told.done, kept.done].concat();
            *last = Some(Look { desired, admin, at: Instant::now(), kept });
        });
        match tokio::time::timeout(MOMENT, realm.lock()).await {
            Ok(mut last) => last.as_mut().map_or(Progress::UnderWay, |look| Progress::Over(look.tell())),
            Err(_) => Progress::UnderWay,
        }
    }

    fn realm(&self, uid: String) -> Arc<Realm> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Policies come and go; what is old enough to be looked at again is not worth keeping.
        known.retain(|of, realm| *of == uid || Arc::strong_count(realm) > 1 || is_young(realm));
        Arc::clone(known.entry(uid).or_default())
    }
}

fn is_young(realm: &Realm) -> bool {
    realm.try_lock().is_ok_and(|last| last.as_ref().is_some_and(|look| look.at.elapsed() < FRESH))
}

/// Name of the client scope.
fn scope_name(policy: &RestApiAuthPolicy, wanted: &Provisioning) -> String {
    let default = || format!("restward-{}-{}", policy.namespace().unwrap_or_default(), policy.name_any());
    wanted.client_scope.clone().unwrap_or_else(default)
}

/// Policies come and go with their names, and realms may serve several clusters.
fn desired(policy: &RestApiAuthPolicy, wanted: &Provisioning, cluster: &str, last: Option<&Look>) -> Desired {
    let is_present = wanted.state == ProvisioningState::Present;
    let clients = if is_present { wanted.clients.clone() } else { Vec::new() };
    let known = known(policy);
    let made = known.into_iter().flat_map(|status| &status.clients);
    let lately = last.into_iter().flat_map(Look::made);
    let mut gone: Vec<String> =
        made.chain(lately).chain(wanted.clients.iter().map(|of| &of.client)).cloned().collect();
    gone.retain(|id| clients.iter().all(|kept| kept.client != *id));
    gone.sort();
    gone.dedup();
    gone.truncate(MAX_CLIENTS);
    let audiences = || policy.spec.tokens.audiences.clone();
    Desired {
        realm: policy.spec.keycloak.realm.clone(),
        owner: format!("{cluster}/{}/{}", policy.namespace().unwrap_or_default(), policy.name_any()),
        scope: is_present.then(|| DesiredScope { name: scope_name(policy, wanted), audiences: audiences() }),
        clients,
        gone,
        // A policy of this name may have been deleted, and left what it listed.
        by_mark: !is_present || known.is_none_or(|status| status.clients.len() >= MAX_CLIENTS),
    }
}

fn known(policy: &RestApiAuthPolicy) -> Option<&ProvisioningStatus> {
    policy.status.as_ref()?.provisioning.as_ref()
}

/// For status. What was made is not forgotten because something else failed: it may have to be removed.
pub fn status(
    policy: &RestApiAuthPolicy,
    progress: Option<&Progress>,
    at: i64,
) -> Option<ProvisioningStatus> {
    let wanted = policy.spec.keycloak.provisioning.as_ref()?;
    let known = known(policy).cloned();
    let Some(Progress::Over(kept)) = progress else { return known };
    let known = known.unwrap_or_default();
    let last_change = match (kept.done.as_slice(), Timestamp::from_second(at)) {
        ([], _) | (_, Err(_)) => known.last_change,
        (done, Ok(at)) => Some(truncate(&format!("{at}: {}", done.join("; ")), MAX_CHANGE)),
    };
    let is_present = wanted.state == ProvisioningState::Present;
    let listed = wanted.clients.iter().map(|of| of.client.clone()).filter(|_| is_present);
    if kept.trouble.is_none() {
        let client_scope = is_present.then(|| scope_name(policy, wanted));
        return Some(ProvisioningStatus { client_scope, clients: listed.collect(), last_change });
    }
    let mut clients: Vec<String> = known.clients.into_iter().chain(listed).collect();
    clients.sort();
    clients.dedup();
    clients.truncate(MAX_CLIENTS);
    Some(ProvisioningStatus { client_scope: known.client_scope, clients, last_change })
}

/// What is in the way, and what is better avoided, for `status.advisories`.
pub fn advisories(policy: &RestApiAuthPolicy, progress: Option<&Progress>) -> Vec<String> {
    match progress {
        None => Vec::new(),
        Some(Progress::UnderWay) => {
            let is_ours = |told: &&String| {
                Advisory::of(told) == Some(Advisory::ProvisioningFailed)
                    || **told == Advisory::PlainHttp.says(PLAIN_HTTP)
            };
            policy.status.iter().flat_map(|status| &status.advisories).filter(is_ours).cloned().collect()
        }
        Some(Progress::Over(kept)) => {
            let failed = kept
                .trouble
                .iter()
                .map(|trouble| truncate(&Advisory::ProvisioningFailed.says(trouble), MAX_ADVICE));
            failed.chain(kept.is_plain_http.then(|| Advisory::PlainHttp.says(PLAIN_HTTP))).collect()
        }
    }
}

#[cfg(test)]
mod tests;
