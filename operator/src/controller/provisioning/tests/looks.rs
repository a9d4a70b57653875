//! Looks at realms that go on beside.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    http::{Method, StatusCode, Uri},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{super::*, admin, cluster, policy, spec};
use crate::{controller::validate::validate, lease::fence::Closed, testing};

/// A Keycloak that answers so; its base URL.
async fn keycloak(
    answer: impl Fn(Method, &str) -> (StatusCode, &'static str) + Clone + Send + Sync + 'static,
) -> String {
    testing::keycloak::plain(
        Router::new().fallback(async move |method: Method, uri: Uri| answer(method, uri.path())),
    )
    .await
}

async fn look(realms: &Realms, policy: &RestApiAuthPolicy, admin: AdminClient) -> Progress {
    let wanted = policy.spec.keycloak.provisioning.as_ref().unwrap();
    realms.keep_as(admin, policy, wanted, "c-1").await
}

/// Looks until it is over.
async fn keep(realms: &Realms, policy: &RestApiAuthPolicy, admin: AdminClient) -> Kept {
    loop {
        match look(realms, policy, admin.clone()).await {
            Progress::Over(kept) => return kept,
            Progress::UnderWay => tokio::task::yield_now().await,
        }
    }
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

/// A Keycloak that gives no token until it may; how many are waiting for one at the moment, and how many did at most.
async fn hesitating(may: Arc<Semaphore>) -> (String, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (waiting, peak) = (Arc::clone(&now), Arc::clone(&most));
    let answer = async move || {
        peak.fetch_max(waiting.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        may.acquire().await.unwrap().forget();
        waiting.fetch_sub(1, Ordering::SeqCst);
        StatusCode::FORBIDDEN
    };
    (testing::keycloak::plain(Router::new().fallback(answer)).await, now, most)
}

fn named(number: usize) -> RestApiAuthPolicy {
    let mut policy = policy(&spec("Present", &[]), None);
    policy.metadata.uid = Some(format!("u-{number}"));
    policy
}

#[tokio::test]
async fn nobody_waits_for_a_keycloak_that_does_not_answer_at_once() {
    let may = Arc::new(Semaphore::new(0));
    let (base, waiting, _) = hesitating(Arc::clone(&may)).await;
    let realms = Realms::new(Guard::AllowLoopback, Fence::default());
    assert_eq!(look(&realms, &named(1), admin(&base, "s")).await, Progress::UnderWay);
    assert_eq!(look(&realms, &named(1), admin(&base, "other")).await, Progress::UnderWay, "one at a time");
    while waiting.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    may.add_permits(1);
    let kept = keep(&realms, &named(1), admin(&base, "s")).await;
    assert_eq!(kept.trouble, Some(Trouble::Odd("give a token".into(), 403)));
}

#[tokio::test]
async fn few_realms_are_worked_on_at_a_time_and_each_has_its_turn() {
    let may = Arc::new(Semaphore::new(0));
    let (base, waiting, most) = hesitating(Arc::clone(&may)).await;
    let realms = Realms::new(Guard::AllowLoopback, Fence::default());
    let policies: Vec<_> = (0..3 * TURNS).map(named).collect();
    let looks = policies.iter().map(|policy| look(&realms, policy, admin(&base, "s")));
    let begun = futures::future::join_all(looks).await;
    assert!(begun.iter().all(|progress| *progress == Progress::UnderWay));
    while waiting.load(Ordering::SeqCst) < TURNS {
        tokio::task::yield_now().await;
    }
    may.add_permits(policies.len());
    for policy in &policies {
        let kept = keep(&realms, policy, admin(&base, "s")).await;
        assert_eq!(kept.trouble, Some(Trouble::Odd("give a token".into(), 403)));
    }
    assert_eq!(most.load(Ordering::SeqCst), TURNS);
}

/// It is for whoever may read the Secret to say whom its client is shown, and not for authors of policies.
#[tokio::test]
async fn no_authority_of_the_policy_is_trusted_with_the_secret() {
    let (base, authority) =
        testing::keycloak::with_tls(Router::new().fallback(async || StatusCode::FORBIDDEN)).await;
    let items = |more: &[(&str, &str)]| {
        let items =
            [("keycloak-url", base.as_str()), ("admin-client-id", "op"), ("admin-client-secret", "s")];
        let data: Value = items
            .iter()
            .chain(more)
            .map(|(key, item)| ((*key).to_owned(), json!(BASE64_STANDARD.encode(item))))
            .collect();
        (StatusCode::OK, json!({"metadata": {"name": "kc"}, "data": data}))
    };
    let policy = policy(&spec("Present", &[]), None);
    let mut validated = validate(&policy, &testing::observed()).unwrap();
    validated.ca_pem = Some(authority.clone());
    for (more, said) in [
        (&[][..], "Put the authority that signed it into the key ca.crt of the Secret"),
        (
            &[("ca.crt", "none")],
            "ca.crt of the Secret of spec.keycloak.provisioning holds no usable certificate",
        ),
        (&[("ca.crt", authority.as_str())], "Keycloak answered 403 when it was to give a token"),
    ] {
        let (realms, cluster) = (Realms::new(Guard::AllowLoopback, Fence::default()), cluster(items(more)));
        let trouble = loop {
            match realms.keep(&cluster, &policy, Some(&validated)).await.unwrap() {
                Progress::Over(kept) => break kept.trouble.unwrap().to_string(),
                Progress::UnderWay => tokio::task::yield_now().await,
            }
        };
        assert!(trouble.contains(said), "{trouble}");
    }
}
