//! What a token says that its holder may do: scopes, roles, groups. The types here are those of Keycloak and RFC 9068;
//! what is written in another way grants nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::json::JsonObject;

/// Scopes, roles and groups of one token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    scopes: BTreeSet<String>,
    realm_roles: BTreeSet<String>,
    client_roles: BTreeMap<String, BTreeSet<String>>,
    groups: BTreeSet<String>,
}

impl Grants {
    /// Reads them from the claims.
    pub(super) fn of(members: &JsonObject) -> Self {
        let scope = members.get("scope").and_then(Value::as_str).unwrap_or_default();
        let clients = members.get("resource_access").and_then(Value::as_object);
        let roles = |access: &Value| names(access.get("roles"));
        Self {
            // RFC 6749 section 3.3: separated by single blanks.
            scopes: scope.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            realm_roles: members.get("realm_access").map(roles).unwrap_or_default(),
            client_roles: clients
                .into_iter()
                .flatten()
                .map(|(client, access)| (client.clone(), roles(access)))
                .collect(),
            groups: names(members.get("groups")),
        }
    }

    /// Whether the token has this scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }

    /// Whether it has this realm role.
    pub fn has_realm_role(&self, role: &str) -> bool {
        self.realm_roles.contains(role)
    }

    /// Whether it has this role of this client.
    pub fn has_client_role(&self, client: &str, role: &str) -> bool {
        self.client_roles.get(client).is_some_and(|roles| roles.contains(role))
    }

    /// Whether it names a membership in this group. A name without a slash in front is also a full path with a single
    /// segment, but never the end of a longer path: whoever may make subgroups could make one of any name.
    pub fn is_in_group(&self, group: &str) -> bool {
        self.groups.contains(group) || (!group.starts_with('/') && self.groups.contains(&format!("/{group}")))
    }
}

/// A list of strings; a single string is a list of one, as some mappers write it.
fn names(value: Option<&Value>) -> BTreeSet<String> {
    match value {
        Some(Value::String(one)) => BTreeSet::from([one.clone()]),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn grants(claims: &Value) -> Grants {
        Grants::of(claims.as_object().unwrap())
    }

    #[test]
    fn everything_is_compared_whole_and_exactly() {
        let grants = grants(&json!({
            "scope": "openid wiki:read",
            "realm_access": {"roles": ["wiki-user"]},
            "resource_access": {"wiki": {"roles": ["editor"]}, "account": {"roles": ["manage-account"]}},
        }));
        assert!(grants.has_scope("openid") && grants.has_scope("wiki:read"));
        assert!(grants.has_realm_role("wiki-user") && grants.has_client_role("wiki", "editor"));
        for no in ["wiki", "wiki:", "OPENID", "openid wiki:read", ""] {
            assert!(!grants.has_scope(no), "{no}");
        }
        for no in ["editor", "wiki", "wiki-use", "Wiki-User", "manage-account", ""] {
            assert!(!grants.has_realm_role(no), "{no}");
        }
        for (client, role) in
            [("wiki", "manage-account"), ("account", "editor"), ("wiki-user", "wiki-user"), ("", "")]
        {
            assert!(!grants.has_client_role(client, role), "{client} {role}");
        }
    }

    #[test]
    fn groups_by_full_path_or_by_name() {
        let table = [
            ("/staff/wiki", json!(["/staff/wiki"]), true),
            ("/staff/wiki", json!(["/staff"]), false),
            ("/staff", json!(["/staff/wiki"]), false),
            ("/wiki", json!(["/staff/wiki"]), false),
            ("wiki", json!(["wiki"]), true),
            ("wiki", json!(["/wiki"]), true),
            ("wiki", json!("wiki"), true),
            ("wiki", json!(["/staff/wiki"]), false),
            ("/wiki", json!(["wiki"]), false),
            ("wiki", json!(["Wiki"]), false),
            ("wiki", json!(["wiki2"]), false),
            ("wiki", json!({"wiki": true}), false),
            ("wiki", json!([["wiki"], 1, null]), false),
            ("wiki", json!(null), false),
        ];
        for (group, groups, want) in table {
            assert_eq!(grants(&json!({ "groups": groups })).is_in_group(group), want, "{group} in {groups}");
        }
    }

    #[test]
    fn what_is_written_in_another_way_grants_nothing() {
        for claims in [
            json!({}),
            json!({"scope": ["wiki"], "realm_access": ["wiki"], "resource_access": ["wiki"]}),
            json!({"scope": null, "realm_access": {"roles": {"wiki": 1}}, "resource_access": {"wiki": ["wiki"]}}),
            json!({"roles": ["wiki"], "scp": "wiki", "realm_access": {"role": ["wiki"]}}),
        ] {
            let grants = grants(&claims);
            let any = grants.has_scope("wiki")
                || grants.has_realm_role("wiki")
                || grants.has_client_role("wiki", "wiki");
            assert!(!any, "{claims}");
        }
    }
}
