//! Pods and what becomes of them, file by file. `UPDATE_GOLDEN=1` writes the files anew; read the difference.

use std::{env, fs};

use restward_crds::api::v1alpha1::SecretKeyRef;
use restward_operator::{
    inject::{self, Decision},
    policy_source::Candidate,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{self, data, pod};

/// Compares with a golden file, or writes it.
fn compare(name: &str, got: &Value) {
    let path = data(name);
    let text = serde_saphyr::to_string(got).unwrap();
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let want = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        want == text,
        "{name} differs; if that is meant, run the test with UPDATE_GOLDEN=1 and read the difference. Got:\n{text}"
    );
    let read_back: Value = serde_saphyr::from_str(&want).unwrap();
    assert_eq!(read_back, *got, "{name}: the written form means something else");
}

/// One line of what becomes of a pod, for pods that are not shown whole.
fn outcome(decision: &Decision) -> Value {
    match decision {
        Decision::Inject(_) => json!({"injected": true}),
        Decision::LeaveAlone(why) => json!({"leftAlone": why}),
        Decision::Refuse(refusal) => json!({"refused": refusal.reason.as_str(), "message": refusal.message}),
    }
}

#[test]
fn pods_of_the_official_chart_are_injected() {
    let names = [
        "default",
        "context-path",
        "all-probes",
        "named-probe-ports",
        "jmx",
        "additional-containers",
        "istio",
        "pod-labels",
        "chart-server-xml",
    ];
    for name in names {
        let injected = support::injected(&pod(&format!("{name}.yaml")));
        compare(&format!("{name}.golden.yaml"), &injected);
        support::assert_stable(&injected);
    }
}

#[test]
fn pods_that_are_not_confluence_are_left_alone() {
    let decision = inject::decide(&pod("helm-test.yaml"), &support::policy(), &support::sidecar());
    compare("helm-test.golden.yaml", &outcome(&decision));
    assert!(matches!(decision, Decision::LeaveAlone(_)));
}

/// The last source of the configuration's volume in a pod that is injected for this policy, twice to the same effect.
fn last_source(policy: &Candidate) -> Value {
    let mut injected = pod("default.yaml");
    let Decision::Inject(operations) = inject::decide(&injected, policy, &support::sidecar()) else {
        panic!("not injected");
    };
    json_patch::patch(&mut injected, &operations).unwrap();
    let again = inject::decide(&injected, policy, &support::sidecar());
    assert_eq!(again, Decision::Inject(Vec::new()));
    let volumes = injected["spec"]["volumes"].as_array().unwrap();
    let config = volumes.iter().find(|volume| volume["name"] == "restward-config").unwrap();
    config["projected"]["sources"].as_array().unwrap().last().unwrap().clone()
}

#[test]
fn the_clients_secret_is_mounted_by_name_beside_the_configuration() {
    let policy = Candidate { client_secret: Some("sso-client".into()), ..support::policy() };
    let secret = json!({"secret": {"name": "sso-client", "optional": true, "items": [
        {"key": "client-id", "path": "client-id"}, {"key": "client-secret", "path": "client-secret"},
    ]}});
    assert_eq!(last_source(&policy), secret);
}

#[test]
fn the_administrators_token_is_mounted_by_name_beside_the_configuration() {
    let admin_token = Some(SecretKeyRef { name: "wiki-admin".into(), key: "token".into() });
    let policy = Candidate { admin_token, ..support::policy() };
    let secret = json!({"secret": {"name": "wiki-admin", "optional": true, "items": [
        {"key": "token", "path": "admin-token"},
    ]}});
    assert_eq!(last_source(&policy), secret);
}

#[test]
fn a_token_for_the_realm_stands_beside_the_configuration() {
    let audience = "https://sso.example.com/realms/r";
    let policy = Candidate { client_assertion_audience: Some(audience.into()), ..support::policy() };
    let token = json!({"serviceAccountToken": {
        "audience": audience, "expirationSeconds": 3600, "path": "client-assertion"
    }});
    assert_eq!(last_source(&policy), token);
}

/// A variation of `default.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// `spec.container` of the policy.
    container: Option<String>,
    patch: json_patch::Patch,
}

#[test]
fn what_cannot_be_protected_is_refused_with_what_to_change() {
    let cases: Vec<Case> = serde_json::from_value(pod("cases.yaml")).unwrap();
    let mut outcomes = Vec::new();
    for case in cases {
        let mut pod = pod("default.yaml");
        json_patch::patch(&mut pod, &case.patch).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let policy = Candidate { container: case.container, ..support::policy() };
        let decision = inject::decide(&pod, &policy, &support::sidecar());
        if let Decision::Inject(operations) = &decision {
            json_patch::patch(&mut pod, operations).unwrap();
            let again = inject::decide(&pod, &policy, &support::sidecar());
            assert_eq!(again, Decision::Inject(Vec::new()), "{}", case.name);
        }
        let mut outcome = outcome(&decision);
        outcome["case"] = json!(case.name);
        outcomes.push(outcome);
    }
    compare("cases.golden.yaml", &json!(outcomes));
}
