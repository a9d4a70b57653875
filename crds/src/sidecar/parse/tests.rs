use serde_json::{Value, json};

use super::*;
use crate::sidecar::tokens::Algorithm;

fn minimal() -> Value {
    json!({
        "version": 1,
        "policy": {"namespace": "atlassian", "name": "wiki", "uid": "u-1", "generation": 1},
        "mode": "Enforce",
        "issuers": [{"host": "sso.example.com", "realm": "staff"}],
        "usernameAttribute": "preferred_username",
        "basicAuth": "Deny",
        "credentials": {},
        "upstream": {"identity": {"oauth1": {"consumerKey": "restward-atlassian-wiki"}}},
    })
}

fn read(config: &Value) -> Result<Settings, Vec<FieldError>> {
    from_json(config.to_string().as_bytes())
}

#[test]
fn the_smallest_configuration_has_safe_defaults() {
    let settings = read(&minimal()).unwrap();
    assert!(settings.credentials.anonymous.denies());
    assert!(settings.basic_auth.denies());
    assert_eq!(settings.anonymous_paths.presets.len(), 6);
    assert_eq!(settings.tokens.algorithms, Algorithm::ALL);
    assert_eq!(settings.tokens.clock_skew.as_secs(), 30);
    assert_eq!(settings.tokens.revocation_poll.unwrap().as_secs(), 30);
    assert_eq!(settings.upstream.identity.reserved_consumer(), "restward-atlassian-wiki");
}

#[test]
fn unknown_and_repeated_members_are_refused() {
    let mut config = minimal();
    config["basicauth"] = json!("Allow");
    assert!(read(&config).unwrap_err()[0].message.contains("basicauth"));
    let twice = minimal().to_string().replacen("\"mode\"", "\"mode\":\"Off\",\"mode\"", 1);
    assert!(from_json(twice.as_bytes()).unwrap_err()[0].message.contains("duplicate"));
}

#[test]
fn another_version_is_refused_by_name() {
    let mut config = minimal();
    config["version"] = json!(2);
    assert_eq!(read(&config).unwrap_err()[0].field, "version");
}

#[test]
fn every_bad_member_is_named() {
    let table: &[(&str, Value, &str)] = &[
        ("/issuers", json!([]), "issuers"),
        ("/issuers/0/host", json!("https://u:p@h"), "issuers[0].host"),
        ("/issuers/0/realm", json!(""), "issuers[0].realm"),
        ("/issuers/0/realm", json!(".."), "issuers[0].realm"),
        ("/usernameAttribute", json!(""), "usernameAttribute"),
        ("/usernameAttribute", json!("/a~2"), "usernameAttribute"),
        ("/upstream/identity/oauth1/consumerKey", json!("a b"), "upstream.identity.oauth1.consumerKey"),
    ];
    for (pointer, value, field) in table {
        let mut config = minimal();
        *config.pointer_mut(pointer).unwrap() = value.clone();
        let errors = read(&config).unwrap_err();
        assert_eq!(errors[0].field, *field, "{pointer} = {value}: {errors:?}");
    }
}

#[test]
fn every_bad_optional_member_is_named() {
    let table = [
        ("issuers/0", "backchannelURL", json!("https://kc.svc/auth"), "issuers[0].backchannelURL"),
        ("issuers/0", "audiences", json!([""]), "issuers[0].audiences"),
        ("", "tokens", json!({"algorithms": []}), "tokens.algorithms"),
        ("", "tokens", json!({"algorithms": ["HS256"]}), "config"),
        ("", "tokens", json!({"algorithms": ["none"]}), "config"),
        ("", "tokens", json!({"clockSkew": "61s"}), "tokens.clockSkew"),
        ("", "tokens", json!({"validation": "Introspection"}), "tokens.validation"),
        ("", "tokens", json!({"revocation": {"pollInterval": "999ms"}}), "tokens.revocation.pollInterval"),
        ("", "tokens", json!({"required": {"scopes": ["a b"]}}), "tokens.required.scopes"),
        ("", "tokens", json!({"required": {"realmRoles": [""]}}), "tokens.required.realmRoles"),
        ("", "tokens", json!({"required": {"groups": ["/staff/"]}}), "tokens.required.groups"),
        (
            "",
            "tokens",
            json!({"required": {"clientRoles": [{"client": "", "role": "r"}]}}),
            "tokens.required.clientRoles",
        ),
        ("upstream", "contextPath", json!("confluence"), "upstream.contextPath"),
        ("upstream", "contextPath", json!("/a/../b"), "upstream.contextPath"),
        ("upstream", "contextPath", json!("/a/"), "upstream.contextPath"),
        ("upstream", "proxyPort", json!(0), "upstream.proxyPort"),
        ("upstream", "proxyName", json!("a b"), "upstream.proxyName"),
        ("", "serviceAccounts", json!([{"client": "*", "username": "svc"}]), "serviceAccounts[0]"),
        (
            "",
            "serviceAccounts",
            json!([{"client": "c", "username": "\u{202e}x"}]),
            "serviceAccounts[0].username",
        ),
        (
            "",
            "anonymousPaths",
            json!({"paths": [{"type": "PathPrefix", "value": "/"}]}),
            "anonymousPaths.paths[0].value",
        ),
        (
            "",
            "anonymousPaths",
            json!({"paths": [{"type": "Exact", "value": "/a%2fb"}]}),
            "anonymousPaths.paths[0].value",
        ),
    ];
    for (parent, member, value, field) in table {
        let mut config = minimal();
        let pointer = if parent.is_empty() { String::new() } else { format!("/{parent}") };
        config.pointer_mut(&pointer).unwrap()[member] = value.clone();
        let errors = read(&config).unwrap_err();
        assert_eq!(errors[0].field, field, "{member} = {value}: {errors:?}");
    }
}

#[test]
fn a_client_mapped_twice_is_refused() {
    let mut config = minimal();
    config["serviceAccounts"] = json!([{"client": "c", "username": "a"}, {"client": "c", "username": "b"}]);
    assert!(read(&config).unwrap_err()[0].message.contains("twice"));
}
