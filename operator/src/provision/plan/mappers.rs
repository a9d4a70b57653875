//! What puts the audiences into tokens: mappers of the client scope.

use std::collections::BTreeMap;

use restward_crds::api::v1alpha1::{ClientPurpose, ProvisionedClient};
use serde_json::{Value, json};

use super::{Call, Desired, DesiredScope, delete, extended, post, put, shown};
use crate::provision::realm::{Audience, Mapper, Scope};

/// Mappers of a scope that begin so are the operator's; others are whoever's made them.
const OWN_MAPPERS: &str = "restward-audience";
const AUDIENCE: &str = "oidc-audience-mapper";

/// Those that a scope is to have, by their names.
pub(super) fn wanted(desired: &Desired, wanted: &DesiredScope) -> BTreeMap<String, Audience> {
    let switch = |on: bool| Some(on.to_string());
    let into_access_tokens = || Audience {
        access_token: switch(true),
        introspection: switch(true),
        id_token: switch(false),
        ..Audience::default()
    };
    let custom = wanted.audiences.iter().map(|value| {
        (format!("{OWN_MAPPERS}:{value}"), Audience { custom: Some(value.clone()), ..into_access_tokens() })
    });
    let asking = desired.clients.iter().filter(|client| client.purpose == ClientPurpose::Introspection);
    let clients = asking.map(|ProvisionedClient { client, .. }| {
        (
            format!("{OWN_MAPPERS}-client:{client}"),
            Audience { client: Some(client.clone()), ..into_access_tokens() },
        )
    });
    custom.chain(clients).collect()
}

/// For Keycloak.
pub(super) fn representation(name: &str, config: &Audience) -> Value {
    json!({"name": name, "protocol": "openid-connect", "protocolMapper": AUDIENCE, "config": config})
}

/// The calls that make those of `scope` what is `wanted`.
pub(super) fn keep(scope: &Scope, wanted: &BTreeMap<String, Audience>) -> Vec<Call> {
    let models = ["client-scopes", &scope.id, "protocol-mappers", "models"];
    let of_scope = |verb: &str, name: &str| {
        format!("{verb} the mapper '{}' of the client scope '{}'", shown(name), shown(&scope.name))
    };
    let is_right =
        |mapper: &Mapper, config: &Audience| mapper.protocol_mapper == AUDIENCE && mapper.config == *config;
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
