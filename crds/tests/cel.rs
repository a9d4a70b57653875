//! The rules in the CRD, as the API server would apply them, but without one: a rule that is no valid CEL would make it refuse
//! the whole CRD. What only a real API server does (cost, structural schema) is tested with the operator.

#![cfg(feature = "kubernetes")]
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on should fail where it stands"
)]

use kube::CustomResourceExt as _;
use kube_cel::{Validator, compile_schema};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, text::UserHeader};
use serde_json::{Value, json};

fn schema() -> Value {
    let crd = serde_json::to_value(RestApiAuthPolicy::crd()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Every schema in the tree that has rules.
fn with_rules(schema: &Value, found: &mut Vec<Value>) {
    match schema {
        Value::Object(members) => {
            if members.contains_key("x-kubernetes-validations") {
                found.push(schema.clone());
            }
            members.values().for_each(|member| with_rules(member, found));
        }
        Value::Array(list) => list.iter().for_each(|entry| with_rules(entry, found)),
        _ => {}
    }
}

#[test]
fn every_rule_is_valid_cel() {
    let mut found = Vec::new();
    with_rules(&schema(), &mut found);
    assert!(found.len() > 8, "only {} places with rules", found.len());
    for place in found {
        let compiled = compile_schema(&place);
        assert!(!compiled.has_errors(), "{:?}", compiled.compilation_errors());
    }
}

/// The messages of the rules that the smallest policy with this spec laid over it breaks.
fn broken(changes: &Value) -> String {
    let mut spec = json!({
        "selector": {"matchLabels": {"app": "wiki"}}, "keycloak": {"host": "sso.example.com", "realm": "staff"},
    });
    for (name, value) in changes.as_object().unwrap() {
        spec[name] = value.clone();
    }
    let policy = json!({
        "apiVersion": "restward.io/v1alpha1", "kind": "RestApiAuthPolicy", "metadata": {"name": "wiki"}, "spec": spec,
    });
    match Validator::new().validate(&schema(), &policy, None) {
        Ok(()) => String::new(),
        Err(errors) => errors.iter().map(|error| format!("{}; ", error.message)).collect(),
    }
}

#[test]
fn a_managed_link_has_a_token_and_no_other_has() {
    let link =
        |link: Value| broken(&json!({"upstream": {"identity": {"oauth1": {"applicationLink": link}}}}));
    let token = json!({"name": "wiki-admin", "key": "token"});
    assert_eq!(link(json!({"mode": "Manual"})), "");
    assert_eq!(link(json!({"mode": "Managed", "adminTokenSecretRef": token})), "");
    assert!(link(json!({"mode": "Managed"})).contains("needs adminTokenSecretRef"));
    assert!(link(json!({"mode": "Manual", "adminTokenSecretRef": token})).contains("only Managed uses it"));
}

#[test]
fn what_is_provisioned_has_an_audience() {
    let with = |provisioning: Value, audiences: Value| {
        let keycloak = json!({"host": "sso.example.com", "realm": "staff", "provisioning": provisioning});
        broken(&json!({"keycloak": keycloak, "tokens": {"audiences": audiences}}))
    };
    let secret = json!({"name": "keycloak-admin"});
    assert_eq!(with(json!({"adminSecretRef": secret}), json!(["confluence"])), "");
    assert!(with(json!({"adminSecretRef": secret}), json!([])).contains("list one, such as confluence"));
    assert_eq!(with(json!({"adminSecretRef": secret, "state": "Absent"}), json!([])), "");
    let keycloak =
        json!({"host": "sso.example.com", "realm": "staff", "provisioning": {"adminSecretRef": secret}});
    let without = broken(&json!({"keycloak": keycloak}));
    assert!(without.contains("list one, such as confluence"), "{without}");
}

/// Password logins that end with 2026.
fn ends(since: &str, brown_outs: &[(&str, &str)]) -> Value {
    let brown_outs: Vec<_> =
        brown_outs.iter().map(|(start, end)| json!({"start": start, "end": end})).collect();
    json!({"basicAuth": {"mode": "Audit", "deprecation": {
        "since": since, "sunset": "2026-12-31T00:00:00Z", "brownOuts": brown_outs,
    }}})
}

#[test]
fn rules_accept_what_makes_sense() {
    for spec in [
        json!({}),
        json!({"tokens": {"clockSkew": "60s"}}),
        json!({"tokens": {"revocation": {"pollInterval": "0s"}}}),
        json!({"tokens": {"revocation": {"pollInterval": "1s"}}}),
        json!({"tokens": {"validation": "Introspection"},
               "keycloak": {"host": "h", "realm": "r", "clientSecretRef": {"name": "gate"}}}),
        json!({"tokens": {"validation": "Introspection"},
               "keycloak": {"host": "h", "realm": "r", "clientAssertion": {"clientID": "gate"}}}),
        json!({"basicAuth": {"mode": "Deny", "exceptions": [{"users": ["svc"]}, {"presets": ["Feeds"]}]}}),
        ends("2026-10-01T00:00:00Z", &[("2026-10-01T00:00:00Z", "2026-10-01T01:00:00Z")]),
        ends("2026-10-01T00:00:00Z", &[("2026-12-30T23:00:00Z", "2026-12-31T01:00:00+01:00")]),
        ends(
            "2026-12-01T00:00:00+05:00",
            &[
                ("2026-12-20T10:00:00Z", "2026-12-20T11:00:00Z"),
                ("2026-12-10T10:00:00Z", "2026-12-10T11:00:00Z"),
                ("2026-12-10T09:00:00Z", "2026-12-10T10:00:00Z"),
            ],
        ),
        json!({"trustedProxies": {"cidrs": ["10.0.0.0/8"], "clientCertificateHeader": "Client-Cert"}}),
        json!({"issuers": [{"issuer": "https://login.example.com/realms/partners", "audiences": ["wiki"]}]}),
        json!({"externalURLs": ["https://wiki.example.com", "http://wiki.example.com:8080/"]}),
        json!({"allowedListeners": [{"port": 5701, "reason": "Hazelcast"}, {"port": 9999}]}),
        json!({"upstream": {"identity": {"header": {"name": "X-Forwarded-User"}}}}),
        json!({"loopbackBind": "Off"}),
        json!({"interception": "UnixSocket"}),
    ] {
        assert_eq!(broken(&spec), "", "{spec}");
    }
}

#[test]
fn rules_refuse_the_rest_and_say_why() {
    let issuer = |issuer: &str| json!({"issuers": [{"issuer": issuer, "audiences": ["wiki"]}]});
    let table = [
        (json!({"selector": {}}), "selector must not be empty"),
        (json!({"interception": "UnixSocket", "loopbackBind": "Off"}), "leave loopbackBind at Auto"),
        (json!({"keycloak": {"host": "https://u:p@h", "realm": "r"}}), "host must be a host name"),
        (json!({"keycloak": {"host": "h", "realm": ".."}}), "realm must be the realm's name"),
        (json!({"tokens": {"clockSkew": "61s"}}), "clockSkew must be at most 60s"),
        (json!({"tokens": {"revocation": {"pollInterval": "999ms"}}}), "pollInterval must be 0s for never"),
        (
            json!({"keycloak": {"host": "h", "realm": "r", "clientAssertion": {"clientID": "gate"}, "clientSecretRef": {"name": "gate"}}}),
            "clientSecretRef or clientAssertion, not both",
        ),
        (json!({"basicAuth": {"exceptions": [{"users": []}]}}), "an entry names users, paths"),
        (ends("2026-12-31T00:00:01Z", &[]), "sunset must not be earlier than since"),
        (
            ends("2026-10-01T00:00:00Z", &[("2026-12-10T10:00:00Z", "2026-12-10T10:00:00Z")]),
            "each ends after its start",
        ),
        (
            ends("2026-12-10T10:00:00Z", &[("2026-12-10T09:00:00Z", "2026-12-10T11:00:00Z")]),
            "lies between since and sunset",
        ),
        (
            ends("2026-10-01T00:00:00Z", &[("2026-12-30T10:00:00Z", "2026-12-31T00:00:01Z")]),
            "lies between since and sunset",
        ),
        (
            ends(
                "2026-10-01T00:00:00Z",
                &[
                    ("2026-12-10T10:00:00Z", "2026-12-10T12:00:00Z"),
                    ("2026-12-10T09:00:00Z", "2026-12-10T11:00:00Z"),
                ],
            ),
            "must not overlap",
        ),
        (
            ends(
                "2026-10-01T00:00:00Z",
                &[
                    ("2026-12-10T10:00:00Z", "2026-12-10T12:00:00Z"),
                    ("2026-12-10T11:00:00+01:00", "2026-12-10T12:00:00Z"),
                ],
            ),
            "must not overlap",
        ),
        (
            json!({"trustedProxies": {"hops": 1, "clientCertificateHeader": "Client-Cert"}}),
            "set trustedProxies.cidrs",
        ),
        (json!({"tokens": {"validation": "Introspection"}}), "Introspection needs a client that may ask"),
        (issuer("login.example.com"), "issuer must be a URL"),
        (issuer("https://login.example.com?x"), "issuer must be a URL"),
        (issuer("https://u@login.example.com"), "issuer must be a URL"),
        (issuer("https://login example.com"), "issuer must be a URL"),
        (
            json!({"externalURLs": ["https://wiki.example.com/confluence"]}),
            "externalURLs are scheme, host and port",
        ),
        (json!({"externalURLs": ["https://wiki example.com"]}), "externalURLs are scheme, host and port"),
        (json!({"allowedListeners": [{"port": 5701}, {"port": 18090}]}), "18090 is Tomcat's own port"),
        (json!({"upstream": {"contextPath": "wiki"}}), "contextPath must be empty or start with a slash"),
        (json!({"serviceAccounts": [{"client": "*", "username": "u"}]}), "serviceAccounts take no wildcards"),
    ];
    for (spec, message) in table {
        let said = broken(&spec);
        assert!(said.contains(message), "{spec}: {said:?}");
    }
}

/// Both say the same: the rule at once, the parser for whoever got past it.
#[test]
fn the_rule_about_the_users_header_is_the_parsers() {
    let names = "Accept Accept-Language Access-Control-Request-Method Authorization Cache-Control Connection Content-Type \
        content_length Cookie cookie2 Cookies Date DPoP Expect Forwarded Host Hosts HTTP2-Settings If-Match Keep-Alive \
        Max-Forwards Origin Pragma Proxy-Authorization Range Referer Remote-User REMOTE_USER Sec-Fetch-Mode Set-Cookie TE \
        Tea Traceparent Tracestate Trailer Transfer-Encoding transfer_encoding Upgrade User User-Agent Via X-AUSERNAME \
        X-Atlassian-Token X-Forwarded-By X-Forwarded-For X-Forwarded-Host X-Forwarded-Port X-Forwarded-Prefix \
        X-Forwarded-Proto X-Forwarded-Scheme X-Forwarded-Server X-Forwarded-SSL x_forwarded_for X-Forwarded-User \
        X-HTTP-Method X-HTTP-Method-Override X-Method-Override X-Real-IP X-Request-Id X-Requested-With X-User";
    for name in names.split_whitespace() {
        let said = broken(&json!({"upstream": {"identity": {"header": {"name": name}}}}));
        assert_eq!(said.is_empty(), name.parse::<UserHeader>().is_ok(), "{name}: {said}");
    }
}

/// Every schema in the tree of a member that names an object, by that member's name.
fn references(schema: &Value, found: &mut Vec<(String, Value)>) {
    let Some(members) = schema["properties"].as_object() else { return };
    for (name, member) in members {
        let of_each = if member["items"].is_null() { member } else { &member["items"] };
        if name.ends_with("Ref") || name.ends_with("Refs") {
            found.push((name.clone(), of_each.clone()));
        }
        references(of_each, found);
    }
}

/// Another name could not be asked for, or would be another path at the API server.
#[test]
fn what_names_an_object_of_the_cluster_can_be_its_name() {
    let mut found = Vec::new();
    references(&schema(), &mut found);
    assert!(found.len() > 3, "{found:?}");
    for (member, schema) in found {
        let pattern = schema["properties"]["name"]["pattern"].as_str().unwrap_or(".*");
        let pattern = regex::Regex::new(pattern).unwrap();
        for good in ["a", "keycloak-admin", "keycloak.admin-2", "0"] {
            assert!(pattern.is_match(good), "{member}: {good}");
        }
        for bad in ["", "keycloak admin", "../secrets/a", "a/b", "A", "-a", "a-", "a..b", "a.", "a\n"] {
            assert!(!pattern.is_match(bad), "{member}: {bad:?}");
        }
    }
}
