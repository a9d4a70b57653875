mod looks;

use axum::{
    Router,
    http::{StatusCode, Uri},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use restward_crds::api::v1alpha1::RestApiAuthPolicyStatus;
use serde_json::{Value, json};

use super::*;
use crate::testing;

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
    wants_after(policy, None)
}

fn wants_after(policy: &RestApiAuthPolicy, last: Option<&Look>) -> Desired {
    desired(policy, policy.spec.keycloak.provisioning.as_ref().unwrap(), "c-1", last)
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
fn what_nobody_remembers_is_looked_for_by_its_mark() {
    let many: Vec<String> = (0..MAX_CLIENTS).map(|number| format!("c{number}")).collect();
    let many = made(&many.iter().map(String::as_str).collect::<Vec<_>>());
    for (state, status, expected) in [
        ("Present", None, true),
        ("Present", Some(made(&["a"])), false),
        ("Present", Some(many), true),
        ("Absent", None, true),
        ("Absent", Some(made(&["a"])), true),
    ] {
        let policy = policy(&spec(state, &["a"]), status);
        assert_eq!(wants(&policy).by_mark, expected, "{:?}", policy.status);
    }
}

#[test]
fn status_remembers_what_was_made_until_it_is_gone() {
    let at = 1_767_323_045;
    let well = |done: &[&str]| {
        Progress::Over(Kept { done: done.iter().map(ToString::to_string).collect(), ..Kept::default() })
    };
    let ill = Progress::Over(Kept { trouble: Some(Trouble::NoSecret("kc".into())), ..Kept::default() });
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
    assert_eq!(status(&present, Some(&Progress::UnderWay), at), Some(made(&["b", "c"])));

    let names: Vec<String> = (0..3 * MAX_CLIENTS).map(|number| format!("c{number}")).collect();
    let many =
        policy(&spec("Present", &["a"]), Some(made(&names.iter().map(String::as_str).collect::<Vec<_>>())));
    assert_eq!(status(&many, Some(&ill), at).unwrap().clients.len(), MAX_CLIENTS);
    assert!(wants(&many).gone.len() <= MAX_CLIENTS);

    let absent = policy(&spec("Absent", &["a"]), Some(made(&["a"])));
    assert_eq!(status(&absent, Some(&ill), at).unwrap().clients, ["a"]);
    let gone = status(&absent, Some(&well(&[])), at).unwrap();
    assert!(gone.client_scope.is_none() && gone.clients.is_empty());
    assert_eq!(status(&testing::policy(json!({})), None, at), None);
}

#[test]
fn what_was_made_lately_goes_too_when_status_comes_late() {
    let policy = policy(&spec("Present", &["a"]), None);
    let look = |trouble| Look {
        desired: Desired {
            gone: vec!["c".into()],
            ..wants(&self::policy(&spec("Present", &["a", "b"]), None))
        },
        admin: admin("http://h", "s"),
        at: Instant::now(),
        kept: Kept { trouble, ..Kept::default() },
    };
    let gone = |look: Look| wants_after(&policy, Some(&look)).gone;
    assert_eq!(gone(look(None)), ["b"]);
    assert_eq!(gone(look(Some(Trouble::NoSecret("kc".into())))), ["b", "c"], "it may still be there");
}

#[test]
fn troubles_are_sentences_and_stay_until_the_next_look_is_over() {
    let mut policy = policy(&spec("Present", &[]), None);
    let over = |trouble, is_plain_http| Progress::Over(Kept { trouble, is_plain_http, ..Kept::default() });
    let ill = over(Some(Trouble::NotReadable("kc".into())), true);
    let said = advisories(&policy, Some(&ill));
    assert!(said[0].starts_with("ProvisioningFailed: the operator may not read the Secret 'kc'"), "{said:?}");
    assert!(said[1].starts_with("PlainHttp: the secret of spec.keycloak.provisioning"), "{said:?}");
    let endless = over(Some(Trouble::Unreachable("x".repeat(10_000))), false);
    assert_eq!(advisories(&policy, Some(&endless))[0].len(), MAX_ADVICE);

    let shown = &mut policy.status.as_mut().unwrap().advisories;
    *shown = [&["PlainHttp: keys are fetched over http".to_owned()], said.as_slice()].concat();
    assert_eq!(advisories(&policy, Some(&Progress::UnderWay)), said);
    assert_eq!(advisories(&policy, Some(&over(None, false))), [""; 0]);
    assert_eq!(advisories(&policy, None), [""; 0]);
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
    assert_eq!(cluster_uid(&cluster).await, Ok("c-1".into()));
    admin_client(&cluster, &policy, wanted).await.map(drop)
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
    let failed = read((StatusCode::INTERNAL_SERVER_ERROR, refusal(500, "InternalError"))).await.unwrap_err();
    assert_eq!(
        failed.to_string(),
        "the API server did not give the Secret 'kc' of spec.keycloak.provisioning; it is asked again"
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
    assert_eq!(realms.keep(&nobody, &plain, Some(&validated)).await, None);
    let wants_it = policy(&spec("Present", &[]), None);
    assert_eq!(realms.keep(&nobody, &wants_it, None).await, None);
    let Some(Progress::Over(kept)) = realms.keep(&nobody, &wants_it, Some(&validated)).await else {
        panic!()
    };
    // Status is written all the same.
    assert!(kept.trouble.unwrap().to_string().contains("did not give the UID of the namespace kube-system"));
}
