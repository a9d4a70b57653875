use serde_json::{Value, json};

use super::*;
use crate::sidecar::{enforcement::OnBypass, tokens::Algorithm};

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
    assert_eq!(settings.upstream.identity.reserved_consumer(), Some("restward-atlassian-wiki"));
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
fn users_are_named_by_one_header_that_means_nothing_else() {
    let with = |identity: Value, proxies: Value| {
        let mut config = minimal();
        config["upstream"]["identity"] = identity;
        config["trustedProxies"] = proxies;
        read(&config)
    };
    let named = |name: &str| json!({"header": {"name": name}});
    let settings = with(named("X_Forwarded_User"), json!({})).unwrap();
    let identity = &settings.upstream.identity;
    assert!(matches!(identity, IdentitySettings::Header { name } if name.as_str() == "X_Forwarded_User"));
    assert_eq!(identity.reserved_consumer(), None, "no application link, no key of it");

    let proxies = json!({"cidrs": ["10.0.0.0/8"], "clientCertificateHeader": "X-Client-Cert"});
    for (identity, proxies, field) in [
        (named("Authorization"), json!({}), "upstream.identity.header.name"),
        (named("X Y"), json!({}), "upstream.identity.header.name"),
        (named("x_client_CERT"), proxies, "upstream.identity.header.name"),
        (json!({"header": {"name": "X-User", "value": "x"}}), json!({}), "config"),
        (json!({"header": {"name": "X-User"}, "oauth1": {"consumerKey": "k"}}), json!({}), "config"),
        (json!({}), json!({}), "config"),
    ] {
        let errors = with(identity.clone(), proxies).unwrap_err();
        assert_eq!(errors[0].field, field, "{identity}: {errors:?}");
    }
}

#[test]
fn the_key_of_a_managed_link_is_a_fingerprint() {
    let read = |key: &str| {
        let mut config = minimal();
        config["managedLink"] = json!({"key": key});
        read(&config).map(|settings| settings.managed_link.map(|link| link.key))
    };
    let key = "0a".repeat(32);
    assert_eq!(read(&key), Ok(Some(key.clone())));
    for bad in ["", "0a", &key.to_uppercase(), &format!("{key}0")] {
        let errors = read(bad).unwrap_err();
        assert_eq!(errors[0].field, "managedLink.key", "{bad}");
    }
}

#[test]
fn every_bad_optional_member_is_named() {
    let table = [
        ("issuers/0", "backchannelURL", json!("https://kc.svc/auth"), "issuers[0].backchannelURL"),
        ("issuers/0", "audiences", json!([""]), "issuers[0].audiences"),
        ("", "basicAuthExceptions", json!([{}]), "basicAuth.exceptions[0]"),
        (
            "",
            "basicAuthExceptions",
            json!([{"users": ["a"]}, {"cidrs": ["x"]}]),
            "basicAuth.exceptions[1].cidrs",
        ),
        ("", "basicAuthExceptions", json!([{"users": ["\n"]}]), "basicAuth.exceptions[0].users"),
        (
            "",
            "basicAuthExceptions",
            json!([{"paths": [{"type": "Exact", "value": "/a;b"}]}]),
            "basicAuth.exceptions[0].paths.value",
        ),
        ("", "tokens", json!({"algorithms": []}), "tokens.algorithms"),
        ("", "tokens", json!({"algorithms": ["HS256"]}), "config"),
        ("", "tokens", json!({"algorithms": ["none"]}), "config"),
        ("", "tokens", json!({"clockSkew": "61s"}), "tokens.clockSkew"),
        ("", "tokens", json!({"validation": "Introspection"}), "tokens.validation"),
        ("", "externalURLs", json!(["https://wiki.example.com", "wiki"]), "externalURLs[1]"),
        ("", "externalURLs", json!(["https://wiki.example.com/confluence"]), "externalURLs[0]"),
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
        (
            "",
            "usernameMapping",
            json!({"pattern": {"match": "(", "replace": "x"}}),
            "usernameMapping.pattern.match",
        ),
        ("", "deniedUsers", json!(["a", " b"]), "deniedUsers[1]"),
        ("", "rules", json!([{"action": "Deny", "cidrs": ["10.0.0.0/33"]}]), "rules[0].cidrs"),
        ("", "rules", json!([{"action": "Deny", "methods": ["get"]}]), "rules[0].methods"),
        ("", "rules", json!([{"action": "Deny", "users": ["anonymous"]}]), "rules[0].users"),
        ("", "rules", json!([{"action": "Deny", "clients": [""]}]), "rules[0]"),
        (
            "",
            "rules",
            json!([{"action": "Deny", "path": {"type": "Exact", "value": "/a%2fb"}}]),
            "rules[0].path.value",
        ),
        ("", "trustedProxies", json!({"cidrs": ["0.0.0.0/0"]}), "trustedProxies.cidrs"),
        ("", "trustedProxies", json!({"cidrs": ["10.0.0.1"], "hops": 1}), "trustedProxies"),
        ("", "trustedProxies", json!({"hops": 0}), "trustedProxies.hops"),
        (
            "",
            "trustedProxies",
            json!({"hops": 1, "clientCertificateHeader": "Client-Cert"}),
            "trustedProxies.clientCertificateHeader",
        ),
        (
            "",
            "trustedProxies",
            json!({"cidrs": ["10.0.0.0/8"], "clientCertificateHeader": "a b"}),
            "trustedProxies.clientCertificateHeader",
        ),
        ("", "rateLimits", json!([{"key": "User", "requests": 0, "period": "1s"}]), "rateLimits[0].requests"),
        ("", "rateLimits", json!([{"key": "User", "requests": 1, "period": "2h"}]), "rateLimits[0].period"),
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
fn the_announced_end_of_passwords_is_checked() {
    for (sunset, page, field) in [
        ("2026-12-31T00:00:00Z", "http://h", "basicAuth.deprecation.documentation"),
        ("2026-09-30T00:00:00Z", "https://h", "basicAuth.deprecation.sunset"),
        ("2026-02-30T00:00:00Z", "https://h", "config"),
    ] {
        let mut config = minimal();
        config["basicAuthDeprecation"] =
            json!({"since": "2026-10-01T00:00:00Z", "sunset": sunset, "documentation": page});
        let errors = read(&config).unwrap_err();
        assert_eq!(errors[0].field, field, "{sunset} {page}: {errors:?}");
    }
}

fn with_open_id(changes: &Value) -> Value {
    let mut issuer = json!({"issuer": "https://login.example.com", "audiences": ["wiki"]});
    for (name, value) in changes.as_object().unwrap() {
        issuer[name] = value.clone();
    }
    let mut config = minimal();
    config["openIdIssuers"] = json!([issuer]);
    config
}

#[test]
fn an_open_id_issuer_is_asked_below_its_name() {
    let discovery = |changes: &Value| {
        let mut settings = read(&with_open_id(changes)).unwrap();
        let candidates = settings.issuers.remove(1).source.candidates();
        (candidates[0].0.to_string(), candidates[0].1.clone())
    };
    let suffix = ".well-known/openid-configuration";
    for issuer in ["https://login.example.com", "https://login.example.com/", "https://login.example.com/a/"]
    {
        let (url, name) = discovery(&json!({ "issuer": issuer }));
        assert_eq!((url, name.as_str()), (format!("{}/{suffix}", issuer.trim_end_matches('/')), issuer));
    }
    let elsewhere = "http://login.svc/discovery";
    assert_eq!(discovery(&json!({ "discoveryURL": elsewhere })).0, elsewhere);
}

#[test]
fn open_id_issuers_are_checked_member_by_member() {
    let table = [
        ("issuer", json!("login.example.com"), "issuer"),
        ("issuer", json!("https://u:p@login.example.com"), "issuer"),
        ("issuer", json!("https://login.example.com?x"), "issuer"),
        ("issuer", json!("file:///etc/passwd"), "issuer"),
        ("issuer", json!("https://sso.example.com/realms/staff"), "issuer"),
        ("issuer", json!("https://sso.example.com/auth/realms/staff"), "issuer"),
        ("discoveryURL", json!("ftp://x"), "discoveryURL"),
        ("backchannelURL", json!("https://x/path"), "backchannelURL"),
        ("audiences", json!([]), "audiences"),
        ("audiences", json!([""]), "audiences"),
        ("authorizedParties", json!([""]), "authorizedParties"),
        ("usernameAttribute", json!("/a~2"), "usernameAttribute"),
        ("serviceAccounts", json!([{"client": "*", "username": "u"}]), "serviceAccounts[0]"),
    ];
    for (member, value, field) in table {
        let errors = read(&with_open_id(&json!({ member: value }))).unwrap_err();
        assert_eq!(errors[0].field, format!("openIdIssuers[0].{field}"), "{member}: {errors:?}");
    }
    let mut twice = with_open_id(&json!({}));
    let issuer = twice["openIdIssuers"][0].clone();
    twice["openIdIssuers"] = json!([issuer, issuer]);
    assert_eq!(read(&twice).unwrap_err()[0].field, "openIdIssuers[1].issuer");
}

#[test]
fn a_client_mapped_twice_is_refused() {
    let mut config = minimal();
    config["serviceAccounts"] = json!([{"client": "c", "username": "a"}, {"client": "c", "username": "b"}]);
    assert!(read(&config).unwrap_err()[0].message.contains("twice"));
}

#[test]
fn ways_around_block_unless_told_otherwise_and_tomcats_own_port_is_never_allowed() {
    let mut config = minimal();
    let settings = read(&config).unwrap();
    assert_eq!(
        (settings.enforcement.on_bypass, settings.enforcement.allowed_ports.len()),
        (OnBypass::Block, 0)
    );
    config["onBypass"] = json!("Report");
    config["allowedListeners"] = json!([{"port": 5701, "reason": "Hazelcast"}, {"port": 9999}]);
    let settings = read(&config).unwrap();
    assert_eq!(settings.enforcement.on_bypass, OnBypass::Report);
    assert_eq!(settings.enforcement.allowed_ports, [5701, 9999].into());
    for port in [0, 18090] {
        config["allowedListeners"] = json!([{"port": port}]);
        assert_eq!(read(&config).unwrap_err()[0].field, "allowedListeners[0].port");
    }
}
