//! A realm of Keycloak: discovery and key set, and tokens signed with its key.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as B64},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{
    http::find,
    keys::{self, Key},
};

pub(crate) const CLIENT_ID: &str = "wiki-gate";

pub(crate) struct Idp {
    port: u16,
    state: Arc<State>,
}

struct State {
    fault: Mutex<Option<Fault>>,
    looks: AtomicUsize,
    fetches: AtomicUsize,
    keys: Mutex<Vec<Value>>,
    online: Mutex<Online>,
    not_before: AtomicI64,
}

/// How it can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 503.
    Down,
    /// Takes requests and says nothing.
    Silent,
    /// 200 with what is no JSON.
    Garbage,
    /// 200 with more than anybody should read.
    Huge,
    /// Sends everybody to where all would be found.
    Redirecting,
}

impl Fault {
    pub(crate) const ALL: [Self; 5] =
        [Self::Down, Self::Silent, Self::Garbage, Self::Huge, Self::Redirecting];
}

/// How questions about tokens are answered, and which came.
#[derive(Default)]
pub(crate) struct Online {
    /// Status and body of introspection; by default the token's own claims, active.
    pub(crate) introspection: Option<(u16, Value)>,
    /// Status and body of userinfo; by default subject and name of the token.
    pub(crate) userinfo: Option<(u16, Value)>,
    /// Secret of the sidecar's client; whoever asks about tokens with another is refused. Without it all may ask.
    pub(crate) client_secret: Option<&'static str>,
    /// Path, Authorization and body of each question.
    pub(crate) asked: Vec<(String, String, String)>,
}

impl Idp {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            fault: Mutex::default(),
            looks: AtomicUsize::new(0),
            fetches: AtomicUsize::new(0),
            keys: Mutex::new(vec![keys::jwk(keys::realm(), "k1")]),
            online: Mutex::default(),
            not_before: AtomicI64::new(0),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, port, Arc::clone(&shared)));
            }
        });
        Self { port, state }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn issuer(&self) -> String {
        format!("{}/realms/wiki", self.base())
    }

    /// From now on every request fails.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.set_fault(is_down.then_some(Fault::Down));
    }

    /// From now on it answers like this.
    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        *self.state.fault.lock().unwrap() = fault;
    }

    /// How often somebody began to look for keys, whatever came of it.
    pub(crate) fn looks(&self) -> usize {
        self.state.looks.load(Ordering::SeqCst)
    }

    /// From now on this is the only key.
    pub(crate) fn publish_only(&self, key: &Key, kid: &str) {
        *self.state.keys.lock().unwrap() = vec![keys::jwk(key, kid)];
    }

    pub(crate) fn publish(&self, key: &Key, kid: &str) {
        self.state.keys.lock().unwrap().push(keys::jwk(key, kid));
    }

    /// Changes how questions about tokens are answered.
    pub(crate) fn online<T>(&self, change: impl FnOnce(&mut Online) -> T) -> T {
        change(&mut self.state.online.lock().unwrap())
    }

    /// Revokes all tokens that were issued before this second.
    pub(crate) fn revoke_before(&self, second: i64) {
        self.state.not_before.store(second, Ordering::SeqCst);
    }

    /// How often it was asked about tokens.
    pub(crate) fn questions(&self) -> usize {
        self.online(|online| online.asked.len())
    }

    /// How often the key set was asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.state.fetches.load(Ordering::SeqCst)
    }

    /// The claims of a good access token of this user.
    pub(crate) fn claims(&self, user: &str) -> Value {
        let now = keys::now();
        json!({"iss": self.issuer(), "sub": "s-1", "typ": "Bearer", "azp": "scripts", "jti": "j-1", "iat": now - 5,
               "exp": now + 300, "preferred_username": user})
    }

    pub(crate) fn token(&self, user: &str) -> String {
        keys::sign(keys::realm(), "k1", &self.claims(user))
    }

    /// A token whose claims differ from a good one's; `null` removes a claim.
    pub(crate) fn token_with(&self, changes: Value) -> String {
        let mut claims = self.claims("alice");
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        keys::sign(keys::realm(), "k1", &claims)
    }
}

/// The value of a header.
fn header<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(is, _)| is.eq_ignore_ascii_case(name))
        .map_or("", |(_, value)| value)
}

/// RFC 7617.
fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

fn claims_of(token: &str) -> Value {
    let payload = B64.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

async fn serve(mut stream: TcpStream, port: u16, state: Arc<State>) {
    let mut head = Vec::new();
    while find(&head, b"\r\n\r\n").is_none() {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let end = find(&head, b"\r\n\r\n").unwrap() + 4;
    let text = String::from_utf8(head[..end].to_vec()).unwrap();
    let length = header(&text, "content-length").parse().unwrap_or(0);
    while head.len() < end + length {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let body = String::from_utf8(head[end..].to_vec()).unwrap();
    let head = text;
    let issuer = format!("http://127.0.0.1:{port}/realms/wiki");
    let path = head.split(' ').nth(1).unwrap();
    if path.ends_with("/.well-known/openid-configuration") {
        state.looks.fetch_add(1, Ordering::SeqCst);
    }
    let fault = *state.fault.lock().unwrap();
    let path = match (path.strip_prefix("/elsewhere"), fault) {
        (None, Some(fault)) => return break_it(stream, fault, port, path).await,
        (elsewhere, _) => elsewhere.unwrap_or(path),
    };
    let (status, body) = match path {
        "/realms/wiki/.well-known/openid-configuration" => {
            let at = |name: &str| format!("{issuer}/protocol/openid-connect/{name}");
            (
                200,
                json!({
                    "issuer": issuer, "jwks_uri": at("certs"), "userinfo_endpoint": at("userinfo"),
                    "introspection_endpoint": at("token/introspect"),
                }),
            )
        }
        path @ ("/realms/wiki/protocol/openid-connect/token/introspect"
        | "/realms/wiki/protocol/openid-connect/userinfo") => {
            let mut online = state.online.lock().unwrap();
            let authorization = header(&head, "authorization");
            online.asked.push((path.to_owned(), authorization.to_owned(), body.clone()));
            if path.ends_with("userinfo") {
                let claims = claims_of(authorization.strip_prefix("Bearer ").unwrap());
                let user = json!({"sub": claims["sub"], "preferred_username": claims["preferred_username"]});
                online.userinfo.clone().unwrap_or((200, user))
            } else {
                let token = body.strip_prefix("token=").unwrap().split('&').next().unwrap();
                let mut claims = claims_of(token);
                claims["active"] = json!(true);
                claims["client_id"] = claims["azp"].clone();
                let is_ours = |secret: &str| authorization == basic(CLIENT_ID, secret);
                if online.client_secret.is_none_or(is_ours) {
                    online.introspection.clone().unwrap_or((200, claims))
                } else {
                    (401, json!({"error": "invalid_client"}))
                }
            }
        }
        "/realms/wiki" => (200, json!({"tokens-not-before": state.not_before.load(Ordering::SeqCst)})),
        "/realms/wiki/protocol/openid-connect/certs" => {
            state.fetches.fetch_add(1, Ordering::SeqCst);
            (200, json!({"keys": *state.keys.lock().unwrap()}))
        }
        _ => (404, json!({})),
    };
    let body = body.to_string();
    // As Keycloak says it when the token lacks the scope openid.
    let challenge = match status {
        403 => "WWW-Authenticate: Bearer realm=\"wiki\", error=\"insufficient_scope\"\r\n",
        _ => "",
    };
    let answer = format!(
        "HTTP/1.1 {status} x\r\n{challenge}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn break_it(mut stream: TcpStream, fault: Fault, port: u16, path: &str) {
    let answer = |status: u16, header: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status} x\r\n{header}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
    };
    let answer = match fault {
        Fault::Down => answer(503, "", "{}"),
        Fault::Garbage => answer(200, "", "<html>Welcome"),
        Fault::Huge => answer(200, "", &format!("{{\"keys\": \"{}\"}}", "x".repeat(8 * 1024 * 1024))),
        Fault::Redirecting => {
            answer(302, &format!("Location: http://127.0.0.1:{port}/elsewhere{path}\r\n"), "")
        }
        // Until the other side has had enough.
        Fault::Silent => {
            let _ = stream.read(&mut [0]).await;
            return;
        }
    };
    let _ = stream.write_all(answer.as_bytes()).await;
}
