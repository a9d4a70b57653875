use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    http::{StatusCode, Uri},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use restward_crds::api::v1alpha1::RestApiAuthPolicyStatus;
use serde_json::{Value, json};

use super::*;
use crate::testing;

fn policy(provisioning: Value, status: Option<ProvisioningStatus>) -> RestApiAuthPolicy {
    let mut policy = testing::policy(json!({
        "keycloak": {"host": "https://sso.example.com", "realm": "staff", "provisioning": provisioning},
        "tokens": {"audiences": ["confluence"]},
    }));
    policy.status = Some(RestApiAuthPolicyStatus { provisioning: status, ..Default::default() });
    policy
}

fn spec(state: &str, clients: &[&str]) -> Value {
    let clients: Vec<Value> =
        clients.iter().map(|client| json!({"client": client, "purpose": "ServiceAccount"})).collect();
    json!({"adminSecretRef": {"name": "kc"}, "state": state, "clients": clients})
}

fn made(clients: &[&str]) -> ProvisioningStatus {
    ProvisioningStatus {
        client_scope: Some("restward-atlassian-wiki".into()),
        clients: clients.iter().map(ToString::to_string).collect(),
        last_change: Some("2026-01-02T03:04:05Z: before".into()),
    }
}

fn wants(policy: &RestApiAuthPolicy) -> Desired {
    desired(policy, policy.spec.keycloak.provisioning.as_ref().unwrap(), "c-1")
}

#[test]
fn what_was_made_and_is_not_listed_any_more_goes() {
    let kept = wants(&policy(spec("Present", &["a", "b"]), Some(made(&["b", "c"]))));
    assert_eq!(kept.owner, "c-1/atlassian/wiki");
    assert_eq!(kept.scope.unwrap().name, "restward-atlassian-wiki");
    assert_eq!((kept.clients.len(), kept.gone), (2, vec!["c".to_owned()]));
    let absent = wants(&policy(spec("Absent", &["a", "b"]), Some(made(&["b", "c"]))));
    assert!(absent.scope.is_none() && absent.clients.is_empty());
    assert_eq!(absent.gone, ["a", "b", "c"]);
}

#[test]
fn status_remembers_what_was_made_until_it_is_gone() {
    let at = 1_767_323_045;
    let well = |done: &[&str]| Kept { done: done.iter().map(ToString::to_string).collect(), trouble: None };
    let ill = Kept { done: Vec::new(), trouble: Some(Trouble::NoSecret("kc".into())) };
    let present = policy(spec("Present", &["a", "b"]), Some(made(&["b", "c"])));
    let shown = status(&present, Some(&well(&["make x", "give y"])), at).unwrap();
    assert_eq!(shown.clients, ["a", "b"]);
    assert_eq!(shown.last_change.as_deref(), Some("2026-01-02T03:04:05Z: make x; give y"));
    assert_eq!(status(&present, Some(&well(&[])), at).unwrap().last_change, made(&[]).last_change);
    // Somebody has to remove them yet.
    assert_eq!(status(&present, Some(&ill), at).unwrap().clients, ["a", "b", "c"]);
    assert_eq!(status(&present, None, at), Some(made(&["b", "c"])), "the policy is not accepted");

    let absent = policy(spec("Absent", &["a"]), Some(made(&["a"])));
    assert_eq!(status(&absent, Some(&ill), at).unwrap().clients, ["a"]);
    let gone = status(&absent, Some(&well(&[])), at).unwrap();
    assert!(gone.client_scope.is_none() && gone.clients.is_empty());
    assert_eq!(status(&testing::policy(json!({})), None, at), None);
}

#[test]
fn troubles_are_sentences() {
    let said = advisory(Some(&Kept { done: Vec::new(), trouble: Some(Trouble::NotReadable("kc".into())) }));
    assert!(said.unwrap().starts_with("ProvisioningFailed: the operator may not read the Secret 'kc'"));
    assert_eq!(advisory(Some(&Kept::default())), None);
    assert_eq!(advisory(None), None);
}

/// What the cluster gives, when it answers so to the question for the Secret `kc`.
async fn given(secret: (StatusCode, Value)) -> Result<(), Trouble> {
    let answer = async move |uri: Uri| match uri.path() {
        "/api/v1/namespaces/kube-system" => {
            (StatusCode::OK, json!({"metadata": {"name": "kube-system", "uid": "c-1"}}).to_string())
        }
        "/api/v1/namespaces/atlassian/secrets/kc" => (secret.0, secret.1.to_string()),
        other => panic!("{other} is no business of provisioning"),
    };
    let client = Client::new(Router::new().fallback(answer), "atlassian");
    let given = dereference(&client, &policy(spec("Present", &[]), None)).await.unwrap().unwrap();
    assert_eq!(given.cluster, "c-1");
    given.admin.map(drop)
}

#[tokio::test]
async fn the_secret_is_read_where_the_chart_allows_it_and_has_to_be_whole() {
    let refusal = |code: u16, reason: &str| json!({"kind": "Status", "status": "Failure", "message": "m", "reason": reason, "code": code});
    let name = || "kc".to_owned();
    assert_eq!(
        given((StatusCode::FORBIDDEN, refusal(403, "Forbidden"))).await,
        Err(Trouble::NotReadable(name()))
    );
    assert_eq!(
        given((StatusCode::NOT_FOUND, refusal(404, "NotFound"))).await,
        Err(Trouble::NoSecret(name()))
    );
    let secret = |items: &[(&str, &str)]| {
        let data: Value = items
            .iter()
            .map(|(key, item)| ((*key).to_owned(), json!(BASE64_STANDARD.encode(item))))
            .collect();
        (StatusCode::OK, json!({"metadata": {"name": "kc"}, "data": data}))
    };
    let whole = [
        ("keycloak-url", "https://sso.example.com"),
        ("admin-client-id", "op"),
        ("admin-client-secret", "s3cret"),
    ];
    assert_eq!(given(secret(&whole)).await, Ok(()));
    for missing in 0..whole.len() {
        let items: Vec<_> =
            whole.into_iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, item)| item).collect();
        assert_eq!(given(secret(&items)).await, Err(Trouble::NoSecret(name())));
    }
    let odd = [("keycloak-url", "https://u:p@h"), whole[1], whole[2]];
    assert!(matches!(given(secret(&odd)).await, Err(Trouble::BadUrl(_))));
    let nothing = Client::new(Router::new().fallback(async || StatusCode::IM_A_TEAPOT), "atlassian");
    assert!(dereference(&nothing, &testing::policy(json!({}))).await.unwrap().is_none(), "nobody is asked");
}

#[tokio::test]
async fn keycloak_is_asked_seldom_and_at_once_when_something_is_changed() {
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let refuse = async move || {
        count.fetch_add(1, Ordering::SeqCst);
        StatusCode::FORBIDDEN
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(refuse)).await });
    let given = |secret: &str| {
        let items = [
            ("keycloak-url", format!("http://{address}")),
            ("admin-client-id", "op".into()),
            ("admin-client-secret", secret.into()),
        ];
        let data = items.into_iter().map(|(key, item)| (key.to_owned(), item.into_bytes())).collect();
        Given { cluster: "c-1".into(), admin: AdminClient::from_secret("kc", &data) }
    };
    let realms = Realms::new(Guard::AllowLoopback);
    let keep = async |policy: &RestApiAuthPolicy, given: &Given| {
        let validated = super::super::validate::validate(policy, &testing::observed()).unwrap();
        let kept = realms.keep(policy, &validated, Some(given)).await.unwrap();
        assert_eq!(kept.trouble, Some(Trouble::Odd("give a token".into(), 403)));
        asked.load(Ordering::SeqCst)
    };
    let (one, other) = (policy(spec("Present", &[]), None), policy(spec("Present", &["a"]), None));
    let mut seen = Vec::new();
    for (policy, secret) in
        [(&one, "s"), (&one, "s"), (&other, "s"), (&other, "s"), (&other, "t"), (&other, "t")]
    {
        seen.push(keep(policy, &given(secret)).await);
    }
    assert_eq!(seen, [1, 1, 2, 2, 3, 3]);
}
