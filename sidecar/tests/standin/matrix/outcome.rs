//! What becomes of a request: as the design has it, and as it was seen.

/// Whom the tokens name.
pub(super) const USER: &str = "alice";

/// What becomes of the Authorization header; cookies go with a signature and stay otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authorization {
    AsSent,
    Removed,
    /// The sidecar's signature for [`USER`], and no parameter, cookie or other header that names somebody.
    Signed,
    /// Nothing that is ever right.
    Otherwise,
}

/// Whose challenge the client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Challenge {
    None,
    Ours,
    Confluences,
}

/// An outcome, to be and as seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Nothing reached Tomcat.
    Refused {
        status: u16,
        reason: String,
        /// The answer says when passwords end.
        tells_end: bool,
    },
    /// Tomcat answered.
    Reached {
        status: u16,
        user: Option<String>,
        authorization: Authorization,
        /// The `os_authType` that was added; everything else of the query is as it was sent.
        auth_type: Option<String>,
        challenge: Challenge,
        /// What the audit line says would have been, or has been, amiss.
        reason: Option<String>,
        /// The answer says when passwords end.
        tells_end: bool,
    },
}
