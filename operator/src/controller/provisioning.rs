//! What a policy wants of its realm (`keycloak.provisioning`), how often the realm is looked at for it, and what status says.
//! The work itself is in [`crate::provision`]. Nothing that pods need waits for it, and `Ready` does not count it.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::core::v1::{Namespace, Secret},
    jiff::Timestamp,
};
use kube::{Api, Client, ResourceExt};
use restward_crds::api::v1alpha1::{Provisioning, ProvisioningState, ProvisioningStatus, RestApiAuthPolicy};
use tokio::sync::{Mutex, OnceCell};

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
/// Namespace whose UID tells clusters apart.
const CLUSTER: &str = "kube-system";
/// Most of what was done at once that status repeats.
const MAX_CHANGE: usize = 2048;
const PLAIN_HTTP: &str = "PlainHttp: the secret of spec.keycloak.provisioning goes to Keycloak over http; whoever is on the way can \
                          manage the clients of the realm";

/// UID of the cluster.
async fn cluster_uid(client: &Client) -> kube::Result<String> {
    let cluster = Api::<Namespace>::all(client.clone()).get_metadata(CLUSTER).await?;
    Ok(cluster.uid().unwrap_or_default())
}

/// The client as which it is done.
async fn admin_client(
    client: &Client,
    policy: &RestApiAuthPolicy,
    wanted: &Provisioning,
) -> kube::Result<Result<AdminClient, Trouble>> {
    let name = &wanted.admin_secret_ref.name;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &policy.namespace().unwrap_or_default());
    match secrets.get_opt(name).await {
        Ok(secret) => {
            let data = secret.and_then(|secret| secret.data).unwrap_or_default();
            let data = data.into_iter().map(|(key, item)| (key, item.0)).collect();
            Ok(AdminClient::from_secret(name, &data))
        }
        Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(Err(Trouble::NotReadable(name.clone()))),
        Err(error) => Err(error),
    }
}

/// What came of it lately, by the policy's UID.
pub struct Realms {
    guard: Guard,
    fence: Fence,
    /// Once it was asked for; it stays.
    cluster: OnceCell<String>,
    known: Mutex<HashMap<String, Remembered>>,
}

struct Remembered {
    desired: Desired,
    admin: AdminClient,
    ca_pem: Option<String>,
    at: Instant,
    trouble: Option<Trouble>,
}

impl Remembered {
    /// Clients that may be there. Status says so too, but may come late from the API server.
    fn made(&self) -> impl Iterator<Item = &String> {
        let gone = self.desired.gone.iter().filter(|_| self.trouble.is_some());
        self.desired.clients.iter().map(|of| &of.client).chain(gone)
    }
}

impl Realms {
    /// With the addresses that `guard` admits, as long as `fence` lets changes pass.
    pub fn new(guard: Guard, fence: Fence) -> Self {
        Self { guard, fence, cluster: OnceCell::new(), known: Mutex::default() }
    }

    /// Has the realm be as the policy wants it, unless it was lately. The Secret of a policy that is not accepted is not read.
    ///
    /// # Errors
    /// The API server could not be asked.
    pub async fn keep(
        &self,
        client: &Client,
        policy: &RestApiAuthPolicy,
        accepted: Option<&Validated>,
    ) -> kube::Result<Option<Kept>> {
        let (Some(wanted), Some(validated)) = (&policy.spec.keycloak.provisioning, accepted) else {
            return Ok(None);
        };
        let cluster = self.cluster.get_or_try_init(|| cluster_uid(client)).await?;
        Ok(Some(match admin_client(client, policy, wanted).await? {
            Ok(admin) => self.keep_as(admin, policy, wanted, cluster, validated.ca_pem.clone()).await,
            Err(trouble) => Kept { trouble: Some(trouble), ..Kept::default() },
        }))
    }

    async fn keep_as(
        &self,
        admin: AdminClient,
        policy: &RestApiAuthPolicy,
        wanted: &Provisioning,
        cluster: &str,
        ca_pem: Option<String>,
    ) -> Kept {
        let uid = policy.uid().unwrap_or_default();
        let mut known = self.known.lock().await;
        let lately = known.get(&uid);
        let desired = desired(policy, wanted, cluster, lately.into_iter().flat_map(Remembered::made));
        if let Some(lately) = lately
            && (&lately.desired, &lately.admin, &lately.ca_pem) == (&desired, &admin, &ca_pem)
            && lately.at.elapsed() < if lately.trouble.is_none() { FRESH } else { FAILED }
        {
            let is_plain_http = admin.is_plain_http();
            return Kept { done: Vec::new(), trouble: lately.trouble.clone(), is_plain_http };
        }
        // Not under the lock: one slow Keycloak must not hold up the policies of others.
        drop(known);
        let pass = || self.fence.pass();
        let kept = provision::keep(&admin, ca_pem.as_deref(), self.guard, pass, &desired).await;
        known = self.known.lock().await;
        known.retain(|_, known| known.at.elapsed() < FRESH);
        let trouble = kept.trouble.clone();
        known.insert(uid, Remembered { desired, admin, ca_pem, at: Instant::now(), trouble });
        kept
    }
}

/// Name of the client scope.
fn scope_name(policy: &RestApiAuthPolicy, wanted: &Provisioning) -> String {
    let default = || format!("restward-{}-{}", policy.namespace().unwrap_or_default(), policy.name_any());
    wanted.client_scope.clone().unwrap_or_else(default)
}

/// Policies come and go with their names, and realms may serve several clusters.
fn desired<'a>(
    policy: &'a RestApiAuthPolicy,
    wanted: &'a Provisioning,
    cluster: &str,
    lately: impl Iterator<Item = &'a String>,
) -> Desired {
    let is_present = wanted.state == ProvisioningState::Present;
    let clients = if is_present { wanted.clients.clone() } else { Vec::new() };
    let made = known(policy).into_iter().flat_map(|status| &status.clients).chain(lately);
    let mut gone: Vec<String> = made.chain(wanted.clients.iter().map(|of| &of.client)).cloned().collect();
    gone.retain(|id| clients.iter().all(|kept| kept.client != *id));
    gone.sort();
    gone.dedup();
    let audiences = || policy.spec.tokens.audiences.clone();
    Desired {
        realm: policy.spec.keycloak.realm.clone(),
        owner: format!("{cluster}/{}/{}", policy.namespace().unwrap_or_default(), policy.name_any()),
        scope: is_present.then(|| DesiredScope { name: scope_name(policy, wanted), audiences: audiences() }),
        clients,
        gone,
    }
}

fn known(policy: &RestApiAuthPolicy) -> Option<&ProvisioningStatus> {
    policy.status.as_ref()?.provisioning.as_ref()
}

/// For status. What was made is not forgotten because something else failed: it may have to be removed.
pub fn status(policy: &RestApiAuthPolicy, kept: Option<&Kept>, at: i64) -> Option<ProvisioningStatus> {
    let wanted = policy.spec.keycloak.provisioning.as_ref()?;
    let known = known(policy).cloned();
    let Some(kept) = kept else { return known };
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
    Some(ProvisioningStatus { client_scope: known.client_scope, clients, last_change })
}

/// What is in the way, and what is better avoided, for `status.advisories`.
pub fn advisories(kept: Option<&Kept>) -> impl Iterator<Item = String> {
    let trouble = kept.and_then(|kept| kept.trouble.as_ref());
    let failed = trouble.map(|trouble| format!("ProvisioningFailed: {trouble}"));
    let plain = kept.filter(|kept| kept.is_plain_http).map(|_| PLAIN_HTTP.to_owned());
    failed.into_iter().chain(plain)
}

#[cfg(test)]
mod tests;
