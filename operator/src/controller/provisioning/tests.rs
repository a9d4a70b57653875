use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    http::{Method, StatusCode, Uri},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use restward_crds::api::v1alpha1::RestApiAuthPolicyStatus;
use serde_json::{Value, json};

use super::*;
use crate::{lease::fence::Closed, testing};

fn policy(provisioning: &Value, status: Option<ProvisioningStatus>) -> RestApiAuthPolicy {
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
    wants_after(policy, &[])
}

fn wants_after(policy: &RestApiAuthPolicy, lately: &[String]) -> Desired {
    desired(policy, policy.spec.keycloak.provisioning.as_ref().unwrap(), "c-1", lately.iter())
}

#[test]
fn what_was_made_and_is_not_listed_any_more_goes() {
    let kept = wants(&policy(&spec("Present", &["a", "b"]), Some(made(&["b", "c"]))));
    assert_eq!(kept.owner, "c-1/atlassian/wiki");
    assert_eq!(kept.scope.unwrap().name, "restward-atlassian-wiki");
    assert_eq!((kept.clients.len(), kept.gone), (2, vec!["c".to_owned()]));
    let absent = wants(&policy(&spec("Absent", &["a", "b"]), Some(made(&["b", "c"]))));
    assert!(absent.scope.is_none() && absent.clients.is_empty());
    assert_eq!(absent.gone, ["a", "b", "c"]);
}

#[test]
fn status_remembers_what_was_made_until_it_is_gone() {
    let at = 1_767_323_045;
    let well =
        |done: &[&str]| Kept { done: done.iter().map(ToString::to_string).collect(), ..Kept::default() };
    let ill = Kept { trouble: Some(Trouble::NoSecret("kc".into())), ..Kept::default() };
    let present = policy(&spec("Present", &["a", "b"]), Some(made(&["b", "c"])));
    let shown = status(&present, Some(&well(&["make x", "give y"])), at).unwrap();
    assert_eq!(shown.clients, ["a", "b"]);
    assert_eq!(shown.last_change.as_deref(), Some("2026-01-02T03:04:05Z: make x; give y"));
    assert_eq!(status(&present, Some(&well(&[])), at).unwrap().last_change, made(&[]).last_change);
    let much = status(&present, Some(&well(&vec!["x"; MAX_CHANGE])), at).unwrap().last_change.unwrap();
    assert_eq!(much.len(), MAX_CHANGE);
    // Somebody has to remove them yet.
    assert_eq!(status(&present, Some(&ill), at).unwrap().clients, ["a", "b", "c"]);
    assert_eq!(status(&present, None, at), Some(made(&["b", "c"])), "the policy is not accepted");

    let absent = policy(&spec("Absent", &["a"]), Some(made(&["a"])));
    assert_eq!(status(&absent, Some(&ill), at).unwrap().clients, ["a"]);
    let gone = status(&absent, Some(&well(&[])), at).unwrap();
    assert!(gone.client_scope.is_none() && gone.clients.is_empty());
    assert_eq!(status(&testing::policy(json!({})), None, at), None);
}

#[test]
fn what_was_made_lately_goes_too_when_status_comes_late() {
    let policy = policy(&spec("Present", &["a"]), None);
    let remembered = |trouble| Remembered {
        desired: Desired {
            gone: vec!["c".into()],
            ..wants(&self::policy(&spec("Present", &["a", "b"]), None))
        },
        admin: admin("http://h", "s"),
        ca_pem: None,
        at: Instant::now(),
        trouble,
    };
    let gone = |remembered: &Remembered| {
        let lately: Vec<String> = remembered.made().cloned().collect();
        wants_after(&policy, &lately).gone
    };
    assert_eq!(gone(&remembered(None)), ["b"]);
    assert_eq!(gone(&remembered(Some(Trouble::NoSecret("kc".into())))), ["b", "c"], "it may still be there");
}

#[test]
fn troubles_are_sentences() {
    let told = |kept: Option<&Kept>| advisories(kept).collect::<Vec<_>>();
    let ill =
        Kept { trouble: Some(Trouble::NotReadable("kc".into())), is_plain_http: true, ..Kept::default() };
    let said = told(Some(&ill));
    assert!(said[0].starts_with("ProvisioningFailed: the operator may not read the Secret 'kc'"), "{said:?}");
    assert!(said[1].starts_with("PlainHttp: the secret of spec.keycloak.provisioning"), "{said:?}");
    assert_eq!((told(Some(&Kept::default())), told(None)), (vec![], vec![]));
}

fn admin(base: &str, secret: &str) -> AdminClient {
    let items = [("keycloak-url", base), ("admin-client-id", "op"), ("admin-client-secret", secret)];
    let data = items.into_iter().map(|(key, item)| (key.to_owned(), item.into())).collect();
    AdminClient::from_secret("kc", &data).unwrap()
}

/// The API server, which answers so to the question for the Secret `kc`.
fn cluster(secret: (StatusCode, Value)) -> Client {
    let answer = async move |uri: Uri| match uri.path() {
        "/api/v1/namespaces/kube-system" => {
            (StatusCode::OK, json!({"metadata": {"name": "kube-system", "uid": "c-1"}}).to_string())
        }
        "/api/v1/namespaces/atlassian/secrets/kc" => (secret.0, secret.1.to_string()),
        other => panic!("{other} is no business of provisioning"),
    };
    Client::new(Router::new().fallback(answer), "atlassian")
}

async fn read(secret: (StatusCode, Value)) -> Result<(), Trouble> {
    let policy = policy(&spec("Present", &[]), None);
    let wanted = policy.spec.keycloak.provisioning.as_ref().unwrap();
    let cluster = cluster(secret);
    assert_eq!(cluster_uid(&cluster).await.unwrap(), "c-1");
    admin_client(&cluster, &policy, wanted).await.unwrap().map(drop)
}

#[tokio::test]
async fn the_secret_is_read_where_the_chart_allows_it_and_has_to_be_whole() {
    let refusal = |code: u16, reason: &str| json!({"kind": "Status", "status": "Failure", "message": "m", "reason": reason, "code": code});
    let name = || "kc".to_owned();
    assert_eq!(
        read((StatusCode::FORBIDDEN, refusal(403, "Forbidden"))).await,
        Err(Trouble::NotReadable(name()))
    );
    assert_eq!(read((StatusCode::NOT_FOUND, refusal(404, "NotFound"))).await, Err(Trouble::NoSecret(name())));
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
    assert_eq!(read(secret(&whole)).await, Ok(()));
    for missing in 0..whole.len() {
        let items: Vec<_> =
            whole.into_iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, item)| item).collect();
        assert_eq!(read(secret(&items)).await, Err(Trouble::NoSecret(name())));
    }
    let odd = [("keycloak-url", "https://u:p@h"), whole[1], whole[2]];
    assert!(matches!(read(secret(&odd)).await, Err(Trouble::BadUrl(_))));
}

#[tokio::test]
async fn nothing_is_read_for_policies_that_want_nothing_or_are_not_accepted() {
    let nobody = Client::new(Router::new().fallback(async || StatusCode::IM_A_TEAPOT), "atlassian");
    let realms = Realms::new(Guard::AllowLoopback, Fence::default());
    let plain = testing::policy(json!({}));
    let validated = super::super::validate::validate(&plain, &testing::observed()).unwrap();
    assert_eq!(realms.keep(&nobody, &plain, Some(&validated)).await.unwrap(), None);
    let wants_it = policy(&spec("Present", &[]), None);
    assert_eq!(realms.keep(&nobody, &wants_it, None).await.unwrap(), None);
    assert!(realms.keep(&nobody, &wants_it, Some(&validated)).await.is_err(), "the cluster is asked");
}

/// A Keycloak that answers so; its base URL.
async fn keycloak(
    answer: impl Fn(Method, &str) -> (StatusCode, &'static str) + Clone + Send + Sync + 'static,
) -> String {
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let answer = async move |method: Method, uri: Uri| answer(method, uri.path());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    base
}

async fn keep(realms: &Realms, policy: &RestApiAuthPolicy, admin: AdminClient) -> Kept {
    let wanted = policy.spec.keycloak.provisioning.as_ref().unwrap();
    realms.keep_as(admin, policy, wanted, "c-1", None).await
}

#[tokio::test]
async fn keycloak_is_asked_seldom_and_at_once_when_something_is_changed() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let base = keycloak(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        (StatusCode::FORBIDDEN, "")
    })
    .await;
    let realms = Realms::new(Guard::AllowLoopback, Fence::default());
    let (one, other) = (policy(&spec("Present", &[]), None), policy(&spec("Present", &["a"]), None));
    let mut seen = Vec::new();
    for (policy, secret) in
        [(&one, "s"), (&one, "s"), (&other, "s"), (&other, "s"), (&other, "t"), (&other, "t")]
    {
        let kept = keep(&realms, policy, admin(&base, secret)).await;
        assert_eq!(kept.trouble, Some(Trouble::Odd("give a token".into(), 403)));
        assert!(kept.is_plain_http);
        seen.push(asked.load(Ordering::SeqCst));
    }
    assert_eq!(seen, [1, 1, 2, 2, 3, 3]);
}

#[tokio::test]
async fn a_replica_that_may_lead_no_more_changes_nothing() {
    let base = keycloak(|method, path| match (method, path) {
        (Method::POST, "/realms/staff/protocol/openid-connect/token") => {
            (StatusCode::OK, r#"{"access_token": "t"}"#)
        }
        (Method::GET, _) => (StatusCode::OK, "[]"),
        (method, path) => panic!("{method} {path}"),
    })
    .await;
    let realms = Realms::new(Guard::AllowLoopback, Fence::default());
    let kept = keep(&realms, &policy(&spec("Present", &["a"]), None), admin(&base, "s")).await;
    assert_eq!((kept.done, kept.trouble), (vec![], Some(Trouble::NotLeading(Closed))));
}
