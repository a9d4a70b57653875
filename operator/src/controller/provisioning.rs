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
use tokio::sync::Mutex;

use super::validate::Validated;
use crate::{
    discovery::Guard,
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

/// What the cluster has for it.
pub struct Given {
    /// UID of the cluster.
    pub cluster: String,
    /// The client as which it is done.
    pub admin: Result<AdminClient, Trouble>,
}

/// Fetches it, where the policy wants it.
///
/// # Errors
/// The API server could not be asked.
pub async fn dereference(client: &Client, policy: &RestApiAuthPolicy) -> Result<Option<Given>, kube::Error> {
    let Some(wanted) = &policy.spec.keycloak.provisioning else { return Ok(None) };
    let cluster = Api::<Namespace>::all(client.clone()).get(CLUSTER).await?.uid().unwrap_or_default();
    let name = &wanted.admin_secret_ref.name;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &policy.namespace().unwrap_or_default());
    let admin = match secrets.get_opt(name).await {
        Ok(secret) => {
            let data = secret.and_then(|secret| secret.data).unwrap_or_default();
            AdminClient::from_secret(name, &data.into_iter().map(|(key, item)| (key, item.0)).collect())
        }
        Err(kube::Error::Api(status)) if status.is_forbidden() => Err(Trouble::NotReadable(name.clone())),
        Err(error) => return Err(error),
    };
    Ok(Some(Given { cluster, admin }))
}

/// What came of it lately, by the policy's UID.
pub struct Realms {
    guard: Guard,
    known: Mutex<HashMap<String, Remembered>>,
}

struct Remembered {
    desired: Desired,
    admin: AdminClient,
    ca_pem: Option<String>,
    at: Instant,
    trouble: Option<Trouble>,
}

impl Realms {
    /// With the addresses that `guard` admits.
    pub fn new(guard: Guard) -> Self {
        Self { guard, known: Mutex::default() }
    }

    /// Has the realm be as the policy wants it, unless it was lately.
    pub async fn keep(
        &self,
        policy: &RestApiAuthPolicy,
        validated: &Validated,
        given: Option<&Given>,
    ) -> Option<Kept> {
        let (wanted, given) = (policy.spec.keycloak.provisioning.as_ref()?, given?);
        let admin = match &given.admin {
            Ok(admin) => admin,
            Err(trouble) => return Some(Kept { done: Vec::new(), trouble: Some(trouble.clone()) }),
        };
        let desired = desired(policy, wanted, &given.cluster);
        let uid = policy.uid().unwrap_or_default();
        if let Some(known) = self.known.lock().await.get(&uid)
            && (&known.desired, &known.admin, &known.ca_pem) == (&desired, admin, &validated.ca_pem)
            && known.at.elapsed() < if known.trouble.is_none() { FRESH } else { FAILED }
        {
            return Some(Kept { done: Vec::new(), trouble: known.trouble.clone() });
        }
        // Not under the lock: one slow Keycloak must not hold up the policies of others.
        let kept = provision::keep(admin, validated.ca_pem.as_deref(), self.guard, &desired).await;
        let remembered = Remembered {
            desired,
            admin: admin.clone(),
            ca_pem: validated.ca_pem.clone(),
            at: Instant::now(),
            trouble: kept.trouble.clone(),
        };
        let mut known = self.known.lock().await;
        known.retain(|_, known| known.at.elapsed() < FRESH);
        known.insert(uid, remembered);
        Some(kept)
    }
}

/// Name of the client scope.
fn scope_name(policy: &RestApiAuthPolicy, wanted: &Provisioning) -> String {
    let default = || format!("restward-{}-{}", policy.namespace().unwrap_or_default(), policy.name_any());
    wanted.client_scope.clone().unwrap_or_else(default)
}

/// Policies come and go with their names, and realms may serve several clusters.
fn desired(policy: &RestApiAuthPolicy, wanted: &Provisioning, cluster: &str) -> Desired {
    let is_present = wanted.state == ProvisioningState::Present;
    let clients = if is_present { wanted.clients.clone() } else { Vec::new() };
    let made = known(policy).map(|status| status.clients.clone()).unwrap_or_default();
    let mut gone: Vec<String> =
        made.into_iter().chain(wanted.clients.iter().map(|of| of.client.clone())).collect();
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
        (done, Ok(at)) => Some(format!("{at}: {}", done.join("; "))),
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

/// What is in the way, for `status.advisories`.
pub fn advisory(kept: Option<&Kept>) -> Option<String> {
    let trouble = kept?.trouble.as_ref()?;
    Some(format!("ProvisioningFailed: {trouble}"))
}

#[cfg(test)]
mod tests;
