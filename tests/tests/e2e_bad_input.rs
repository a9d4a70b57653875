//! Mistakes in a policy: each is answered with a sentence that says what to change, at `kubectl apply` or in status.
//!
//! The policies select nothing, so no pod is touched; they live beside the wiki, where Keycloak's authority is.
#![cfg(feature = "cluster-tests")]

use std::time::Duration;

use anyhow::{Result, ensure};
use restward_tests::{
    command::{apply, apply_warnings, kubectl, run_refused},
    policy::until,
    world::WIKI_NAMESPACE,
};
use serde_json::{Value, json};

/// What the project promises: a wrong Keycloak shows in status within a minute.
const A_MINUTE: Duration = Duration::from_mins(1);

fn policy(name: &str, keycloak: &Value) -> Value {
    json!({
        "apiVersion": "restward.io/v1alpha1",
        "kind": "RestApiAuthPolicy",
        "metadata": {"name": name, "namespace": WIKI_NAMESPACE},
        "spec": {"selector": {"matchLabels": {"app": "none-such"}}, "keycloak": keycloak},
    })
}

/// Applies a policy with this `spec.keycloak`, waits for the condition, and requires each of `parts` in its message.
async fn shows(name: &str, keycloak: Value, (kind, reason): (&str, &str), parts: &[&str]) -> Result<()> {
    apply(&policy(name, &keycloak).to_string()).await?;
    let message = until(WIKI_NAMESPACE, name, kind, "False", reason, A_MINUTE).await?;
    for part in parts {
        ensure!(message.contains(part), "{name}: '{part}' is not in: {message}");
    }
    kubectl(&["delete", "restapiauthpolicy", name, "-n", WIKI_NAMESPACE, "--timeout=60s"]).await?;
    Ok(())
}

const PROVIDER: &str = "IdentityProviderReachable";

#[tokio::test]
async fn a_keycloak_that_cannot_be_reached_is_named_with_the_cause() {
    let nowhere = json!({"host": "https://sso.nowhere.test", "realm": "atlassian"});
    shows("no-name", nowhere, (PROVIDER, "Unreachable"), &["https://sso.nowhere.test", "cannot be reached"])
        .await
        .unwrap();

    let closed = json!({"host": "https://keycloak.keycloak.svc:8444", "realm": "atlassian"});
    shows("no-port", closed, (PROVIDER, "Unreachable"), &["https://keycloak.keycloak.svc:8444"])
        .await
        .unwrap();
}

#[tokio::test]
async fn an_issuer_that_is_not_the_hosts_is_shown_with_both_values() {
    let inside = json!({"host": "https://keycloak.keycloak.svc:8443/auth", "realm": "atlassian",
        "caCertificateRefs": [{"name": "keycloak-ca"}]});
    let both = [
        "https://sso.example.test/auth/realms/atlassian",
        "https://keycloak.keycloak.svc:8443/auth/realms/atlassian",
        "spec.keycloak.acceptedIssuers",
    ];
    shows("issuer", inside, (PROVIDER, "IssuerMismatch"), &both).await.unwrap();
}

#[tokio::test]
async fn a_realm_that_does_not_exist_and_an_unknown_authority_say_which_field_to_look_at() {
    let realm = json!({"host": "https://sso.example.test/auth", "realm": "atlasian",
        "backchannelURL": "https://keycloak.keycloak.svc:8443", "caCertificateRefs": [{"name": "keycloak-ca"}]});
    shows("realm", realm, (PROVIDER, "RealmNotFound"), &["'atlasian'", "spec.keycloak.host and realm"])
        .await
        .unwrap();

    let untrusted = json!({"host": "https://sso.example.test/auth", "realm": "atlassian",
        "backchannelURL": "https://keycloak.keycloak.svc:8443"});
    shows("untrusted", untrusted, (PROVIDER, "TlsUntrusted"), &["spec.keycloak.caCertificateRefs"])
        .await
        .unwrap();

    let no_map = json!({"host": "https://sso.example.test/auth", "realm": "atlassian",
        "caCertificateRefs": [{"name": "none-such"}]});
    shows("no-map", no_map, ("Accepted", "ReferenceNotFound"), &["none-such"]).await.unwrap();
}

#[tokio::test]
async fn a_policy_that_selects_nothing_says_so() {
    let good = json!({"host": "https://sso.example.test/auth", "realm": "atlassian",
        "backchannelURL": "https://keycloak.keycloak.svc:8443", "caCertificateRefs": [{"name": "keycloak-ca"}]});
    shows("nobody", good, ("Ready", "NoPods"), &["spec.selector matches no running pod"]).await.unwrap();
}

#[tokio::test]
async fn kubectl_apply_refuses_nonsense_with_a_sentence() {
    let with = |change: fn(&mut Value)| {
        let mut policy =
            policy("nonsense", &json!({"host": "https://sso.example.test", "realm": "atlassian"}));
        change(&mut policy["spec"]);
        policy.to_string()
    };
    let cases: [(String, &str); 6] = [
        (with(|spec| spec["selector"] = json!({})), "selector must not be empty: name the labels"),
        (with(|spec| spec["keycloak"]["host"] = json!("https://h/?q")), "spec.keycloak.host"),
        (
            with(|spec| spec["keycloak"]["realm"] = json!("a/b")),
            "realm must be the realm's name as in its URL",
        ),
        (
            with(|spec| spec["basicAuth"] = json!({"mode": "deny"})),
            "supported values: \"Allow\", \"Audit\", \"Deny\"",
        ),
        (with(|spec| spec["basicauth"] = json!({"mode": "Deny"})), "unknown field \"spec.basicauth\""),
        (
            with(|spec| spec["serviceAccounts"] = json!([{"client": "*", "username": "u"}])),
            "serviceAccounts take no wildcards",
        ),
    ];
    for (policy, sentence) in cases {
        let refusal = run_refused("kubectl", &["apply", "-f", "-"], Some(policy.as_bytes())).await.unwrap();
        assert!(refusal.contains(sentence), "'{sentence}' is not in: {refusal}");
    }
}

#[tokio::test]
async fn kubectl_apply_warns_of_what_is_seldom_meant() {
    let warnings = |audiences: Value, host: &'static str| async move {
        let mut policy = policy("advised", &json!({"host": host, "realm": "atlassian"}));
        policy["spec"]["tokens"] = json!({"audiences": audiences});
        apply_warnings(&policy.to_string()).await
    };
    let said = warnings(json!([]), "http://sso.nowhere.test").await.unwrap();
    assert!(said.contains("AudienceUnrestricted: every client of realm atlassian may call"), "{said}");
    assert!(said.contains("PlainHttp"), "{said}");
    let said = warnings(json!(["confluence"]), "https://sso.nowhere.test").await.unwrap();
    assert!(!said.contains("Warning"), "{said}");
    kubectl(&["delete", "restapiauthpolicy", "advised", "-n", WIKI_NAMESPACE, "--timeout=60s"])
        .await
        .unwrap();
}
