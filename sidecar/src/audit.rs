//! One line for every decision, on standard output or in a [`file`]: JSON, escaped, without token, password or query.
//!
//! What merely passes on content and open paths (the pages and files of the user interface) is no decision of the
//! sidecar: it is counted in the metrics and stands in Confluence's own access log. `audit.lines: All` writes it too.

pub mod file;
#[cfg(test)]
mod schema;

use std::{
    fmt,
    io::Write,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Method;
use restward_crds::{reason::Reason, sidecar::terms::AuditLines};
use serde::Serialize;

use crate::{auth::Permit, credential::Kind, request_id::RequestId, route::PathClass, time::UnixTime};

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Forwarded as the token's user.
    AsUser,
    /// Forwarded with its own credential, or without one where none is needed.
    Passed,
    /// Forwarded without a token that gave no user.
    Stripped,
    /// Forwarded, although it would have been refused: mode or switch is Audit.
    WouldRefuse,
    /// Refused.
    Refused,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::AsUser, Self::Passed, Self::Stripped, Self::WouldRefuse, Self::Refused];

    /// The word in audit lines and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AsUser => "as_user",
            Self::Passed => "passed",
            Self::Stripped => "stripped",
            Self::WouldRefuse => "would_refuse",
            Self::Refused => "refused",
        }
    }
}

/// Everything that is recorded about a request.
#[derive(Debug, Clone)]
pub struct Record {
    /// Correlation id.
    pub request_id: RequestId,
    /// Address of the peer.
    pub client: IpAddr,
    /// Method.
    pub method: Method,
    /// Class of the path; unknown when the target could not be read.
    pub class: Option<PathClass>,
    /// Kind of the credential.
    pub credential: Kind,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was, or would have been, refused.
    pub reason: Option<Reason>,
    /// Confluence user that was asserted.
    pub user: Option<String>,
    /// Client, actor and id of the token.
    pub token: Option<TokenRef>,
    /// Id of the trace, when it is recorded.
    pub trace_id: Option<String>,
}

/// Names a token without being one.
#[derive(Debug, Clone, Serialize)]
pub struct TokenRef {
    issuer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

impl From<&Permit> for TokenRef {
    fn from(permit: &Permit) -> Self {
        let bounded = |text: &str| text.chars().take(255).collect();
        Self {
            issuer: bounded(permit.issuer()),
            client: permit.client().map(bounded),
            actor: permit.actor().map(bounded),
            id: permit.token_id().map(bounded),
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    event: &'static str,
    time: i64,
    request_id: &'a str,
    client: IpAddr,
    method: &'a str,
    path_class: &'static str,
    credential: &'static str,
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    status: u16,
    latency_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a TokenRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
}

impl Record {
    /// The word for the path in audit lines and metrics.
    pub fn class_word(&self) -> &'static str {
        self.class.map_or("unknown", PathClass::as_str)
    }

    fn is_decision(&self) -> bool {
        let is_plain_pass = self.outcome == Outcome::Passed && self.reason.is_none();
        !is_plain_pass || !matches!(self.class, Some(PathClass::Open | PathClass::Content))
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    /// Status of the answer.
    pub status: u16,
    /// From the request's head to the answer's.
    pub latency: Duration,
    /// When.
    pub at: UnixTime,
}

/// Where the lines go. Clones share it.
#[derive(Clone)]
pub struct Audit(Arc<Mutex<dyn Write + Send>>);

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audit")
    }
}

impl Audit {
    /// To standard output.
    pub fn stdout() -> Self {
        Self::to(std::io::stdout())
    }

    /// To a writer.
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(writer)))
    }

    /// Writes one line, if the request is among `lines`.
    pub fn write(&self, record: &Record, lines: AuditLines, done: Done) {
        if lines == AuditLines::Decisions && !record.is_decision() {
            return;
        }
        let line = Line {
            event: "decision",
            time: done.at.secs(),
            request_id: record.request_id.as_str(),
            client: record.client,
            method: record.method.as_str().get(..32).unwrap_or(record.method.as_str()),
            path_class: record.class_word(),
            credential: record.credential.as_str(),
            decision: record.outcome.as_str(),
            reason: record.reason.map(Reason::code),
            status: done.status,
            latency_ms: u64::try_from(done.latency.as_millis()).unwrap_or(u64::MAX),
            user: record.user.as_deref(),
            token: record.token.as_ref(),
            trace_id: record.trace_id.as_deref(),
        };
        let Ok(mut line) = serde_json::to_vec(&line) else { return };
        line.push(b'\n');
        let mut writer = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // A closed standard output must not stop the wiki.
        let _ = writer.write_all(&line).and_then(|()| writer.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    pub(super) struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        pub(super) fn bytes(&self) -> Vec<u8> {
            self.0.lock().unwrap().clone()
        }
    }

    impl Write for Shared {
        fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(data)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn lines_of(class: Option<PathClass>, outcome: Outcome, user: Option<&str>) -> String {
        written(AuditLines::Decisions, class, outcome, user)
    }

    fn written(lines: AuditLines, class: Option<PathClass>, outcome: Outcome, user: Option<&str>) -> String {
        let buffer = Shared::default();
        let record = Record {
            request_id: RequestId::fresh(),
            client: "192.0.2.1".parse().unwrap(),
            method: Method::GET,
            class,
            credential: Kind::Token,
            outcome,
            reason: None,
            user: user.map(str::to_owned),
            token: None,
            trace_id: None,
        };
        let done = Done { status: 200, latency: Duration::from_millis(3), at: UnixTime::from_secs(1) };
        Audit::to(buffer.clone()).write(&record, lines, done);
        String::from_utf8(buffer.bytes()).unwrap()
    }

    #[test]
    fn a_decision_is_one_escaped_line() {
        let text = lines_of(Some(PathClass::Protected), Outcome::AsUser, Some("a\n\"b"));
        assert_eq!(text.matches('\n').count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["user"], "a\n\"b");
        assert_eq!(line["decision"], "as_user");
        assert_eq!(line["path_class"], "protected");
        assert_eq!(line["latency_ms"], 3);
    }

    #[test]
    fn what_merely_passes_beside_the_api_is_no_decision() {
        assert_eq!(lines_of(Some(PathClass::Content), Outcome::Passed, None), "");
        assert_eq!(lines_of(Some(PathClass::Open), Outcome::Passed, None), "");
        assert_ne!(lines_of(Some(PathClass::Content), Outcome::Stripped, None), "");
        assert_ne!(lines_of(Some(PathClass::Protected), Outcome::Passed, None), "");
        assert_ne!(lines_of(None, Outcome::Passed, None), "");
    }

    #[test]
    fn everything_is_written_when_asked_for() {
        for class in PathClass::ALL {
            let line = written(AuditLines::All, Some(class), Outcome::Passed, None);
            assert!(line.contains(class.as_str()), "{line}");
        }
    }
}
