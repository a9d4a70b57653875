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
use plan::{Desired, Found, Taken};

/// For everything together: the policy's status waits for it.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is made in one round is given to clients in the next, and the one after that finds nothing left to do.
const ROUNDS: usize = 3;

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
    /// No answer.
    #[error("{0}")]
    Unreachable(String),
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

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Unreachable(failure.message)
    }
}

/// Has the realm be as `desired`. Each change has to `pass` first: two replicas must not undo each other's.
pub async fn keep(
    client: &AdminClient,
    ca_pem: Option<&str>,
    guard: Guard,
    pass: impl Fn() -> Result<(), Closed>,
    desired: &Desired,
) -> Kept {
    let mut done = Vec::new();
    let rounds = async {
        let admin = Admin::log_in(client, ca_pem, guard, &desired.realm).await?;
        rounds(&admin, pass, desired, &mut done).await
    };
    let trouble = match tokio::time::timeout(PATIENCE, rounds).await {
        Ok(outcome) => outcome.err(),
        Err(_) => Some(Trouble::Unreachable(format!(
            "Keycloak at {} did not answer within {} seconds",
            client.address(),
            PATIENCE.as_secs()
        ))),
    };
    Kept { done, trouble, is_plain_http: client.is_plain_http() }
}

async fn rounds(
    admin: &Admin,
    pass: impl Fn() -> Result<(), Closed>,
    desired: &Desired,
    done: &mut Vec<String>,
) -> Result<(), Trouble> {
    for _ in 0..ROUNDS {
        let calls = plan::plan(desired, &find(admin, desired).await?)?;
        if calls.is_empty() {
            return Ok(());
        }
        for call in calls {
            pass()?;
            admin.carry_out(&call).await?;
            done.push(call.what);
        }
    }
    let left = plan::plan(desired, &find(admin, desired).await?)?;
    left.into_iter().next().map_or(Ok(()), |call| Err(Trouble::NotStaying(call.what)))
}

async fn find(admin: &Admin, desired: &Desired) -> Result<Found, Trouble> {
    let mut clients = Vec::new();
    for id in desired.client_ids() {
        clients.extend(admin.client(id).await?);
    }
    Ok(Found { scopes: admin.scopes().await?, clients })
}
