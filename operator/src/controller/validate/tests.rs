use restward_crds::{api::v1alpha1::CaCertificateRef, sidecar::terms::Switch};
use serde_json::{Value, json};

use super::*;
use crate::{
    controller::dereference::Authority,
    testing::{observed, pod, policy, template},
};

fn refused(spec: serde_json::Value, observed: &Observed) -> Refused {
    validate(&policy(spec), observed).unwrap_err()
}

#[test]
fn the_smallest_policy_is_accepted_with_everything_filled_in() {
    let validated = validate(&policy(json!({})), &observed()).unwrap();
    assert_eq!(validated.candidate.config_map(), "restward-wiki");
    assert_eq!(validated.settings.upstream.identity.reserved_consumer(), Some("restward-atlassian-wiki"));
    assert_eq!(validated.config.policy.generation, 7);
    assert_eq!(validated.config.basic_auth, Switch::Allow);
    assert_eq!((validated.ca_pem, validated.conflict), (None, None));
}

#[test]
fn what_the_sidecar_would_refuse_is_refused_with_the_field_of_the_policy() {
    let table = [
        (json!({"keycloak": {"host": "https://u:p@h", "realm": "r"}}), "spec.keycloak.host: "),
        (json!({"keycloak": {"host": "h", "realm": ".."}}), "spec.keycloak.realm: "),
        (json!({"tokens": {"audiences": [""]}}), "spec.tokens.audiences: "),
        (json!({"externalURLs": ["wiki"]}), "spec.externalURLs[0]: "),
        (json!({"tokens": {"clockSkew": "61s"}}), "spec.tokens.clockSkew: "),
        (json!({"tokens": {"required": {"groups": ["/staff/"]}}}), "spec.tokens.required.groups: "),
        (json!({"usernameAttribute": "/a~2"}), "spec.usernameAttribute: "),
        (json!({"upstream": {"contextPath": "wiki"}}), "spec.upstream.contextPath: "),
        (
            json!({"upstream": {"identity": {"header": {"name": "Cookie"}}}}),
            "spec.upstream.identity.header.name: ",
        ),
        (json!({"serviceAccounts": [{"client": "*", "username": "u"}]}), "spec.serviceAccounts[0]: "),
        (json!({"deniedUsers": [" a"]}), "spec.deniedUsers[0]: "),
        (json!({"rules": [{"action": "Deny", "cidrs": ["x"]}]}), "spec.rules[0].cidrs: "),
        (json!({"trustedProxies": {"cidrs": ["::/0"]}}), "spec.trustedProxies.cidrs: "),
        (json!({"selector": {}}), "selector: "),
    ];
    for (spec, field) in table {
        let refused = refused(spec, &observed());
        assert_eq!(refused.reason, AcceptedReason::Invalid);
        assert!(refused.message.contains(field), "{field}: {}", refused.message);
    }
}

#[test]
fn how_users_are_named_reaches_the_sidecar() {
    for (spec, want) in [
        (json!({"oauth1": {"consumerKey": "own"}}), json!({"oauth1": {"consumerKey": "own"}})),
        (json!({"header": {"name": "X-Wiki-User"}}), json!({"header": {"name": "X-Wiki-User"}})),
    ] {
        let policy = policy(json!({"upstream": {"identity": spec}}));
        let config = validate(&policy, &observed()).unwrap().config;
        assert_eq!(serde_json::to_value(config).unwrap()["upstream"]["identity"], want);
    }
}

#[test]
fn who_may_call_reaches_the_sidecar() {
    let spec = json!({
        "usernameMapping": {"stripPrefix": "corp-"}, "deniedUsers": ["admin"], "trustedProxies": {"hops": 2},
        "rules": [{"action": "ReadOnly", "users": ["bob"]}], "audit": {"lines": "All"},
        "rateLimits": [{"key": "Client", "requests": 5, "period": "1s", "burst": 9}],
    });
    let config = validate(&policy(spec.clone()), &observed()).unwrap().config;
    let config = serde_json::to_value(config).unwrap();
    for (member, value) in spec.as_object().unwrap() {
        let is_kept = |(name, want): (&String, &serde_json::Value)| config[member].get(name) == Some(want);
        match value {
            serde_json::Value::Object(members) => assert!(members.iter().all(is_kept), "{member}"),
            _ => assert_eq!(&config[member], value, "{member}"),
        }
    }
}

#[test]
fn the_rules_for_tokens_reach_the_sidecar() {
    let tokens = json!({
        "audiences": ["wiki"], "authorizedParties": ["app"], "algorithms": ["ES256"], "clockSkew": "5s",
        "revocation": {"pollInterval": "7s"},
        "required": {"scopes": ["s"], "realmRoles": ["r"], "groups": ["/g"], "clientRoles": [{"client": "c", "role": "r"}]},
    });
    let settings = validate(&policy(json!({ "tokens": tokens })), &observed()).unwrap().settings;
    assert_eq!(settings.issuers[0].audiences, ["wiki"]);
    assert_eq!(settings.issuers[0].authorized_parties, ["app"]);
    assert!(settings.issuers[0].own_client.is_none());
    let rules = json!({"algorithms": ["ES256"], "clockSkew": "5s", "required": tokens["required"]});
    let rules: TokenRules = serde_json::from_value(rules).unwrap();
    assert_eq!(settings.tokens.algorithms, rules.algorithms);
    assert_eq!(settings.tokens.clock_skew, rules.clock_skew.0);
    assert_eq!(settings.tokens.revocation_poll.unwrap().as_secs(), 7);
    assert_eq!(settings.tokens.required, rules.required);
}

#[test]
fn introspection_needs_a_client_whose_secret_is_mounted_by_name() {
    let tokens = json!({"validation": "Introspection"});
    let without = refused(json!({ "tokens": tokens }), &observed());
    assert!(
        without.message.contains("spec.tokens.validation: ") && without.message.contains("clientSecretRef")
    );
    let keycloak = json!({"host": "h", "realm": "r", "clientSecretRef": {"name": "gate"}});
    let with = validate(&policy(json!({ "tokens": tokens, "keycloak": keycloak })), &observed()).unwrap();
    assert_eq!(with.settings.issuers[0].own_client, Some(OwnClient::Secret));
    assert_eq!(with.candidate.client_secret.as_deref(), Some("gate"));
}

#[test]
fn an_assertion_is_for_the_realm() {
    let of = |keycloak: Value| {
        let validated = validate(&policy(json!({ "keycloak": keycloak })), &observed()).unwrap();
        assert_eq!(validated.settings.issuers[0].own_client, Some(OwnClient::Assertion("gate".into())));
        assert_eq!(validated.candidate.client_secret, None);
        validated.candidate.client_assertion_audience.unwrap()
    };
    let gate = json!({"clientID": "gate"});
    let plain = json!({"host": "sso.example.com/auth", "realm": "r", "clientAssertion": gate});
    assert_eq!(of(plain), "https://sso.example.com/auth/realms/r");
    let known = "https://sso.example.com/realms/r";
    let named = json!({"host": "kc.svc", "realm": "r", "clientAssertion": gate, "acceptedIssuers": [known]});
    assert_eq!(of(named), known);
    let own = json!({"clientID": "gate", "audience": "sso"});
    assert_eq!(of(json!({"host": "h", "realm": "r", "clientAssertion": own})), "sso");
}

#[test]
fn further_issuers_reach_the_sidecar_and_are_named_as_in_the_policy() {
    let issuer = json!({
        "issuer": "https://login.example.com", "audiences": ["wiki"], "usernameAttribute": "email",
        "serviceAccounts": [{"client": "c", "username": "u"}], "certificateAuthorities": "Keycloak",
    });
    let settings = validate(&policy(json!({ "issuers": [issuer] })), &observed()).unwrap().settings;
    let second = &settings.issuers[1];
    assert_eq!((second.source.name(), second.audiences[0].as_str()), ("https://login.example.com", "wiki"));
    assert!(second.username.is_some() && second.service_accounts.len() == 1 && !second.own_ca);
    let bad = json!({"issuers": [{"issuer": "https://h?x", "audiences": ["wiki"]}]});
    let message = refused(bad, &observed()).message;
    assert!(message.starts_with("spec.issuers[0].issuer: "), "{message}");
}

#[test]
fn names_that_lead_to_names_too_long_are_refused() {
    let mut long = policy(json!({}));
    long.metadata.name = Some("x".repeat(MAX_NAME + 1));
    assert!(validate(&long, &observed()).unwrap_err().message.starts_with("metadata.name"));
}

#[test]
fn a_config_map_of_somebody_else_is_not_taken_over() {
    let observed = Observed { name_is_taken: true, ..observed() };
    assert!(refused(json!({}), &observed).message.contains("restward-wiki"));
}

#[test]
fn certificate_references_must_lead_to_certificates_and_nothing_else() {
    let reference = CaCertificateRef { name: "sso".into(), key: "ca.crt".into() };
    let with = |pem: Option<&str>| Observed {
        authorities: vec![Authority { reference: reference.clone(), pem: pem.map(Into::into) }],
        ..observed()
    };
    assert_eq!(refused(json!({}), &with(None)).reason, AcceptedReason::ReferenceNotFound);
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for pem in ["", "hello", key, &format!("{certificate}{key}")] {
        assert_eq!(refused(json!({}), &with(Some(pem))).reason, AcceptedReason::Invalid, "{pem}");
    }
    let validated = validate(&policy(json!({})), &with(Some(certificate))).unwrap();
    assert_eq!(validated.ca_pem.as_deref(), Some(certificate));
    assert!(validated.settings.issuers[0].own_ca);
}

#[test]
fn a_selector_that_also_matches_synchrony_is_too_wide() {
    let by_label =
        template("wiki-synchrony", json!({"app.kubernetes.io/name": "confluence-synchrony"}), "app");
    let by_container = template("sync", json!({}), "synchrony");
    for synchrony in [by_label, by_container] {
        let observed = Observed { templates: vec![synchrony], ..observed() };
        assert_eq!(refused(json!({}), &observed).reason, AcceptedReason::SelectorTooWide);
    }
    let observed = Observed { pods: vec![pod("wiki-0", json!({}))], ..observed() };
    assert!(validate(&policy(json!({})), &observed).is_ok());
}

#[test]
fn the_older_policy_wins_whole_and_the_younger_says_what_it_lost() {
    let mut older = validate(&policy(json!({})), &observed()).unwrap().candidate;
    (older.name, older.uid) = ("old".into(), "u-0".into());
    older.created -= k8s_openapi::jiff::SignedDuration::from_secs(1);
    let contested = |neighbour: &Candidate| Observed {
        neighbours: vec![neighbour.clone()],
        pods: vec![pod("wiki-0", json!({}))],
        ..observed()
    };
    let lost = refused(json!({}), &contested(&older));
    assert_eq!(lost.reason, AcceptedReason::Conflicted);
    assert!(lost.message.contains("wiki-0 belongs to policy old"), "{}", lost.message);

    // It keeps what only it selects.
    older.selector = serde_json::from_value(json!({"matchLabels": {"tier": "prod"}})).unwrap();
    let mut both = contested(&older);
    both.pods.push(pod("wiki-1", json!({"tier": "prod"})));
    let kept = validate(&policy(json!({})), &both).unwrap();
    assert!(kept.conflict.is_some_and(|message| message.contains("wiki-1") && !message.contains("wiki-0")));

    // A younger neighbour takes nothing.
    let mut younger = contested(&older);
    younger.neighbours[0].selector = policy(json!({})).spec.selector;
    younger.neighbours[0].created += k8s_openapi::jiff::SignedDuration::from_secs(60);
    assert_eq!(validate(&policy(json!({})), &younger).unwrap().conflict, None);
}

#[test]
fn the_administrators_token_is_mounted_only_where_the_link_is_managed() {
    let token = |spec: Value| validate(&policy(spec), &observed()).unwrap().candidate.admin_token;
    let oauth1 = |link: Value| json!({"upstream": {"identity": {"oauth1": {"applicationLink": link}}}});
    assert_eq!(token(json!({})), None);
    assert_eq!(token(oauth1(json!({"mode": "Manual"}))), None);
    let managed = token(oauth1(json!({"mode": "Managed", "adminTokenSecretRef": {"name": "a", "key": "t"}})));
    assert_eq!(managed.map(|token| (token.name, token.key)), Some(("a".into(), "t".into())));
}
