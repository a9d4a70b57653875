//! The token grants everything that the policy requires: each scope, role and group of the lists. The token is good, so
//! the refusal is 403 (RFC 6750 section 3.1) and names what is missing.

use restward_crds::{reason::Reason, sidecar::tokens::Required};

use super::Input;
use crate::refusal::Deny;

pub(super) fn check(input: &Input<'_>) -> Result<(), Deny> {
    let Required { scopes, realm_roles, client_roles, groups } = &input.tokens.required;
    let grants = &input.claims.grants;
    if let Some(scope) = scopes.iter().find(|scope| !grants.has_scope(scope)) {
        return missing(Reason::ScopeMissing, format!("Missing: scope '{scope}'."));
    }
    if let Some(role) = realm_roles.iter().find(|role| !grants.has_realm_role(role)) {
        return missing(Reason::RoleMissing, format!("Missing: realm role '{role}'."));
    }
    if let Some(role) = client_roles.iter().find(|role| !grants.has_client_role(&role.client, &role.role)) {
        let text = format!("Missing: role '{}' of client '{}'.", role.role, role.client);
        return missing(Reason::RoleMissing, text);
    }
    match groups.iter().find(|group| !grants.is_in_group(group)) {
        Some(group) => missing(Reason::GroupMissing, format!("Missing: group '{group}'.")),
        None => Ok(()),
    }
}

fn missing(reason: Reason, what: String) -> Result<(), Deny> {
    Err(Deny::with_detail(reason, what))
}

#[cfg(test)]
mod tests {
    use super::super::testing::check_with;
    use super::*;
    use serde_json::{Value, json};

    fn check_for(required: Value, claims: Value) -> Result<(), Reason> {
        check_with(check, claims, |given| {
            given.tokens.required = serde_json::from_value(required).unwrap();
        })
    }

    #[test]
    fn every_entry_of_every_list_must_be_granted() {
        let required = json!({
            "scopes": ["openid", "wiki"], "realmRoles": ["user"], "groups": ["/staff"],
            "clientRoles": [{"client": "wiki", "role": "editor"}],
        });
        let all = json!({
            "scope": "wiki openid profile", "groups": ["/staff", "/other"],
            "realm_access": {"roles": ["user"]}, "resource_access": {"wiki": {"roles": ["editor", "x"]}},
        });
        assert_eq!(check_for(required.clone(), all.clone()), Ok(()));
        assert_eq!(check_for(json!({}), json!({})), Ok(()), "nothing is required by default");
        let table = [
            (json!({"scope": "wiki"}), Reason::ScopeMissing),
            (json!({"scope": "openid"}), Reason::ScopeMissing),
            (json!({"scope": null}), Reason::ScopeMissing),
            (json!({"realm_access": {"roles": ["editor"]}}), Reason::RoleMissing),
            (json!({"resource_access": {"other": {"roles": ["editor"]}}}), Reason::RoleMissing),
            (json!({"resource_access": {"wiki": {"roles": ["user"]}}}), Reason::RoleMissing),
            (json!({"groups": ["/other"]}), Reason::GroupMissing),
            (json!({"groups": null}), Reason::GroupMissing),
        ];
        for (changes, want) in table {
            let mut claims = all.clone();
            for (name, value) in changes.as_object().unwrap() {
                claims[name] = value.clone();
            }
            assert_eq!(check_for(required.clone(), claims), Err(want), "{changes}");
        }
    }
}
