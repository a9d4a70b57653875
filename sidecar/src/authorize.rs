//! May this caller make this call? The policy's rules, the first that fits decides. Pure.

use std::net::IpAddr;

use http::{HeaderMap, Method};
use restward_crds::{
    reason::Reason,
    sidecar::{
        terms::{PathMatch, PathMatchType},
        who::{RuleAction, RuleSettings},
    },
    text::Username,
};

use crate::auth::Permit;

/// A call as rules see it.
#[derive(Debug, Clone)]
pub struct Call {
    /// Every path below the context path that it may come to mean.
    pub paths: Vec<String>,
    /// Its method, and every other that a header talks Confluence into.
    pub methods: Vec<String>,
    /// Address of the caller.
    pub client: IpAddr,
}

/// A caller with a token.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The Confluence user that it acts as.
    pub user: &'a Username,
    /// What its token says.
    pub permit: &'a Permit,
}

/// Headers by which frameworks take a request for one of another method.
pub const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// The method of a request, and those that it asks to be taken for.
pub fn methods(method: &Method, headers: &HeaderMap) -> Vec<String> {
    let overrides = METHOD_OVERRIDES.iter().flat_map(|name| headers.get_all(*name));
    let named = overrides.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_uppercase());
    std::iter::once(method.as_str().to_owned()).chain(named).collect()
}

/// Asks the rules. What can be read in several ways must be allowed in each.
///
/// # Errors
/// A rule denies the call.
pub fn authorize(rules: &[RuleSettings], call: &Call, subject: Option<Subject<'_>>) -> Result<(), Reason> {
    for path in &call.paths {
        for method in &call.methods {
            let first = rules.iter().find(|rule| is_about(rule, path, method, call.client, subject));
            match first.map(|rule| rule.rule.action) {
                Some(RuleAction::Deny) => return Err(Reason::RuleDenied),
                Some(RuleAction::ReadOnly) if !matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS") => {
                    return Err(Reason::ReadOnly);
                }
                Some(RuleAction::Allow | RuleAction::ReadOnly) | None => {}
            }
        }
    }
    Ok(())
}

fn is_about(
    settings: &RuleSettings,
    path: &str,
    method: &str,
    client: IpAddr,
    subject: Option<Subject<'_>>,
) -> bool {
    let rule = &settings.rule;
    rule.path.as_ref().is_none_or(|wanted| is_path(wanted, path))
        && any(&rule.methods, |wanted| wanted == method)
        && any(&settings.cidrs, |cidr| cidr.contains(client))
        && of_subject(&settings.users, subject, |user, subject| user.is_same_user(subject.user))
        && of_subject(&rule.scopes, subject, |scope, subject| subject.permit.grants().has_scope(scope))
        && of_subject(&rule.realm_roles, subject, |role, subject| {
            subject.permit.grants().has_realm_role(role)
        })
        && of_subject(&rule.client_roles, subject, |role, subject| {
            subject.permit.grants().has_client_role(&role.client, &role.role)
        })
        && of_subject(&rule.groups, subject, |group, subject| subject.permit.grants().is_in_group(group))
        && of_subject(&rule.clients, subject, |client, subject| subject.permit.client() == Some(client))
}

/// Confluence serves the same with and without a slash at the end.
fn is_path(wanted: &PathMatch, path: &str) -> bool {
    match wanted.kind {
        PathMatchType::Exact => wanted.value.trim_end_matches('/') == path.trim_end_matches('/'),
        PathMatchType::PathPrefix => wanted.matches(path),
    }
}

/// Whether an entry fits; a list that is not given fits everything.
fn any<T>(list: &[T], fits: impl Fn(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(fits)
}

/// The same about the caller: a list that is given fits nobody without a token.
fn of_subject<T>(list: &[T], subject: Option<Subject<'_>>, fits: impl Fn(&T, Subject<'_>) -> bool) -> bool {
    list.is_empty() || subject.is_some_and(|subject| list.iter().any(|entry| fits(entry, subject)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{self, checks::testing::NOW, forge};
    use serde_json::{Value, json};

    fn call(paths: &[&str], methods: &[&str]) -> Call {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Call { paths: owned(paths), methods: owned(methods), client: "10.1.2.3".parse().unwrap() }
    }

    /// What rules say about a call; with a token of alice, in scope `wiki`, role `r`, role `app/e`, group `/staff/wiki`.
    #[allow(clippy::needless_pass_by_value, reason = "rules are written where they are used")]
    fn outcome(rules: Value, call: &Call, has_token: bool) -> Result<(), Reason> {
        let claims = json!({
            "scope": "openid wiki", "realm_access": {"roles": ["r"]}, "resource_access": {"app": {"roles": ["e"]}},
            "groups": ["/staff/wiki"],
        });
        let token = forge::rsa_key().token(&forge::header(), &forge::claims(claims));
        let permit =
            auth::authenticate(&forge::settings(json!({})), &forge::snapshot(), &token, NOW).unwrap();
        let user: Username = "Alice".parse().unwrap();
        let subject = has_token.then_some(Subject { user: &user, permit: &permit });
        authorize(&forge::settings(json!({ "rules": rules })).rules, call, subject)
    }

    #[test]
    fn every_member_must_fit_and_of_a_list_any_entry() {
        let get = call(&["/rest/api/content"], &["GET"]);
        for (members, fits) in [
            (json!({}), true),
            (json!({"path": {"type": "PathPrefix", "value": "/rest/api"}}), true),
            (json!({"path": {"type": "Exact", "value": "/rest/api"}}), false),
            (json!({"path": {"type": "Exact", "value": "/rest/api/content/"}}), true),
            (json!({"methods": ["PUT", "GET"]}), true),
            (json!({"methods": ["PUT"]}), false),
            (json!({"users": ["bob", "ALICE"]}), true),
            (json!({"users": ["alice2"]}), false),
            (json!({"scopes": ["wiki"]}), true),
            (json!({"scopes": ["wik"]}), false),
            (json!({"realmRoles": ["r"]}), true),
            (json!({"realmRoles": ["e"]}), false),
            (json!({"clientRoles": [{"client": "app", "role": "e"}]}), true),
            (json!({"clientRoles": [{"client": "app", "role": "r"}]}), false),
            (json!({"groups": ["/staff/wiki"]}), true),
            (json!({"groups": ["wiki"]}), false),
            (json!({"clients": ["app"]}), true),
            (json!({"clients": ["App"]}), false),
            (json!({"cidrs": ["192.0.2.0/24", "10.0.0.0/8"]}), true),
            (json!({"cidrs": ["10.1.2.4"]}), false),
            (json!({"users": ["alice"], "methods": ["PUT"]}), false),
        ] {
            let rule = forge::laid_over(json!({"action": "Deny"}), members.clone());
            let want = if fits { Err(Reason::RuleDenied) } else { Ok(()) };
            assert_eq!(outcome(json!([rule]), &get, true), want, "{members}");
        }
    }

    #[test]
    fn the_first_rule_decides() {
        let allow = json!({"action": "Allow", "path": {"type": "PathPrefix", "value": "/rest/api/content"}});
        let rules = json!([allow, {"action": "Deny"}]);
        assert_eq!(outcome(rules.clone(), &call(&["/rest/api/content/1"], &["PUT"]), true), Ok(()));
        let space = call(&["/rest/api/space"], &["GET"]);
        assert_eq!(outcome(rules, &space, true), Err(Reason::RuleDenied));
        assert_eq!(outcome(json!([{"action": "Deny"}, allow]), &space, true), Err(Reason::RuleDenied));
        assert_eq!(outcome(json!([]), &space, true), Ok(()));
    }

    #[test]
    fn rules_about_callers_are_about_tokens_only() {
        let get = call(&["/rest/api"], &["GET"]);
        for member in ["users", "scopes", "realmRoles", "groups", "clients"] {
            assert_eq!(outcome(json!([{"action": "Deny", member: ["x"]}]), &get, false), Ok(()), "{member}");
            let allow_first = json!([{"action": "Allow", member: ["x"]}, {"action": "Deny"}]);
            assert_eq!(outcome(allow_first, &get, false), Err(Reason::RuleDenied), "{member}");
        }
    }

    #[test]
    fn what_has_several_readings_must_be_allowed_in_each() {
        let deny = json!([{"action": "Deny", "path": {"type": "PathPrefix", "value": "/rest/secret"}}]);
        assert_eq!(outcome(deny, &call(&["/s/x", "/rest/secret"], &["GET"]), true), Err(Reason::RuleDenied));
        let allow = json!([{"action": "Allow", "path": {"type": "PathPrefix", "value": "/rest/a"}}, {"action": "Deny"}]);
        assert_eq!(outcome(allow, &call(&["/rest/a", "/rest/b"], &["GET"]), true), Err(Reason::RuleDenied));
    }

    #[test]
    fn read_only_is_by_the_method_that_may_come_to_count() {
        let rules = json!([{"action": "ReadOnly"}]);
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert_eq!(outcome(rules.clone(), &call(&["/rest"], &[method]), true), Ok(()), "{method}");
        }
        for list in [&["POST"][..], &["PROPFIND"], &["get"], &["GET", "DELETE"]] {
            assert_eq!(
                outcome(rules.clone(), &call(&["/rest"], list), true),
                Err(Reason::ReadOnly),
                "{list:?}"
            );
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-http-method-override", " delete".parse().unwrap());
        assert_eq!(methods(&Method::GET, &headers), ["GET", "DELETE"]);
    }
}
