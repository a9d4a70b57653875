//! Client scopes and clients as Keycloak's Admin REST API represents them, as far as they are looked at. A client's secret,
//! which is in its representation, is not.

use std::collections::BTreeMap;

use restward_crds::names;
use serde::Deserialize;
use serde_json::Value;

/// Of scopes, clients and mappers.
pub type Attributes = BTreeMap<String, Value>;

/// A client scope.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// As Keycloak calls it.
    pub id: String,
    /// As people do.
    pub name: String,
    /// Attributes.
    #[serde(default)]
    pub attributes: Attributes,
    /// What puts claims into tokens.
    #[serde(default)]
    pub protocol_mappers: Vec<Mapper>,
}

/// What puts a claim into tokens.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mapper {
    /// As Keycloak calls it.
    pub id: String,
    /// As people do.
    pub name: String,
    /// What it does.
    pub protocol_mapper: String,
    /// With what.
    #[serde(default)]
    pub config: Attributes,
}

/// A client.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// As Keycloak calls it.
    pub id: String,
    /// As everybody else does.
    pub client_id: String,
    /// Its flows, and whether it has a secret.
    #[serde(flatten)]
    pub flows: Flows,
    /// Attributes.
    #[serde(default)]
    pub attributes: Attributes,
    /// Names of the scopes that its tokens always have.
    #[serde(default)]
    pub default_client_scopes: Vec<String>,
    /// Names of those that they have when asked.
    #[serde(default)]
    pub optional_client_scopes: Vec<String>,
}

/// What a client can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "they are Keycloak's")]
pub struct Flows {
    /// It has no secret.
    pub public_client: bool,
    /// Client credentials.
    pub service_accounts_enabled: bool,
    /// Authorization code.
    pub standard_flow_enabled: bool,
    /// Implicit.
    pub implicit_flow_enabled: bool,
    /// Password.
    pub direct_access_grants_enabled: bool,
}

/// Whether this attribute of something says that it belongs to `owner`.
pub fn is_marked(attributes: &Attributes, owner: &str) -> bool {
    attributes.get(names::REALM_MARK).and_then(Value::as_str) == Some(owner)
}
