//! The refusal of a request, as every phase returns it. Status, challenge and body are made from it in one place.

use restward_crds::reason::Reason;

use crate::limits::Limited;

/// Why a request was refused, and what its own caller may be told beyond the reason's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deny {
    /// From the closed set.
    pub reason: Reason,
    /// A sentence for the caller. Never holds a token, a password or a claim's value; a client may learn its own id.
    pub detail: Option<String>,
    /// For [`Reason::RateLimited`]: when to try again.
    pub limited: Option<Limited>,
    /// Seconds after which another try makes sense, where that is known.
    pub retry_after: Option<u64>,
}

impl Deny {
    /// `reason`, with a sentence for the caller.
    pub fn with_detail(reason: Reason, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..reason.into() }
    }
}

impl From<Reason> for Deny {
    fn from(reason: Reason) -> Self {
        Self { reason, detail: None, limited: None, retry_after: None }
    }
}
