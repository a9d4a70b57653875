//! What came back, as far as it is looked at. Bodies are never shown: they may hold what is nobody's to see.

use http::{HeaderMap, StatusCode, header::AsHeaderName};
use hyper::body::Bytes;
use restward_crds::reason::Reason;
use serde_json::Value;

#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// Its beginning.
    pub(super) body: Bytes,
    /// How many bytes the whole body has.
    pub(super) length: u64,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(super) fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Why Restward refused, if it was Restward.
    pub(super) fn reason(&self) -> Option<Reason> {
        let said = self.json();
        let code = said.get("reason")?.as_str()?;
        Reason::ALL.iter().copied().find(|reason| reason.code() == code)
    }

    /// The user that `/rest/api/user/current` names; a visitor has no name.
    pub(super) fn user(&self) -> Option<String> {
        let said = self.json();
        let is_visitor = said.get("type").and_then(Value::as_str) == Some("anonymous");
        let name = said.get("username").and_then(Value::as_str).filter(|_| !is_visitor)?;
        Some(name.to_owned())
    }

    /// In a few words: the status, whose refusal it is, who is logged in.
    pub(super) fn shown(&self) -> String {
        let status =
            StatusCode::from_u16(self.status).map_or_else(|_| self.status.to_string(), |it| it.to_string());
        match (self.reason(), self.user()) {
            (Some(reason), _) => format!("{} {reason}", self.status),
            (None, Some(user)) => format!("{} as {user}", self.status),
            (None, None) => status,
        }
    }
}
