//! What the API server itself refuses at `kubectl apply`, and with which sentence. On a real one, as only that computes
//! the cost of the rules and applies the schema's defaults.

use kube::api::{DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};

use super::support::{Cluster, policy};

/// `None`: accepted; else a part of the message.
type Row = (Value, Option<&'static str>);

fn keycloak(host: &str, realm: &str) -> Value {
    json!({"keycloak": {"host": host, "realm": realm}})
}

fn hosts() -> Vec<Row> {
    let mut rows = vec![(json!({}), None)];
    for host in [
        "sso.example.com",
        "https://sso.example.com/auth",
        "http://localhost:8080",
        "https://[2001:db8::1]:8443/auth/",
    ] {
        rows.push((keycloak(host, "r"), None));
    }
    for host in ["", "ftp://h", "https://u:p@h", "https://h/?q", "https://h/#f", "a b"] {
        rows.push((keycloak(host, "r"), Some("spec.keycloak.host")));
    }
    for realm in ["", "a/b", "..", "a b", "a%2fb", "a;b", "a\\b"] {
        rows.push((keycloak("h", realm), Some("spec.keycloak.realm")));
    }
    rows.push((keycloak("h", "my-realm_1.x"), None));
    let back = |url: &str| json!({"keycloak": {"host": "h", "realm": "r", "backchannelURL": url}});
    rows.push((back("https://keycloak.sso.svc:8443"), None));
    rows.push((back("https://keycloak.sso.svc/auth"), Some("the path of host is kept")));
    rows.push((back("keycloak.sso.svc"), Some("the path of host is kept")));
    rows
}

fn provisioning() -> Vec<Row> {
    let with = |more: Value, audiences: &[&str]| {
        let mut provisioning = json!({"adminSecretRef": {"name": "keycloak-admin"}});
        provisioning.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut spec = json!({"keycloak": {"host": "h", "realm": "r", "provisioning": provisioning}});
        if !audiences.is_empty() {
            spec["tokens"] = json!({"audiences": audiences});
        }
        spec
    };
    let client = |id: &str, purpose: &str| json!({"client": id, "purpose": purpose});
    let clients = |listed: &[Value]| with(json!({"clients": listed}), &["confluence"]);
    let many =
        |count: usize| -> Vec<Value> { (0..count).map(|i| client(&format!("c{i}"), "Device")).collect() };
    let needs = Some("keycloak.provisioning makes a client scope with the audiences of tokens.audiences");
    vec![
        (with(json!({}), &["confluence"]), None),
        (with(json!({}), &[]), needs),
        (with(json!({"state": "Absent"}), &[]), None),
        (clients(&[client("reports", "ServiceAccount"), client("wiki-cli", "Device")]), None),
        (
            clients(&[client("reports", "ServiceAccount"), client("reports", "Device")]),
            Some("duplicate entries"),
        ),
        (clients(&[client("a b", "Device")]), Some("spec.keycloak.provisioning.clients[0].client")),
        (clients(&many(32)), None),
        (clients(&many(33)), Some("spec.keycloak.provisioning.clients")),
        (
            with(json!({"adminSecretRef": {"name": "../secrets/a"}}), &["confluence"]),
            Some("spec.keycloak.provisioning.adminSecretRef.name"),
        ),
        (
            with(json!({"clientScope": "a b"}), &["confluence"]),
            Some("spec.keycloak.provisioning.clientScope"),
        ),
    ]
}

fn link(link: &Value) -> Value {
    json!({"upstream": {"identity": {"oauth1": {"applicationLink": link}}}})
}

fn upstream() -> Vec<Row> {
    let context = |path: &str| json!({"upstream": {"contextPath": path}});
    vec![
        (context(""), None),
        (context("/confluence"), None),
        (context("confluence"), Some("contextPath must be empty or start with a slash")),
        (context("/confluence/"), Some("contextPath must be empty or start with a slash")),
        (json!({"upstream": {"proxyPort": 0}}), Some("spec.upstream.proxyPort")),
        (json!({"upstream": {"timeouts": {"request": "30s"}}}), None),
        (json!({"upstream": {"timeouts": {"request": "30"}}}), Some("spec.upstream.timeouts.request")),
        (json!({"upstream": {"identity": {"oauth1": {"consumerKey": "a b"}}}}), Some("consumerKey")),
        (link(&json!({})), None),
        (link(&json!({"mode": "Manual"})), None),
        (link(&json!({"mode": "Managed", "adminTokenSecretRef": {"name": "a", "key": "t"}})), None),
        (link(&json!({"mode": "Managed"})), Some("needs adminTokenSecretRef")),
        (link(&json!({"adminTokenSecretRef": {"name": "a", "key": "t"}})), Some("only Managed uses it")),
        (
            link(&json!({"mode": "Managed", "adminTokenSecretRef": {"name": "a", "key": "../t"}})),
            Some("adminTokenSecretRef.key"),
        ),
        (json!({"upstream": {"identity": {"header": {"name": "X-Forwarded-User"}}}}), None),
        (json!({"upstream": {"identity": {"header": {"name": "Cookie"}}}}), Some("a meaning of its own")),
        (
            json!({"upstream": {"identity": {"header": {"name": "X User"}}}}),
            Some("spec.upstream.identity.header.name"),
        ),
        (
            json!({"upstream": {"identity": {"header": {"name": "X-User"}, "oauth1": {}}}}),
            Some("spec.upstream.identity"),
        ),
    ]
}

/// Password logins that end then, with as many trials, an hour each.
fn ends(sunset: &str, trials: usize) -> Value {
    let hour = |i: usize| format!("2026-11-{:02}T{:02}:00:00Z", 1 + i / 24, i % 24);
    let trials: Vec<_> = (0..trials).map(|i| json!({"start": hour(i), "end": hour(i + 1)})).collect();
    let since = "2026-10-01T00:00:00Z";
    json!({"basicAuth": {"deprecation": {"since": since, "sunset": sunset, "brownOuts": trials}}})
}

fn overlapping() -> Value {
    let mut spec = ends("2026-12-31T00:00:00Z", 2);
    spec["basicAuth"]["deprecation"]["brownOuts"][0]["end"] = json!("2026-11-01T01:00:01Z");
    spec
}

fn end_of_passwords() -> Vec<Row> {
    vec![
        (ends("2026-12-31T00:00:00Z", 32), None),
        (ends("2026-12-31T00:00:00+14:00", 0), None),
        (ends("2026-12-31T00:00:00Z", 33), Some("spec.basicAuth.deprecation.brownOuts")),
        (ends("2026-09-30T00:00:00Z", 0), Some("sunset must not be earlier than since")),
        (ends("2026-02-30T00:00:00Z", 0), Some("spec.basicAuth.deprecation.sunset")),
        (ends("2026-12-31T00:00:00.5Z", 0), Some("spec.basicAuth.deprecation.sunset")),
        (ends("2026-12-31", 0), Some("spec.basicAuth.deprecation.sunset")),
        (overlapping(), Some("must not overlap")),
    ]
}

fn enforcement() -> Vec<Row> {
    vec![
        (
            json!({"onBypass": "Report", "allowedListeners": [{"port": 5701, "reason": "Hazelcast"}, {"port": 9999}]}),
            None,
        ),
        (json!({"loopbackBind": "Off"}), None),
        (json!({"interception": "UnixSocket"}), None),
        (json!({"interception": "Socket"}), Some("Unsupported value")),
        (json!({"interception": "UnixSocket", "loopbackBind": "Off"}), Some("leave loopbackBind at Auto")),
        (json!({"loopbackBind": "127.0.0.1"}), Some("Unsupported value")),
        (json!({"onBypass": "Ignore"}), Some("Unsupported value")),
        (json!({"allowedListeners": [{"port": 0}]}), Some("spec.allowedListeners[0].port")),
        (json!({"allowedListeners": [{"port": 1}, {"port": 1}]}), Some("duplicate entries")),
        (json!({"allowedListeners": [{"port": 18090}]}), Some("18090 is Tomcat's own port")),
    ]
}

fn other_fields() -> Vec<Row> {
    let account = |client: &str| json!({"serviceAccounts": [{"client": client, "username": "u"}]});
    let many = |count: usize| -> Vec<Value> {
        (0..count).map(|i| json!({"client": format!("c{i}"), "username": "u"})).collect()
    };
    vec![
        (json!({"selector": {}}), Some("selector must not be empty")),
        (json!({"selector": {"matchLabels": {}}}), Some("selector must not be empty")),
        (json!({"selector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}), None),
        (json!({"mode": "enforce"}), Some("Unsupported value")),
        (json!({"mode": "Audit", "basicAuth": {"mode": "Deny"}}), None),
        (json!({"basicAuth": {"mode": "Block"}}), Some("Unsupported value")),
        (json!({"usernameAttribute": ""}), Some("spec.usernameAttribute")),
        (account("reports"), None),
        (account("*"), Some("serviceAccounts take no wildcards")),
        (
            json!({"serviceAccounts": [{"client": "c", "username": "a"}, {"client": "c", "username": "b"}]}),
            Some("duplicate entries"),
        ),
        (json!({"serviceAccounts": many(128)}), None),
        (json!({"serviceAccounts": many(129)}), Some("spec.serviceAccounts")),
        (
            json!({"anonymousPaths": {"paths": [{"type": "Exact", "value": "rest"}]}}),
            Some("spec.anonymousPaths.paths[0].value"),
        ),
        (json!({"tokens": {"clockSkew": "60s", "algorithms": ["ES256", "EdDSA"]}}), None),
        (json!({"tokens": {"clockSkew": "1m1s"}}), Some("clockSkew must be at most 60s")),
        (json!({"tokens": {"validation": "UserInfo"}}), None),
        (
            json!({"tokens": {"validation": "Introspection"}}),
            Some("tokens.validation: Introspection needs a client that may ask"),
        ),
        (
            json!({"tokens": {"validation": "Introspection"},
                   "keycloak": {"host": "h", "realm": "r", "clientSecretRef": {"name": "sso-client"}}}),
            None,
        ),
        (json!({"tokens": {"revocation": {"pollInterval": "0s"}}}), None),
        (
            json!({"tokens": {"revocation": {"pollInterval": "5ms"}}}),
            Some("pollInterval must be 0s for never"),
        ),
        (json!({"issuers": [{"issuer": "https://login.example.com", "audiences": ["wiki"]}]}), None),
        (json!({"issuers": [{"issuer": "https://login.example.com"}]}), Some("spec.issuers[0].audiences")),
        (json!({"issuers": [{"issuer": "login", "audiences": ["wiki"]}]}), Some("issuer must be a URL")),
        (
            json!({"issuers": [{"issuer": "https://l", "audiences": ["a"]}, {"issuer": "https://l", "audiences": ["b"]}]}),
            Some("duplicate entries"),
        ),
        (json!({"externalURLs": ["https://wiki.example.com"]}), None),
        (
            json!({"externalURLs": ["https://wiki.example.com/x"]}),
            Some("externalURLs are scheme, host and port"),
        ),
        (json!({"tokens": {"algorithms": []}}), Some("spec.tokens.algorithms")),
        (json!({"tokens": {"algorithms": ["HS256"]}}), Some("Unsupported value")),
        (json!({"tokens": {"required": {"clientRoles": [{"client": "wiki", "role": "editor"}]}}}), None),
        (json!({"tokens": {"required": {"groups": [""]}}}), Some("spec.tokens.required.groups[0]")),
        (json!({"usernameMapping": {"stripSuffix": "@example.com", "lowerCase": true}}), None),
        (json!({"deniedUsers": [""]}), Some("spec.deniedUsers[0]")),
        (json!({"rules": [{"action": "ReadOnly", "methods": ["GET"], "cidrs": ["10.0.0.0/8"]}]}), None),
        (json!({"rules": [{"action": "Block"}]}), Some("Unsupported value")),
        (json!({"rules": [{"action": "Deny", "methods": ["get"]}]}), Some("spec.rules[0].methods[0]")),
        (
            json!({"basicAuth": {"mode": "Deny", "exceptions": [{"users": ["svc"]}, {"presets": ["Feeds"]}]}}),
            None,
        ),
        (json!({"basicAuth": {"exceptions": [{"users": ["svc"]}, {}]}}), Some("an entry names users, paths")),
        (
            json!({"basicAuth": {"exceptions": [{"users": [], "cidrs": []}]}}),
            Some("an entry names users, paths"),
        ),
        (json!({"trustedProxies": {"hops": 1}}), None),
        (
            json!({"trustedProxies": {"cidrs": ["10.0.0.0/8"], "clientCertificateHeader": "Client-Cert"}}),
            None,
        ),
        (
            json!({"trustedProxies": {"hops": 1, "clientCertificateHeader": "Client-Cert"}}),
            Some("set trustedProxies.cidrs"),
        ),
        (json!({"trustedProxies": {"hops": 0}}), Some("spec.trustedProxies.hops")),
        (json!({"trustedProxies": {"hops": 1, "cidrs": ["10.0.0.0/8"]}}), Some("hops or cidrs, not both")),
        (json!({"rateLimits": [{"key": "User", "requests": 100, "period": "1m"}]}), None),
        (
            json!({"rateLimits": [{"key": "User", "requests": 0, "period": "1m"}]}),
            Some("spec.rateLimits[0].requests"),
        ),
        (json!({"audit": {"lines": "Everything"}}), Some("Unsupported value")),
        (json!({"rollout": {"strategy": "Automatic"}}), None),
        (json!({"rollout": {"strategy": "Sometimes"}}), Some("Unsupported value")),
        (json!({"deletionPolicy": "Retain"}), None),
        (json!({"deletionPolicy": "Orphan"}), Some("Unsupported value")),
        (json!({"basicauth": {"mode": "Deny"}}), Some(".spec.basicauth: field not declared in schema")),
    ]
}

#[tokio::test]
async fn the_api_server_refuses_what_makes_no_sense_and_says_why() {
    let cluster = Cluster::new("cel").await;
    let kind = GroupVersionKind::gvk("restward.io", "v1alpha1", "RestApiAuthPolicy");
    let mut resource = kube::api::ApiResource::from_gvk(&kind);
    resource.plural = "restapiauthpolicies".into();
    let api =
        kube::Api::<DynamicObject>::namespaced_with(cluster.client.clone(), &cluster.namespace, &resource);
    let params = PatchParams::apply("restward-tests").dry_run().validation_strict();
    for (spec, refusal) in
        [hosts(), provisioning(), upstream(), end_of_passwords(), enforcement(), other_fields()].concat()
    {
        let object: DynamicObject = serde_json::from_value(policy("wiki", spec.clone())).unwrap();
        match (api.patch("wiki", &params, &Patch::Apply(object)).await, refusal) {
            (Ok(_), None) => {}
            (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{spec}: {error}"),
            (Ok(_), Some(_)) => panic!("accepted: {spec}"),
            (Err(error), None) => panic!("refused: {spec}: {error}"),
        }
    }
    cluster.clean_up().await;
}

#[tokio::test]
async fn defaults_are_filled_in_so_that_a_policy_shows_what_holds() {
    let cluster = Cluster::new("defaults").await;
    let created = cluster.create("wiki", json!({})).await.unwrap();
    let spec = serde_json::to_value(&created.spec).unwrap();
    assert_eq!(spec["mode"], "Enforce");
    assert_eq!(spec["basicAuth"]["mode"], "Allow");
    assert_eq!((&spec["interception"], &spec["loopbackBind"]), (&json!("Port"), &json!("Auto")));
    assert_eq!(spec["onBypass"], "Block");
    assert_eq!(spec["usernameAttribute"], "preferred_username");
    assert_eq!(spec["credentials"]["anonymous"], "Deny");
    assert_eq!(spec["anonymousPaths"]["presets"].as_array().unwrap().len(), 6);
    cluster.clean_up().await;
}
