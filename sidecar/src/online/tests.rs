//! What is asked, how often, and how long an answer counts.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::metrics::Fetches;
use crate::{
    auth::{self, Possession, forge},
    digest::sha256,
    loopback::scripted::Scripted,
};

const NOW: UnixTime = crate::auth::checks::testing::NOW;

/// A realm that answers introspections by `answer`, given how many came before.
struct Realm {
    online: Online,
    settings: Arc<Settings>,
    keys: Keys,
    asked: Arc<AtomicUsize>,
    issuer: String,
}

impl Realm {
    async fn with(answer: impl Fn(usize) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let server = Scripted::start(move |request| {
            let base = format!("http://{}", request.headers["host"].to_str().unwrap());
            let (status, body) = match request.target.as_str() {
                "/certs" => (200, json!({"keys": [forge::rsa_key().jwk("k1")]})),
                "/introspect" => answer(count.fetch_add(1, Ordering::SeqCst)),
                _ => (
                    200,
                    json!({"issuer": format!("{base}/realms/wiki"), "jwks_uri": format!("{base}/certs"),
                           "introspection_endpoint": format!("{base}/introspect")}),
                ),
            };
            (status, vec![], body.to_string())
        })
        .await;
        let base = format!("http://127.0.0.1:{}", server.port());
        let settings = forge::settings(json!({
            "issuers": [{"host": base, "realm": "wiki", "ownClient": "secret"}], "tokens": {"validation": "Introspection"},
        }));
        let keys = Keys::new(&settings, None, Fetches::default()).unwrap();
        keys.refresh_unknown_kid(0).await;
        let settings = Arc::new(settings);
        let client = Client::by_secret(b"gate", b"secret").unwrap();
        let online = Online::new(Arc::clone(&settings), keys.clone(), Some(client), None);
        Self { online, settings, keys, asked, issuer: format!("{base}/realms/wiki") }
    }

    async fn ask_at(&self, jti: &str, now: UnixTime) -> Result<(), Reason> {
        let claims = forge::claims(json!({"iss": self.issuer, "jti": jti, "exp": NOW.secs() + 40}));
        let token = forge::rsa_key().token(&forge::header(), &claims);
        let verified =
            auth::verify(&self.settings, &self.keys.snapshot(), &token, Possession::default(), NOW).unwrap();
        let hash = sha256(token.as_str().as_bytes());
        let answer =
            self.online.confirm(Question::Introspection, &token, &Arc::new(verified), hash, now).await;
        answer.map(drop).map_err(|deny| deny.reason)
    }

    async fn ask(&self, jti: &str) -> Result<(), Reason> {
        self.ask_at(jti, NOW).await
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

fn active() -> (u16, Value) {
    (200, json!({"active": true}))
}

#[tokio::test]
async fn yes_counts_for_thirty_seconds_and_never_longer_than_the_token() {
    let realm = Realm::with(|_| active()).await;
    assert_eq!(realm.ask("a").await, Ok(()));
    assert_eq!(realm.ask("a").await, Ok(()));
    assert_eq!(realm.asked(), 1);
    // exp + skew is the end, also of a remembered answer.
    let end = UnixTime::from_secs(NOW.secs() + 70);
    assert_eq!(realm.ask_at("a", end).await, Err(Reason::TokenExpired));
    assert_eq!(realm.asked(), 1);
    pass(YES_FOR).await;
    assert_eq!(realm.ask("a").await, Ok(()));
    assert_eq!(realm.asked(), 2);
}

#[tokio::test]
async fn no_counts_for_ten_seconds() {
    let realm =
        Realm::with(|before| if before == 0 { (200, json!({"active": false})) } else { active() }).await;
    assert_eq!(realm.ask("a").await, Err(Reason::TokenInactive));
    assert_eq!(realm.ask("a").await, Err(Reason::TokenInactive));
    assert_eq!(realm.asked(), 1);
    pass(NO_FOR).await;
    assert_eq!(realm.ask("a").await, Ok(()));
}

#[tokio::test]
async fn answers_of_one_token_are_not_those_of_another() {
    let realm =
        Realm::with(|before| if before == 0 { active() } else { (200, json!({"active": false})) }).await;
    assert_eq!(realm.ask("a").await, Ok(()));
    assert_eq!(realm.ask("b").await, Err(Reason::TokenInactive));
    assert_eq!(realm.ask("a").await, Ok(()));
}

#[tokio::test]
async fn all_who_ask_at_once_share_one_question() {
    let realm = Realm::with(|_| active()).await;
    let asks = futures::future::join_all((0..50).map(|_| realm.ask("a"))).await;
    assert!(asks.iter().all(Result::is_ok));
    assert_eq!(realm.asked(), 1);
}

#[tokio::test]
async fn a_failure_is_no_answer_and_pauses_the_questions() {
    let realm = Realm::with(|before| if before == 0 { (503, json!({})) } else { active() }).await;
    for jti in ["a", "a", "b", "c"] {
        assert_eq!(realm.ask(jti).await, Err(Reason::ValidationUnavailable), "{jti}");
    }
    assert_eq!(realm.asked(), 1);
    assert!(realm.online.advisories()[0].starts_with("NotAnswering: "));
    pass(PAUSE).await;
    assert_eq!(realm.ask("a").await, Ok(()));
}

#[tokio::test]
async fn everything_inactive_is_explained() {
    let realm = Realm::with(|_| (200, json!({"active": false}))).await;
    assert!(realm.online.advisories().is_empty());
    assert_eq!(realm.ask("a").await, Err(Reason::TokenInactive));
    assert!(realm.online.advisories()[0].starts_with("ClientNotInAudience: "));
}

#[test]
fn what_is_asked_about_which_token() {
    let token = |jti: &str| {
        let claims = forge::claims(json!({ "jti": jti }));
        let token = forge::rsa_key().token(&forge::header(), &claims);
        auth::verify(&forge::settings(json!({})), &forge::snapshot(), &token, Possession::default(), NOW)
            .unwrap()
    };
    let (light, full) = (token("onltro:1"), token("onrtro:1"));
    let table = [
        ("Local", json!("secret"), None, None),
        ("Auto", json!("secret"), Some(Question::Introspection), None),
        ("Auto", json!({"assertion": "gate"}), Some(Question::Introspection), None),
        ("Auto", json!(null), None, None),
        ("Introspection", json!("secret"), Some(Question::Introspection), Some(Question::Introspection)),
        ("UserInfo", json!(null), Some(Question::UserInfo), Some(Question::UserInfo)),
    ];
    for (validation, own_client, about_light, about_full) in table {
        let settings = forge::settings(json!({
            "issuers": [{"host": "https://sso.example.com", "realm": "wiki", "ownClient": own_client}],
            "tokens": {"validation": validation},
        }));
        assert_eq!(Question::about(&settings, &light), about_light, "{validation}");
        assert_eq!(Question::about(&settings, &full), about_full, "{validation}");
    }
}
