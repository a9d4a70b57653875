//! A question to the wiki.

use http::{HeaderName, Method, header};

/// What is asked.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// Below the base URL.
    pub(super) target: String,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Vec<u8>,
}

impl Ask {
    pub(super) fn new(method: Method, target: impl Into<String>) -> Self {
        Self { method, target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn get(target: impl Into<String>) -> Self {
        Self::new(Method::GET, target)
    }

    pub(super) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn authorized(self, authorization: impl Into<String>) -> Self {
        self.with(header::AUTHORIZATION, authorization)
    }

    pub(super) fn bearer(self, token: &str) -> Self {
        self.authorized(format!("Bearer {token}"))
    }

    pub(super) fn saying(self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self.with(header::CONTENT_TYPE, media_type) }
    }
}
