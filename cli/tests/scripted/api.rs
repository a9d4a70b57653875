//! An API server that has a handful of objects: reads, creations, merge patches, deletions, and forwarded ports.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};

pub(crate) type Reply = Response<Full<Bytes>>;

/// Serves HTTP at a free port of this machine, as long as the test runs.
pub(crate) async fn serve<F>(answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static) -> SocketAddr
where
    F: Future<Output = Reply> + Send + 'static,
{
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let reply = answer(request);
                async move { Ok::<_, hyper::Error>(reply.await) }
            });
            tokio::spawn(
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades(),
            );
        }
    });
    address
}

pub(crate) fn reply(status: u16, body: &Value) -> Reply {
    let mut reply =
        Response::new(Full::new(Bytes::from(if body.is_null() { String::new() } else { body.to_string() })));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap();
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// What is there, by path.
pub(crate) type Objects = BTreeMap<String, Value>;
/// What others in the cluster do meanwhile: called before each answer.
type Others = Box<dyn FnMut(&mut Objects) + Send>;

struct State {
    objects: Objects,
    others: Others,
    /// Changes that were asked for, as `METHOD path`.
    changes: Vec<String>,
    /// Where forwarded ports lead.
    ports: BTreeMap<u16, SocketAddr>,
}

#[derive(Clone)]
pub(crate) struct ApiServer {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

impl ApiServer {
    pub(crate) async fn start(
        objects: Objects,
        ports: BTreeMap<u16, SocketAddr>,
        others: impl FnMut(&mut Objects) + Send + 'static,
    ) -> Self {
        let state = State { objects, others: Box::new(others), changes: Vec::new(), ports };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let address = serve(move |request| answer(request, Arc::clone(&shared))).await;
        Self { url: format!("http://{address}"), state }
    }

    pub(crate) fn changes(&self) -> Vec<String> {
        self.lock().changes.clone()
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.lock().objects.contains_key(path)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

async fn answer(mut request: Request<Incoming>, state: Arc<Mutex<State>>) -> Reply {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    if path.ends_with("/portforward") {
        let asked = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "ports");
        let port: u16 = asked.unwrap().1.parse().unwrap();
        let to = state.lock().unwrap().ports.get(&port).copied();
        return to.map_or_else(|| not_found(&path), |to| forward(&mut request, port, to));
    }
    let method = request.method().clone();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let state = &mut *state.lock().unwrap();
    (state.others)(&mut state.objects);
    let is_dry = query.contains("dryRun=All");
    if method != Method::GET && !is_dry {
        state.changes.push(format!("{method} {path}"));
    }
    match (method.as_str(), state.objects.get_mut(&path)) {
        ("GET", Some(object)) => reply(200, object),
        // A list, or nothing.
        ("GET", None) if path.rsplit('/').next().is_some_and(|it| it.ends_with('s')) => {
            reply(200, &list(&state.objects, &path, &query))
        }
        ("PATCH", Some(object)) => {
            merge(object, &serde_json::from_slice(&body).unwrap());
            reply(200, object)
        }
        ("POST", None) => {
            let object: Value = serde_json::from_slice(&body).unwrap();
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            if !is_dry {
                state.objects.insert(format!("{path}/{name}"), object.clone());
            }
            reply(201, &object)
        }
        // As with a finalizer, which a policy has.
        ("DELETE", Some(object)) => {
            merge(object, &json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
            reply(200, object)
        }
        _ => not_found(&path),
    }
}

fn not_found(path: &str) -> Reply {
    reply(
        404,
        &json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404,
        "message": format!("{path} not found")}),
    )
}

/// The objects of a kind, in a namespace or in all, with these labels.
fn list(objects: &Objects, path: &str, query: &str) -> Value {
    let kind = path.rsplit('/').next().unwrap_or_default();
    let below = path.strip_suffix(kind).unwrap_or_default();
    let wanted: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "labelSelector")
        .flat_map(|(_, value)| {
            value
                .split(',')
                .filter_map(|it| it.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())))
                .collect::<Vec<_>>()
        })
        .collect();
    let is_meant = |(at, object): &(&String, &Value)| {
        let is_kind = at.starts_with(below) && at.rsplit('/').nth(1) == Some(kind);
        is_kind && wanted.iter().all(|(name, value)| object["metadata"]["labels"][name] == *value)
    };
    let items: Vec<&Value> = objects.iter().filter(is_meant).map(|(_, object)| object).collect();
    json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items})
}

/// RFC 7386.
fn merge(object: &mut Value, patch: &Value) {
    let Some(members) = patch.as_object() else { return object.clone_from(patch) };
    if !object.is_object() {
        *object = json!({});
    }
    for (name, value) in members {
        merge(&mut object[name], value);
    }
}

/// As the kubelet: two channels for the port, of which each first tells the port's number.
fn forward(request: &mut Request<Incoming>, port: u16, to: SocketAddr) -> Reply {
    let key = request.headers()["sec-websocket-key"].as_bytes().to_vec();
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let io = TokioIo::new(upgrade.await.unwrap());
        let (mut out, mut input) = WebSocketStream::from_raw_socket(io, Role::Server, None).await.split();
        let [low, high] = port.to_le_bytes();
        for channel in [0, 1] {
            out.send(Message::binary(vec![channel, low, high])).await.unwrap();
        }
        let (mut read, mut write) = TcpStream::connect(to).await.unwrap().into_split();
        let inwards = async {
            while let Some(Ok(message)) = input.next().await {
                if let Message::Binary(bytes) = message
                    && let Some((0, data)) = bytes.split_first()
                {
                    write.write_all(data).await.unwrap();
                }
            }
        };
        let outwards = async {
            let mut buffer = vec![0; 16 * 1024];
            loop {
                let count = read.read(&mut buffer).await.unwrap_or(0);
                let message = if count == 0 {
                    Message::Close(None)
                } else {
                    Message::binary([&[0], &buffer[..count]].concat())
                };
                if out.send(message).await.is_err() || count == 0 {
                    return;
                }
            }
        };
        tokio::select! { () = inwards => {}, () = outwards => {} }
    });
    let mut reply = reply(101, &Value::Null);
    let headers = reply.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(&key).parse().unwrap());
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("v4.channel.k8s.io"));
    reply
}
