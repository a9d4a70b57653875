//! Makes and keeps in a Keycloak realm what a policy's callers need (`keycloak.provisioning`): looks what is there, carries out
//! what is missing, and looks again until nothing is. See `docs/adr/0003-provisioning.md`.
//!
//! - [`realm`]: what is there, as Keycloak represents it
//! - [`plan`]: from what is wanted and what is there to the calls; pure
//! - [`admin`]: Keycloak's Admin REST API, and what its answers say

pub mod admin;
pub mod plan;
pub mod realm;

use std::time::Duration;

use crate::{
    discovery::{Failure, Guard},
    lease::fence::Closed,
};
use admin::{Admin, AdminClient};
use plan::{Call, Desired, Found, Taken};

/// For everything together: others wait for their turn.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is made in one round is given to clients in the next; what is superfluous then goes in the one after that.
const ROUNDS: usize = 3;
/// Calls in one round: a policy's clients, twice, and all its audiences are fewer.
const MAX_CALLS: usize = 256;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// What was carried out.
    pub done: Vec<String>,
    /// Why it is not all there.
    pub trouble: Option<Trouble>,
    /// Whether the client's secret went over http.
    pub is_plain_http: bool,
}

/// Why what is wanted is not there. Says what to do; never holds anything of the Secret but the address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The chart does not let the operator read it.
    #[error(
        "the operator may not read the Secret '{0}' of spec.keycloak.provisioning: add its name to keycloakProvisioning.secretNames of \
         the chart's values"
    )]
    NotReadable(String),
    /// It is not there, or not whole.
    #[error(
        "this namespace has no Secret '{0}' with the keys keycloak-url, admin-client-id and admin-client-secret, which \
         spec.keycloak.provisioning names"
    )]
    NoSecret(String),
    /// Its address is none.
    #[error("keycloak-url of the Secret {0}")]
    BadUrl(String),
    /// The API server does not say what is there.
    #[error("the API server did not give {0}; it is asked again")]
    NotTold(String),
    /// The authority is none.
    #[error("ca.crt of the Secret of spec.keycloak.provisioning holds no usable certificate")]
    NoAuthority,
    /// No answer.
    #[error("{0}")]
    Unreachable(String),
    /// It is all there, only slowly.
    #[error("Keycloak at {0} answers so slowly that not all was done within {secs} seconds; it goes on in a minute", secs = PATIENCE.as_secs())]
    Slow(String),
    /// There is no such realm.
    #[error("Keycloak has no realm of that name at keycloak-url ({0}): compare it and spec.keycloak.realm")]
    NoRealm(String),
    /// The client's id or secret is wrong.
    #[error(
        "Keycloak does not accept the operator's client ({0}): compare admin-client-id and admin-client-secret with the client in the \
         realm of the policy; it needs 'Client authentication' and 'Service account roles'"
    )]
    NotAccepted(String),
    /// It may not.
    #[error(
        "the operator's client may not {0}: give its service account the role manage-clients of realm-management (Service account \
         roles > Assign role), or a fine-grained permission of the same reach"
    )]
    NotAllowed(String),
    /// Somebody else's has the name.
    #[error(transparent)]
    Taken(#[from] Taken),
    /// The same, and the operator's client may not see it.
    #[error(
        "Keycloak would not {0}, as there is one already that the operator's client may not see: take another name, or let it see \
         that one"
    )]
    Hidden(String),
    /// Something else.
    #[error("Keycloak answered {1} when it was to {0}")]
    Odd(String, u16),
    /// What was done is undone.
    #[error(
        "what the operator changes does not stay so: it was to {0} once more; does somebody else manage the same in Keycloak?"
    )]
    NotStaying(String),
    /// It is another replica's now.
    #[error(transparent)]
    NotLeading(#[from] Closed),
}

impl Trouble {
    /// Whether Keycloak said so of one call, and others may be carried out.
    const fn is_of_one_call(&self) -> bool {
        matches!(self, Self::NotAllowed(_) | Self::Hidden(_) | Self::Odd(..))
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Unreachable(failure.message)
    }
}

/// Has the realm be as `desired`. Each change has to `pass` first: two replicas must not undo each other's.
pub async fn keep(
    client: &AdminClient,
    guard: Guard,
    pass: impl Fn() -> Result<(), Closed>,
    desired: &Desired,
) -> Kept {
    keep_within(PATIENCE, client, guard, pass, desired).await
}

async fn keep_within(
    patience: Duration,
    client: &AdminClient,
    guard: Guard,
    pass: impl Fn() -> Result<(), Closed>,
    desired: &Desired,
) -> Kept {
    let mut done = Vec::new();
    let rounds = async {
        let admin = Admin::log_in(client, guard, &desired.realm).await?;
        rounds(&admin, pass, desired, &mut done).await
    };
    let trouble = match tokio::time::timeout(patience, rounds).await {
        Ok(outcome) => outcome.err(),
        // One that is silent is given up long before.
        Err(_) => Some(Trouble::Slow(client.address().to_owned())),
    };
    Kept { done, trouble, is_plain_http: client.is_plain_http() }
}

/// What one call is refused for leaves the others to be carried out; the first such is told.
async fn rounds(
    admin: &Admin,
    pass: impl Fn() -> Result<(), Closed>,
    desired: &Desired,
    done: &mut Vec<String>,
) -> Result<(), Trouble> {
    let mut refused: Vec<Call> = Vec::new();
    let mut trouble = None;
    for _ in 0..ROUNDS {
        let plan = plan::plan(desired, &find(admin, desired).await?);
        let calls: Vec<Call> = plan.calls.into_iter().filter(|call| !refused.contains(call)).collect();
        if calls.is_empty() {
            return trouble.or_else(|| plan.taken.map(Trouble::from)).map_or(Ok(()), Err);
        }
        for call in calls.into_iter().take(MAX_CALLS) {
            pass()?;
            match admin.carry_out(&call).await {
                Ok(()) => done.push(call.what),
                Err(of_it) if of_it.is_of_one_call() => {
                    trouble.get_or_insert(of_it);
                    refused.push(call);
                }
                Err(of_all) => return Err(of_all),
            }
        }
    }
    let left = plan::plan(desired, &find(admin, desired).await?);
    let call = left.calls.into_iter().find(|call| !refused.contains(call));
    let is_undone = || call.map(|call| Trouble::NotStaying(call.what));
    trouble.or_else(|| left.taken.map(Trouble::from)).or_else(is_undone).map_or(Ok(()), Err)
}

async fn find(admin: &Admin, desired: &Desired) -> Result<Found, Trouble> {
    let scopes = admin.scopes(|scope| desired.concerned_by(scope)).await?;
    let kept = desired.own(&scopes).first().map(|scope| scope.name.as_str());
    let mut clients = Vec::new();
    for id in desired.client_ids() {
        clients.extend(admin.client(id).await?.map(|client| client.with_scope(kept)));
    }
    if desired.by_mark {
        clients.extend(admin.marked(&desired.owner).await?);
    }
    // By a stable order: what is known of one that was found twice is what was found by its name.
    clients.sort_by(|a, b| a.id.cmp(&b.id));
    clients.dedup_by(|a, b| a.id == b.id);
    Ok(Found { scopes, clients })
}

#[cfg(test)]
mod tests;
