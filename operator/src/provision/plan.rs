//! From what is wanted and what is there to the calls that make the one of the other. Pure.

mod mappers;

use restward_crds::{
    api::v1alpha1::{ClientPurpose, ProvisionedClient},
    names,
    text::harmless,
};
use serde_json::{Value, json};

use super::realm::{Client, Scope};
use crate::conditions::truncate;

/// Switches the device authorization grant on.
const DEVICE: &str = "oauth2.device.authorization.grant.enabled";
/// Below a client: scopes that its tokens always have, and those that they have when asked.
const DEFAULT_SCOPES: &str = "default-client-scopes";
const OPTIONAL_SCOPES: &str = "optional-client-scopes";
/// Most of a name from the realm that is told.
const MAX_SHOWN: usize = 255;

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
    /// Whether there may be more of them, which nobody remembers: they are found by their mark.
    pub by_mark: bool,
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Client scopes that are [`Desired::concerned_by`].
    pub scopes: Vec<Scope>,
    /// Those of [`Desired::client_ids`], and others with the mark.
    pub clients: Vec<Client>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// In this order; none when everything is as it should be, or is in the way.
    pub calls: Vec<Call>,
    /// Why that is not all.
    pub taken: Option<Taken>,
}

impl Plan {
    fn add(&mut self, calls: Result<Vec<Call>, Taken>) {
        match calls {
            Ok(calls) => self.calls.extend(calls),
            Err(taken) => {
                self.taken.get_or_insert(taken);
            }
        }
    }
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

    /// Whether a client scope has to be looked at.
    pub fn concerned_by(&self, scope: &Scope) -> bool {
        scope.attributes.are_of(&self.owner) || self.scope.as_ref().is_some_and(|of| of.name == scope.name)
    }

    /// Client scopes of this policy; the one that is kept first.
    pub fn own<'a>(&self, scopes: &'a [Scope]) -> Vec<&'a Scope> {
        let mut own: Vec<&Scope> =
            scopes.iter().filter(|scope| scope.attributes.are_of(&self.owner)).collect();
        let name = self.scope.as_ref().map(|wanted| &wanted.name);
        own.sort_by_key(|scope| (name != Some(&scope.name), &scope.id));
        own
    }

    fn has_to_go(&self, client: &Client) -> bool {
        client.attributes.are_of(&self.owner)
            && self.clients.iter().all(|wanted| wanted.client != client.client_id)
    }

    fn taken(&self, thing: String) -> Taken {
        Taken { thing, owner: self.owner.clone() }
    }
}

/// What goes comes first, so that nothing which is in the way keeps a client alive whose secret somebody has; what cannot be
/// done leaves the rest as it is.
pub fn plan(desired: &Desired, found: &Found) -> Plan {
    let own = desired.own(&found.scopes);
    let scope = own.first().copied();
    let mut plan = Plan::default();
    let gone = found.clients.iter().filter(|client| desired.has_to_go(client));
    plan.calls.extend(gone.map(|client| {
        delete(["clients", &client.id], format!("remove the client '{}'", shown(&client.client_id)))
    }));
    for wanted in &desired.clients {
        plan.add(client(desired, wanted, scope, found));
    }
    let Some(wanted) = &desired.scope else {
        plan.calls.extend(own.into_iter().map(remove_scope));
        return plan;
    };
    plan.add(keep_scope(desired, wanted, scope, found));
    // A second one of ours, whose audiences nobody keeps. Not before everybody has the first.
    if plan.calls.is_empty() && plan.taken.is_none() {
        plan.calls.extend(own.into_iter().skip(1).map(remove_scope));
    }
    plan
}

fn remove_scope(scope: &Scope) -> Call {
    delete(["client-scopes", &scope.id], format!("remove the client scope '{}'", shown(&scope.name)))
}

fn keep_scope(
    desired: &Desired,
    wanted: &DesiredScope,
    own: Option<&Scope>,
    found: &Found,
) -> Result<Vec<Call>, Taken> {
    let name = &wanted.name;
    let mappers = mappers::wanted(desired, wanted);
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
            "protocolMappers": mappers.iter().map(|(name, config)| mappers::representation(name, config)).collect::<Vec<_>>(),
        });
        return Ok(vec![post(["client-scopes"], body, format!("make the client scope '{name}'"))]);
    };
    let mut calls = Vec::new();
    if own.name != *name {
        let body = json!({"name": name, "protocol": "openid-connect"});
        let what = format!("call the client scope '{}' '{name}'", shown(&own.name));
        calls.push(put(["client-scopes", &own.id], Some(body), what));
    }
    calls.extend(mappers::keep(own, &mappers));
    Ok(calls)
}

/// Whether a client can do what its purpose asks, and no more.
fn has_flows_for(client: &Client, purpose: ClientPurpose) -> bool {
    let is_device = purpose == ClientPurpose::Device;
    client.public_client == is_device
        && client.service_accounts_enabled != is_device
        && (client.attributes.device.as_deref() == Some("true")) == is_device
        && !client.standard_flow_enabled
        && !client.implicit_flow_enabled
        && !client.direct_access_grants_enabled
}

fn client(
    desired: &Desired,
    wanted: &ProvisionedClient,
    scope: Option<&Scope>,
    found: &Found,
) -> Result<Vec<Call>, Taken> {
    let ProvisionedClient { client: id, purpose } = wanted;
    let is_device = *purpose == ClientPurpose::Device;
    let device = is_device.to_string();
    let body = json!({
        "clientId": id, "publicClient": is_device, "serviceAccountsEnabled": !is_device, "standardFlowEnabled": false,
        "implicitFlowEnabled": false, "directAccessGrantsEnabled": false, "attributes": {DEVICE: device},
    });
    let Some(there) = found.clients.iter().find(|client| client.client_id == *id) else {
        let first = json!({
            "protocol": "openid-connect", "description": "Made by Restward.",
            // The realm's roles are no business of Confluence's; whoever asks for them in the policy switches them on.
            "fullScopeAllowed": false, "attributes": {DEVICE: device, names::REALM_MARK: desired.owner},
        });
        return Ok(vec![post(["clients"], extended(body, first), format!("make the client '{id}'"))]);
    };
    if !there.attributes.are_of(&desired.owner) {
        return Err(desired.taken(format!("client '{id}'")));
    }
    let mut calls = Vec::new();
    if !has_flows_for(there, *purpose) {
        let what = format!("put the flows of the client '{id}' right");
        calls.push(put(["clients", &there.id], Some(body), what));
    }
    // The client as which the sidecar asks calls nobody.
    calls.extend(scope.into_iter().flat_map(|scope| match purpose {
        ClientPurpose::Introspection => take(there, scope),
        ClientPurpose::ServiceAccount | ClientPurpose::Device => give(there, scope),
    }));
    Ok(calls)
}

fn of_client<'a>(kind: &'a str, client: &'a Client, scope: &'a Scope) -> [&'a str; 4] {
    ["clients", &client.id, kind, &scope.id]
}

fn about(verb: &str, client: &Client, scope: &Scope) -> String {
    format!("{verb} the client '{}' the client scope '{}'", shown(&client.client_id), shown(&scope.name))
}

fn take(client: &Client, scope: &Scope) -> Vec<Call> {
    let is_given = client.default_client_scopes.contains(&scope.name);
    let path = of_client(DEFAULT_SCOPES, client, scope);
    is_given.then(|| delete(path, about("take from", client, scope))).into_iter().collect()
}

/// Keycloak leaves an optional scope optional when it is to be made a default one, and says that it is done.
fn give(client: &Client, scope: &Scope) -> Vec<Call> {
    if client.default_client_scopes.contains(&scope.name) {
        return Vec::new();
    }
    let is_optional = client.optional_client_scopes.contains(&scope.name);
    let take = || delete(of_client(OPTIONAL_SCOPES, client, scope), about("take from", client, scope));
    let give = put(of_client(DEFAULT_SCOPES, client, scope), None, about("give", client, scope));
    is_optional.then(take).into_iter().chain([give]).collect()
}

/// Names in the realm are whoever's gave them.
fn shown(name: &str) -> String {
    truncate(&harmless(name), MAX_SHOWN)
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
