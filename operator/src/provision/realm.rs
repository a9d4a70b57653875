//! Client scopes and clients as Keycloak's Admin REST API represents them, as far as they are looked at: whoever writes a policy's
//! Secret chooses who answers, so what is not needed is not kept. A client's secret, which is in its representation, is not.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// Longest name, and value of an attribute that is looked at: Keycloak's database takes 255 characters for a name.
const MAX_NAME: usize = 1024;

/// A client scope.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// As Keycloak calls it.
    #[serde(deserialize_with = "short")]
    pub id: String,
    /// As people do.
    #[serde(deserialize_with = "short")]
    pub name: String,
    /// Attributes.
    #[serde(default)]
    pub attributes: Attributes,
    /// What puts claims into tokens.
    #[serde(default)]
    pub protocol_mappers: Vec<Mapper>,
}

/// What puts a claim into tokens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mapper {
    /// As Keycloak calls it.
    #[serde(deserialize_with = "short")]
    pub id: String,
    /// As people do.
    pub name: String,
    /// What it does.
    pub protocol_mapper: String,
    /// With what.
    #[serde(default)]
    pub config: Audience,
}

/// Configuration of what puts an audience into tokens: the text, or the id of a client, and into which tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Audience {
    /// A text.
    #[serde(rename = "included.custom.audience", skip_serializing_if = "Option::is_none")]
    pub custom: Option<String>,
    /// A client.
    #[serde(rename = "included.client.audience", skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Whether access tokens have it.
    #[serde(rename = "access.token.claim", skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    /// Whether answers to questions about tokens do.
    #[serde(rename = "introspection.token.claim", skip_serializing_if = "Option::is_none")]
    pub introspection: Option<String>,
    /// Whether ID tokens do.
    #[serde(rename = "id.token.claim", skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

/// A client.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "they are Keycloak's")]
pub struct Client {
    /// As Keycloak calls it.
    #[serde(deserialize_with = "short")]
    pub id: String,
    /// As everybody else does.
    #[serde(deserialize_with = "short")]
    pub client_id: String,
    /// It has no secret.
    #[serde(default)]
    pub public_client: bool,
    /// Client credentials.
    #[serde(default)]
    pub service_accounts_enabled: bool,
    /// Authorization code.
    #[serde(default)]
    pub standard_flow_enabled: bool,
    /// Implicit.
    #[serde(default)]
    pub implicit_flow_enabled: bool,
    /// Password.
    #[serde(default)]
    pub direct_access_grants_enabled: bool,
    /// Attributes.
    #[serde(default)]
    pub attributes: Attributes,
    /// Names of the scopes that its tokens always have.
    #[serde(default)]
    pub default_client_scopes: BTreeSet<String>,
    /// Names of those that they have when asked.
    #[serde(default)]
    pub optional_client_scopes: BTreeSet<String>,
}

/// Of scopes and clients.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Attributes {
    /// [`restward_crds::names::REALM_MARK`]: whose it is.
    #[serde(rename = "restward.io/managed-by", deserialize_with = "short_or_none")]
    pub mark: Option<String>,
    /// Whether the device authorization grant is on.
    #[serde(rename = "oauth2.device.authorization.grant.enabled", deserialize_with = "short_or_none")]
    pub device: Option<String>,
}

impl Attributes {
    /// Whether they say that it belongs to `owner`.
    pub fn are_of(&self, owner: &str) -> bool {
        self.mark.as_deref() == Some(owner)
    }
}

impl Client {
    /// Without what is kept of other scopes than this one.
    #[must_use]
    pub fn with_scope(mut self, name: Option<&str>) -> Self {
        for scopes in [&mut self.default_client_scopes, &mut self.optional_client_scopes] {
            scopes.retain(|scope| Some(scope.as_str()) == name);
        }
        self
    }
}

/// What is longer is not Keycloak's, and would only be kept.
fn short<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.len() <= MAX_NAME { Ok(text) } else { Err(D::Error::custom("too long")) }
}

fn short_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    struct Short(#[serde(deserialize_with = "short")] String);
    Option::<Short>::deserialize(deserializer).map(|short| short.map(|Short(text)| text))
}
