//! What the operator makes and keeps in the realm.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names;

/// What the operator makes in the realm, and puts right when somebody changes it: a client scope with the audiences of
/// `tokens.audiences`, and clients that have it. Only what carries this policy's mark (the attribute `restward.io/managed-by`)
/// is ever changed or removed; what has the name already and not the mark is left alone and reported. What stands here is made
/// in the realm whoever wrote it: give the Secret only to namespaces whose authors of policies may manage the realm's clients.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provisioning {
    /// The client as which the operator does it: a Secret with the keys `keycloak-url`, `admin-client-id` and
    /// `admin-client-secret`, whose name is in the chart's `keycloakProvisioning.secretNames`; and `ca.crt` (PEM) where no public
    /// authority signed Keycloak's certificate, as `caCertificateRefs` is not used for it.
    pub admin_secret_ref: AdminSecretRef,
    /// Present makes and keeps it. Absent removes all of it, whoever remembers it, also from clients that others gave the scope
    /// to; after that this whole member may go. A policy that is deleted, or loses this member, leaves everything in the realm.
    #[serde(default)]
    pub state: ProvisioningState,
    /// Name of the client scope. Default: `restward-<namespace>-<name>`. A change renames it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[A-Za-z0-9._:/-]+$"))]
    pub client_scope: Option<String>,
    /// Clients. One that is taken from the list is removed, with its secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["client".into()]))]
    pub clients: Vec<ProvisionedClient>,
}

/// A Secret with the keys `keycloak-url` (base URL under which the operator reaches Keycloak: what stands in front of
/// `/admin/realms/`), `admin-client-id` and `admin-client-secret` (a client of the realm whose service account has the role
/// `manage-clients` of `realm-management`); with `ca.crt` (PEM) only that certificate authority is trusted, else the public ones,
/// and `caCertificateRefs` never is. The operator reads it only where the chart's `keycloakProvisioning.secretNames` has its name;
/// and address and authority stand in the Secret, so that a policy cannot have the client's secret sent elsewhere.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminSecretRef {
    /// Name of the Secret, in the policy's namespace.
    #[schemars(length(min = 1, max = 253), regex(pattern = names::OBJECT_NAME))]
    pub name: String,
}

/// Whether it is to be there.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ProvisioningState {
    /// Made and kept.
    #[default]
    Present,
    /// Removed.
    Absent,
}

/// A client of the realm.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvisionedClient {
    /// Client id.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[A-Za-z0-9._:/@-]+$"))]
    pub client: String,
    /// What it is for: `ServiceAccount` (a program that calls for itself, to be listed in `serviceAccounts` too), `Device` (command
    /// lines of people, who log in with a browser; no secret) or `Introspection` (the client of `keycloak.clientSecretRef`).
    /// Keycloak makes its secret, where it has one; the operator does not keep it. Whether the client is enabled, its secret, its
    /// further scopes, mappers and settings are yours.
    pub purpose: ClientPurpose,
}

/// What a client is for.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientPurpose {
    /// A program that calls for itself, by client credentials; list it in `serviceAccounts` too.
    ServiceAccount,
    /// Command lines of people, who log in with a browser (device authorization grant); it has no secret.
    Device,
    /// The client of `keycloak.clientSecretRef`, as which the sidecar asks about tokens. It comes into their audience, without
    /// which Keycloak 26.6.2 and later call every token inactive.
    Introspection,
}

/// What the operator has made in the realm.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvisioningStatus {
    /// The client scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_scope: Option<String>,
    /// The clients. While the advisory `ProvisioningFailed` is told, some may not be there yet, or still be there, and of many not
    /// all are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<String>,
    /// What it did last, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_change: Option<String>,
}

impl ProvisioningStatus {
    /// Whether it made nothing, or removed all of it.
    pub const fn is_empty(&self) -> bool {
        self.client_scope.is_none() && self.clients.is_empty()
    }
}
