//! From what is wanted and what is there to the calls that make the one of the other. Pure.

use std::collections::BTreeMap;

use restward_crds::{
    api::v1alpha1::{ClientPurpose, ProvisionedClient},
    names,
};
use serde_json::{Value, json};

use super::realm::{Client, Flows, Mapper, Scope, is_marked};

/// Mappers of a scope that begin so are the operator's; others are whoever's made them.
const OWN_MAPPERS: &str = "restward-audience";
const AUDIENCE: &str = "oidc-audience-mapper";
/// Switches the device authorization grant on.
const DEVICE: &str = "oauth2.device.authorization.grant.enabled";

/// What is to be in the realm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Name of the realm.
    pub realm: String,
    /// What marks everything that is this policy's.
    pub owner: String,
    /// The client scope; none: there is to be none.
    pub scope: Option<DesiredScope>,
    /// Clients.
    pub clients: Vec<ProvisionedClient>,
    /// Clients that were made and are not to be there any more.
    pub gone: Vec<String>,
}

/// A client scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredScope {
    /// Its name.
    pub name: String,
    /// Audiences that it puts into tokens.
    pub audiences: Vec<String>,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// All client scopes of the realm.
    pub scopes: Vec<Scope>,
    /// Those of [`Desired::client_ids`].
    pub clients: Vec<Client>,
}

/// What has the name of something that is to be made was not made for this policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the realm has a {thing} that was not made for this policy, so it is left alone: take another name, or hand it over by giving it \
     the attribute {mark}={owner} (docs/setup/keycloak.md)",
    mark = names::REALM_MARK
)]
pub struct Taken {
    thing: String,
    owner: String,
}

/// A call of the Admin REST API.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// POST, PUT or DELETE.
    pub method: http::Method,
    /// Below the realm.
    pub path: Vec<String>,
    /// JSON, where there is a body.
    pub body: Option<Value>,
    /// For people: what it is to do.
    pub what: String,
}

impl Desired {
    /// Clients that have to be looked at.
    pub fn client_ids(&self) -> impl Iterator<Item = &str> {
        self.clients.iter().map(|client| client.client.as_str()).chain(self.gone.iter().map(String::as_str))
    }

    fn taken(&self, thing: String) -> Taken {
        Taken { thing, owner: self.owner.clone() }
    }
}

/// The calls; none when everything is as it should be.
///
/// # Errors
/// Something else has a name that is needed.
pub fn plan(desired: &Desired, found: &Found) -> Result<Vec<Call>, Taken> {
    let mut calls = Vec::new();
    let mut own: Vec<&Scope> =
        found.scopes.iter().filter(|scope| is_marked(&scope.attributes, &desired.owner)).collect();
    own.sort_by_key(|scope| {
        (desired.scope.as_ref().map(|wanted| &wanted.name) != Some(&scope.name), &scope.id)
    });
    let scope = own.first().copied();
    for wanted in &desired.clients {
        calls.extend(client(desired, wanted, scope, found)?);
    }
    for id in &desired.gone {
        let there = found.clients.iter().find(|client| client.client_id == *id);
        let own = there.filter(|client| is_marked(&client.attributes, &desired.owner));
        calls.extend(own.map(|client| delete(["clients", &client.id], format!("remove the client '{id}'"))));
    }
    match (&desired.scope, scope) {
        (Some(wanted), scope) => calls.extend(keep_scope(desired, wanted, scope, found)?),
        (None, _) => calls.extend(own.iter().map(|scope| {
            delete(["client-scopes", &scope.id], format!("remove the client scope '{}'", scope.name))
        })),
    }
    Ok(calls)
}

fn keep_scope(
    desired: &Desired,
    wanted: &DesiredScope,
    own: Option<&Scope>,
    found: &Found,
) -> Result<Vec<Call>, Taken> {
    let name = &wanted.name;
    let mappers = mappers(desired, wanted);
    let is_taken = found.scopes.iter().any(|scope| scope.name == *name && Some(scope) != own);
    if is_taken {
        return Err(desired.taken(format!("client scope '{name}'")));
    }
    let Some(own) = own else {
        let body = json!({
            "name": name, "protocol": "openid-connect",
            "description": "Made by Restward: tokens with it are meant for Confluence.",
            "attributes": {
                names::REALM_MARK: desired.owner, "include.in.token.scope": "false", "display.on.consent.screen": "false",
            },
            "protocolMappers": mappers.iter().map(|(name, config)| representation(name, config)).collect::<Vec<_>>(),
        });
        return Ok(vec![post(["client-scopes"], body, format!("make the client scope '{name}'"))]);
    };
    let mut calls = Vec::new();
    if own.name != *name {
        let body = json!({"name": name, "protocol": "openid-connect"});
        let what = format!("call the client scope '{}' '{name}'", own.name);
        calls.push(put(["client-scopes", &own.id], Some(body), what));
    }
    calls.extend(keep_mappers(own, &mappers));
    Ok(calls)
}

/// The operator's mappers of a scope, by their names.
fn mappers(desired: &Desired, wanted: &DesiredScope) -> BTreeMap<String, BTreeMap<&'static str, String>> {
    let audience = |kind: &'static str, value: &str| {
        let switch = |name: &'static str, on: bool| (name, on.to_string());
        BTreeMap::from([
            (kind, value.to_owned()),
            switch("access.token.claim", true),
            switch("introspection.token.claim", true),
            switch("id.token.claim", false),
        ])
    };
    let custom = wanted
        .audiences
        .iter()
        .map(|value| (format!("{OWN_MAPPERS}:{value}"), audience("included.custom.audience", value)));
    let asking = desired.clients.iter().filter(|client| client.purpose == ClientPurpose::Introspection);
    let clients = asking.map(|ProvisionedClient { client, .. }| {
        (format!("{OWN_MAPPERS}-client:{client}"), audience("included.client.audience", client))
    });
    custom.chain(clients).collect()
}

fn representation(name: &str, config: &BTreeMap<&'static str, String>) -> Value {
    json!({"name": name, "protocol": "openid-connect", "protocolMapper": AUDIENCE, "config": config})
}

fn keep_mappers(scope: &Scope, wanted: &BTreeMap<String, BTreeMap<&'static str, String>>) -> Vec<Call> {
    let models = ["client-scopes", &scope.id, "protocol-mappers", "models"];
    let of_scope =
        |verb: &str, name: &str| format!("{verb} the mapper '{name}' of the client scope '{}'", scope.name);
    let is_right = |mapper: &Mapper, config: &BTreeMap<&'static str, String>| {
        let has =
            |(name, value): (&&str, &String)| mapper.config.get(*name).and_then(Value::as_str) == Some(value);
        mapper.protocol_mapper == AUDIENCE && config.iter().all(has)
    };
    let mut calls = Vec::new();
    for (name, config) in wanted {
        let body = representation(name, config);
        match scope.protocol_mappers.iter().find(|mapper| mapper.name == *name) {
            None => calls.push(post(models, body, of_scope("make", name))),
            Some(mapper) if !is_right(mapper, config) => {
                let path = models.into_iter().chain([mapper.id.as_str()]);
                let body = extended(body, json!({"id": mapper.id}));
                calls.push(put(path, Some(body), of_scope("put right", name)));
            }
            Some(_) => {}
        }
    }
    let superfluous =
        |mapper: &&Mapper| mapper.name.starts_with(OWN_MAPPERS) && !wanted.contains_key(&mapper.name);
    for mapper in scope.protocol_mappers.iter().filter(superfluous) {
        let path = models.into_iter().chain([mapper.id.as_str()]);
        calls.push(delete(path, of_scope("remove", &mapper.name)));
    }
    calls
}

/// What its purpose asks of a client.
fn flows(purpose: ClientPurpose) -> Flows {
    let is_public = purpose == ClientPurpose::Device;
    Flows { public_client: is_public, service_accounts_enabled: !is_public, ..Flows::default() }
}

fn client(
    desired: &Desired,
    wanted: &ProvisionedClient,
    scope: Option<&Scope>,
    found: &Found,
) -> Result<Vec<Call>, Taken> {
    let ProvisionedClient { client: id, purpose } = wanted;
    let flows = flows(*purpose);
    let is_device = *purpose == ClientPurpose::Device;
    let device = is_device.to_string();
    let body = json!({
        "clientId": id, "publicClient": flows.public_client, "serviceAccountsEnabled": flows.service_accounts_enabled,
        "standardFlowEnabled": flows.standard_flow_enabled, "implicitFlowEnabled": flows.implicit_flow_enabled,
        "directAccessGrantsEnabled": flows.direct_access_grants_enabled, "attributes": {DEVICE: device},
    });
    let Some(there) = found.clients.iter().find(|client| client.client_id == *id) else {
        let first = json!({
            "protocol": "openid-connect", "description": "Made by Restward.",
            // The realm's roles are no business of Confluence's; whoever asks for them in the policy switches them on.
            "fullScopeAllowed": false, "attributes": {DEVICE: device, names::REALM_MARK: desired.owner},
        });
        return Ok(vec![post(["clients"], extended(body, first), format!("make the client '{id}'"))]);
    };
    if !is_marked(&there.attributes, &desired.owner) {
        return Err(desired.taken(format!("client '{id}'")));
    }
    let mut calls = Vec::new();
    let has_device = there.attributes.get(DEVICE).and_then(Value::as_str) == Some("true");
    if there.flows != flows || has_device != is_device {
        calls.push(put(
            ["clients", &there.id],
            Some(body),
            format!("put the flows of the client '{id}' right"),
        ));
    }
    if let Some(scope) = scope.filter(|_| *purpose != ClientPurpose::Introspection) {
        calls.extend(give(there, scope));
    }
    Ok(calls)
}

/// Keycloak leaves an optional scope optional when it is to be made a default one, and says that it is done.
fn give(client: &Client, scope: &Scope) -> Vec<Call> {
    let path = |kind| ["clients", client.id.as_str(), kind, scope.id.as_str()];
    if client.default_client_scopes.contains(&scope.name) {
        return Vec::new();
    }
    let what = |verb| format!("{verb} the client '{}' the client scope '{}'", client.client_id, scope.name);
    let take = || delete(path("optional-client-scopes"), what("take from"));
    let is_optional = client.optional_client_scopes.contains(&scope.name);
    let give = put(path("default-client-scopes"), None, what("give"));
    is_optional.then(take).into_iter().chain([give]).collect()
}

/// With these members too, or instead.
fn extended(mut object: Value, more: Value) -> Value {
    if let (Some(members), Value::Object(more)) = (object.as_object_mut(), more) {
        members.extend(more);
    }
    object
}

fn call<'a>(
    method: http::Method,
    path: impl IntoIterator<Item = &'a str>,
    body: Option<Value>,
    what: String,
) -> Call {
    Call { method, path: path.into_iter().map(ToOwned::to_owned).collect(), body, what }
}

fn post<'a>(path: impl IntoIterator<Item = &'a str>, body: Value, what: String) -> Call {
    call(http::Method::POST, path, Some(body), what)
}

fn put<'a>(path: impl IntoIterator<Item = &'a str>, body: Option<Value>, what: String) -> Call {
    call(http::Method::PUT, path, body, what)
}

fn delete<'a>(path: impl IntoIterator<Item = &'a str>, what: String) -> Call {
    call(http::Method::DELETE, path, None, what)
}

#[cfg(test)]
mod tests;
