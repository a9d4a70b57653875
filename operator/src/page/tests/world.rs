//! The API server, the sidecar, and the page between them.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
    routing::post,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use kube::Client;
use reqwest::redirect;
use restward_crds::{
    names,
    reason::Reason,
    seal::Seal,
    sidecar::admin::{ASK_PATH, Explained, Hour, KeysAge, Question, Step, StepOutcome, Tally},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{page, testing};

/// A token of somebody who may see every policy of `atlassian`.
pub(super) const VIEWER: &str = "viewers.token.s1";
/// A token of somebody who may see `other/one` only.
pub(super) const GUEST: &str = "guests.token.s2";
/// A token of somebody who may see nothing.
pub(super) const NOBODY: &str = "nobodys.token.s3";
/// What alice pastes.
pub(super) const PASTED: &str = "eyJhbGciOiJSUzI1NiJ9.cGFzdGVkLXNlY3JldA.c2lnbmF0dXJl";
/// Another, that has ended.
pub(super) const ENDED: &str = "eyJhbGciOiJSUzI1NiJ9.ZW5kZWQtc2VjcmV0.c2lnbmF0dXJl";
const STATUS_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// The one that it replaces.
pub(super) const PREVIOUS_STATUS_KEY: &str =
    "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeffe0e1e2e3e4e5e6e7e8e9eaebecedeeef";
/// 2026-06-07T08:09:10Z.
const NOW: i64 = 1_780_819_750;

/// Requests to the API server, with their bodies.
pub(super) type Sent = Arc<Mutex<Vec<(String, String)>>>;

pub(super) struct World {
    pub(super) address: SocketAddr,
    pub(super) sent: Sent,
    /// Questions to the sidecar, as they came.
    pub(super) asked: Arc<Mutex<Vec<Vec<u8>>>>,
    client: reqwest::Client,
}

/// An answer of the page.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: header::HeaderMap,
    pub(super) text: String,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The cookie that was set.
    pub(super) fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(STATUS_KEY).await
    }

    /// With a sidecar that has this status key.
    pub(super) async fn with(sidecars_key: &str) -> Self {
        _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (sent, asked) = (Sent::default(), Arc::default());
        let port = sidecar(sidecars_key, Arc::clone(&asked)).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let page = page::Page::new(api_server(&sent), port).unwrap();
        tokio::spawn(page::serve(listener, page));
        let client =
            reqwest::Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
        Self { address, sent, asked, client }
    }

    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Reply {
        let mut request = self.client.request(method, format!("http://{}{path}", self.address)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Reply { status, headers, text: response.text().await.unwrap() }
    }

    pub(super) async fn get(&self, path: &str, cookie: &str) -> Reply {
        self.send(Method::GET, path, &[("cookie", cookie)], String::new()).await
    }

    /// As a form of the page itself.
    pub(super) async fn post(&self, path: &str, cookie: &str, form: &[(&str, &str)]) -> Reply {
        let origin = format!("http://{}", self.address);
        let headers =
            [("cookie", cookie), ("origin", &origin), ("content-type", "application/x-www-form-urlencoded")];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.send(Method::POST, path, &headers, body).await
    }

    pub(super) async fn login(&self, token: &str) -> Reply {
        self.post("/login", "", &[("token", token)]).await
    }

    /// The cookie of somebody who is logged in.
    pub(super) async fn session(&self, token: &str) -> String {
        let reply = self.login(token).await;
        assert_eq!((reply.status, reply.header("location")), (StatusCode::SEE_OTHER, "/"), "{reply:?}");
        reply.cookie()
    }
}

fn seal(key: &str) -> Seal {
    crate::keys::seal(key).unwrap()
}

async fn sidecar(key: &str, asked: Arc<Mutex<Vec<Vec<u8>>>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seal = Arc::new(seal(key));
    let answer = async move |body: Bytes| -> Response {
        asked.lock().unwrap().push(body.to_vec());
        let Some(question) = seal.open_question(&body) else { return StatusCode::FORBIDDEN.into_response() };
        let answer = match serde_json::from_slice(&question).unwrap() {
            Question::Token { token, call } => {
                let is_good = token.trim() == PASTED;
                json!(explained(is_good, call.is_some_and(|call| call.method != "GET")))
            }
            Question::Tally => json!(tally()),
        };
        seal.seal_answer(answer.to_string().as_bytes(), &body).unwrap().into_response()
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route(ASK_PATH, post(answer))).await });
    port
}

fn explained(is_good: bool, is_write: bool) -> Explained {
    let step = |check: &'static str, reason: Option<Reason>| Step {
        check: check.into(),
        outcome: if reason.is_some() { StepOutcome::Failed } else { StepOutcome::Passed },
        reason: reason.map(|reason| reason.code().into()),
        message: reason.map(|reason| reason.explain().message.into()),
    };
    let ended = (!is_good).then_some(Reason::TokenExpired);
    let mut steps: Vec<Step> =
        ["form", "signature", "issuer", "kind", "proof"].map(|check| step(check, None)).into();
    steps.push(step("lifetime", ended));
    steps.extend(["revocation", "audience", "party", "requirements"].map(|check| step(check, None)));
    steps.push(step("token", ended));
    if is_good {
        steps.push(step("user", None));
        steps.push(step("rules", is_write.then_some(Reason::ReadOnly)));
        steps.extend(["application_link", "confluence"].map(|check| step(check, None)));
    }
    Explained {
        accepted: is_good && !is_write,
        user: is_good.then(|| "alice".into()),
        client: is_good.then(|| "reports".into()),
        steps,
    }
}

fn tally() -> Tally {
    let expired = [3, 1, 0, 7, 2].into_iter().cycle();
    let missing = [0, 7, 1, 8, 2, 9, 3, 10, 4, 11, 5, 12, 6].into_iter().cycle();
    let hours = (0..24).rev().zip(expired.zip(missing)).map(|(ago, (expired, missing))| {
        let counts =
            [("token_expired", expired), ("credential_missing", missing), ("basic_denied", missing / 3)];
        Hour {
            begin: NOW - NOW.rem_euclid(3600) - ago * 3600,
            refused: counts.into_iter().filter(|(_, n)| *n > 0).map(|(code, n)| (code.into(), n)).collect(),
            would_refuse: [("audience_mismatch".into(), 2)].into(),
        }
    });
    Tally {
        now: NOW,
        since: NOW - 26 * 3600,
        hours: hours.collect(),
        keys: vec![KeysAge { issuer: "https://sso.example.com/realms/staff".into(), seconds: 1500 }],
    }
}

/// Policy `atlassian/wiki`, with a status, and `other/one`, without.
fn policies() -> [Value; 2] {
    let mut wiki = json!(testing::policy(json!({"basicAuth": {"mode": "Deny"}})));
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": 7,
               "lastTransitionTime": "2026-01-02T03:04:05Z"})
    };
    wiki["status"] = json!({
        "observedGeneration": 7, "pods": "2/2", "audience": "ANY",
        "conditions": [
            condition("Accepted", "True", "Accepted", "the policy is valid"),
            condition("Programmed", "True", "Programmed", "keys, configuration, webhook and backstop are in place"),
            condition("Injected", "True", "Outdated", "1 of 2 pods runs what an earlier policy injected: wiki-confluence-1"),
            condition("ConfigCurrent", "True", "Current", "every sidecar runs generation 7"),
            condition("Enforced", "True", "Verified", "no sidecar found a way around itself"),
            condition("IdentityProviderReachable", "True", "Reachable", "discovery and keys were fetched"),
            condition("UpstreamTrusted", "True", "Trusted", "Confluence accepts signed calls"),
            condition("Ready", "True", "Ready", "everything holds"),
        ],
        "advisories": ["AudienceUnrestricted: every client of realm staff may call. Add an Audience mapper to the clients in Keycloak and \
                       list the audience in spec.tokens.audiences, or list the clients in spec.tokens.authorizedParties"],
        "workloads": [{"kind": "StatefulSet", "name": "wiki-confluence", "pods": 2, "injected": 2, "outdated": 1, "imageCurrent": 2,
                       "restartCommand": "kubectl rollout restart statefulset/wiki-confluence -n atlassian"}],
        "applicationLink": {"consumerKey": "restward-wiki", "publicKey": "-", "fingerprint": "ab".repeat(32)},
    });
    let mut one = json!(testing::policy(json!({})));
    one["metadata"]["namespace"] = json!("other");
    one["metadata"]["name"] = json!("one");
    one["metadata"]["uid"] = json!("u-one");
    [wiki, one]
}

fn pods() -> Value {
    let pod = |name: &str| {
        let running = json!({"name": names::SIDECAR_CONTAINER, "state": {"running": {}}, "started": true, "ready": true,
                             "restartCount": 0, "image": "i", "imageID": "i"});
        json!({"metadata": {"name": name, "namespace": "atlassian"},
               "spec": {"containers": [], "initContainers": [{"name": names::SIDECAR_CONTAINER, "image": "i"}]},
               "status": {"phase": "Running", "podIP": "127.0.0.1", "initContainerStatuses": [running]}})
    };
    json!({"metadata": {}, "items": [pod("wiki-confluence-0"), pod("wiki-confluence-1")]})
}

fn api_server(sent: &Sent) -> Client {
    let sent = Arc::clone(sent);
    let answer = move |method: Method, uri: Uri, body: String| {
        sent.lock().unwrap().push((format!("{method} {uri}"), body.clone()));
        let body = serde_json::from_str(&body).unwrap_or_default();
        let (status, answer) = match api_answer(uri.path(), &body) {
            Some(answer) => (StatusCode::OK, answer),
            None => (StatusCode::NOT_FOUND, json!({"kind": "Status", "code": 404, "reason": "NotFound"})),
        };
        std::future::ready((status, Json(answer)))
    };
    Client::new(Router::new().fallback(answer), "default")
}

fn api_answer(path: &str, body: &Value) -> Option<Value> {
    let [wiki, one] = policies();
    let uid = wiki["metadata"]["uid"].as_str().unwrap();
    match path {
        "/apis/authentication.k8s.io/v1/tokenreviews" => {
            let name = match body["spec"]["token"].as_str()? {
                VIEWER => "viewer",
                GUEST => "guest",
                NOBODY => "nobody",
                "break.the.server" => return None,
                _ => return Some(json!({"spec": {}, "status": {"authenticated": false}})),
            };
            let user =
                json!({"username": format!("system:serviceaccount:atlassian:{name}"), "groups": ["g"]});
            let status = json!({"authenticated": true, "user": user, "audiences": body["spec"]["audiences"]});
            Some(json!({"spec": {}, "status": status}))
        }
        "/apis/authorization.k8s.io/v1/subjectaccessreviews" => {
            let asked = &body["spec"]["resourceAttributes"];
            assert_eq!((&asked["verb"], &asked["group"]), (&json!("get"), &json!(names::GROUP)));
            assert_eq!(asked["resource"], "restapiauthpolicies");
            let is_allowed = match body["spec"]["user"].as_str()?.rsplit(':').next()? {
                "viewer" => asked["namespace"] == "atlassian",
                "guest" => asked["namespace"] == "other" && asked["name"] == "one",
                _ => false,
            };
            Some(json!({"spec": {}, "status": {"allowed": is_allowed}}))
        }
        "/apis/restward.io/v1alpha1/restapiauthpolicies" => {
            Some(json!({"metadata": {}, "items": [wiki, one]}))
        }
        "/apis/restward.io/v1alpha1/namespaces/atlassian/restapiauthpolicies/wiki" => Some(wiki),
        "/apis/restward.io/v1alpha1/namespaces/other/restapiauthpolicies/one" => Some(one),
        "/api/v1/namespaces/atlassian/pods" => Some(pods()),
        "/api/v1/namespaces/other/pods" => Some(json!({"metadata": {}, "items": []})),
        "/api/v1/namespaces/atlassian/secrets/restward-keys" => {
            let key = |hex: &str| BASE64_STANDARD.encode(hex);
            Some(json!({"data": {
                format!("{uid}.status-key"): key(STATUS_KEY),
                format!("{uid}.previous-status-key"): key(PREVIOUS_STATUS_KEY),
            }}))
        }
        _ => None,
    }
}
