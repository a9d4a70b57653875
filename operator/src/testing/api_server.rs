//! An API server that answers as a test has it, without a network.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    body::Bytes,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use kube::Client;
use serde_json::{Value, json};

/// What it is asked.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    /// Null when there is none.
    pub(crate) body: Value,
}

impl Request {
    /// The last part of the path: a name, a kind, or a subresource.
    pub(crate) fn last(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    pub(crate) fn is_watch(&self) -> bool {
        self.query.contains("watch=")
    }

    /// The reason, of an Event.
    pub(crate) fn reason(&self) -> &str {
        self.body["reason"].as_str().unwrap_or_default()
    }

    /// A patch as it is noted: what it is of, how, and what it is.
    pub(crate) fn patch(&self) -> String {
        format!("{}?{} {}", self.last(), self.query, self.body)
    }
}

/// A client of an API server that answers so.
pub(crate) fn client<A>(answer: impl Fn(Request) -> A + Clone + Send + Sync + 'static) -> Client
where
    A: Future<Output = Response> + Send + 'static,
{
    let serve = move |method: Method, uri: Uri, body: Bytes| {
        let (path, query) = (uri.path().to_owned(), uri.query().unwrap_or_default().to_owned());
        answer(Request { method, path, query, body: serde_json::from_slice(&body).unwrap_or_default() })
    };
    Client::new(Router::new().fallback(serve), "atlassian")
}

/// The same, when it answers at once.
pub(crate) fn client_at_once(answer: impl Fn(Request) -> Response + Clone + Send + Sync + 'static) -> Client {
    client(move |request| std::future::ready(answer(request)))
}

/// What was asked for, as far as it is noted.
#[derive(Clone, Default)]
pub(crate) struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what.into());
    }

    /// Since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(crate) fn answer(object: impl Into<Value>) -> Response {
    Json(object.into()).into_response()
}

pub(crate) fn list(items: &[Value]) -> Response {
    answer(json!({"metadata": {"resourceVersion": "1"}, "items": items}))
}

pub(crate) fn refusal(code: u16, reason: &str, said: &str) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
        "message": said});
    (StatusCode::from_u16(code).unwrap(), Json(status)).into_response()
}
