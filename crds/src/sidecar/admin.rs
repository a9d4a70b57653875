//! What the sidecar's admin port answers to people, who ask by `kubectl port-forward`: what each check says about a token, and
//! who still logs in by password.

use std::{borrow::Cow, net::IpAddr};

use serde::{Deserialize, Serialize};

/// Path at which a token is explained.
pub const EXPLAIN_PATH: &str = "/explain";
/// Path of the report on password logins.
pub const BASIC_REPORT_PATH: &str = "/basic-report";

/// Everything that is found out about a token.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Explained {
    /// Whether a request with it would be forwarded.
    pub accepted: bool,
    /// The Confluence user that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The client that it was issued to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What each check says, in their order.
    pub steps: Vec<Step>,
}

/// One check and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Name of the check.
    pub check: Cow<'static, str>,
    /// How it ended.
    pub outcome: StepOutcome,
    /// Code of the refusal ([`crate::reason::Reason`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepOutcome {
    /// It has nothing against the token.
    Passed,
    /// A request with the token is refused.
    Failed,
    /// It was not asked; the message says why.
    Skipped,
}

/// Who logs in by password, as one sidecar has seen it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordReport {
    /// Since when it counts, in seconds since 1970.
    pub since: i64,
    /// Why it knows less than it should, or may after the next restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Latest first.
    pub entries: Vec<PasswordLogins>,
}

/// The logins of one caller with one outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordLogins {
    /// Whose.
    #[serde(flatten)]
    pub who: Who,
    /// When, and how many.
    #[serde(flatten)]
    pub seen: Seen,
}

/// Who calls, and what comes of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Who {
    /// The user that the login names, if that is known.
    pub user: Option<String>,
    /// The client's own word.
    pub user_agent: String,
    /// Where it calls from.
    pub address: IpAddr,
    /// Class of the path.
    pub path_class: Cow<'static, str>,
    /// What came of it.
    pub outcome: Fate,
}

/// When something was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// For the first time, in seconds since 1970.
    pub first: i64,
    /// For the last time, likewise.
    pub last: i64,
    /// How often.
    pub count: u64,
}

/// What became of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Confluence let it in.
    Accepted,
    /// Confluence did not.
    Rejected,
    /// The sidecar refused it.
    Refused,
    /// It went to Confluence, whose answer does not say: a login in the body of a remote procedure call, or an error.
    Unknown,
}

impl Fate {
    /// As it stands in the report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}
