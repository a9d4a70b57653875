//! A realm of Keycloak: discovery and key set, and tokens signed with its key.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
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

pub(crate) struct Idp {
    port: u16,
    state: Arc<State>,
}

struct State {
    is_down: AtomicBool,
    fetches: AtomicUsize,
    keys: Mutex<Vec<Value>>,
}

impl Idp {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            is_down: AtomicBool::new(false),
            fetches: AtomicUsize::new(0),
            keys: Mutex::new(vec![keys::jwk(keys::realm(), "k1")]),
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
        self.state.is_down.store(is_down, Ordering::SeqCst);
    }

    pub(crate) fn publish(&self, key: &Key, kid: &str) {
        self.state.keys.lock().unwrap().push(keys::jwk(key, kid));
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

async fn serve(mut stream: TcpStream, port: u16, state: Arc<State>) {
    let mut head = Vec::new();
    while find(&head, b"\r\n\r\n").is_none() {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let head = String::from_utf8(head).unwrap();
    let issuer = format!("http://127.0.0.1:{port}/realms/wiki");
    let (status, body) = match head.split(' ').nth(1).unwrap() {
        _ if state.is_down.load(Ordering::SeqCst) => (503, json!({})),
        "/realms/wiki/.well-known/openid-configuration" => {
            (200, json!({"issuer": issuer, "jwks_uri": format!("{issuer}/protocol/openid-connect/certs")}))
        }
        "/realms/wiki/protocol/openid-connect/certs" => {
            state.fetches.fetch_add(1, Ordering::SeqCst);
            (200, json!({"keys": *state.keys.lock().unwrap()}))
        }
        _ => (404, json!({})),
    };
    let body = body.to_string();
    let answer = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}
