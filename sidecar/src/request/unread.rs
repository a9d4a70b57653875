//! Heads that never became a request: too large, or no HTTP. They are answered before anybody here learns of them.

use std::{net::SocketAddr, time::Duration};

use http::Method;
use restward_crds::{reason::Reason, sidecar::terms::AuditLines};

use super::Gate;
use crate::{
    audit::{Done, Outcome, Record},
    credential::Kind,
    request_id::RequestId,
    time::UnixTime,
};

/// Stands for the method of a head that nobody has read.
const NO_METHOD: &[u8] = b"-";

impl Gate {
    /// Counts a head that was refused for this reason, and writes its audit line. Of the caller there is the address of the
    /// connection alone.
    pub fn note_unread(&self, reason: Reason, peer: SocketAddr) {
        let record = Record {
            request_id: RequestId::fresh(),
            client: peer.ip().to_canonical(),
            method: Method::from_bytes(NO_METHOD).unwrap_or_default(),
            class: None,
            credential: Kind::None,
            outcome: Outcome::Refused,
            reason: Some(reason),
            user: None,
            token: None,
            trace_id: None,
        };
        self.metrics.count(&record);
        let now = UnixTime::now();
        self.tally.note(&record, now);
        let done = Done { status: reason.status(), latency: Duration::ZERO, at: now };
        self.audit.write(&record, AuditLines::Decisions, done);
    }
}
