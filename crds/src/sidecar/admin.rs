//! What the sidecar's admin port answers to people, who ask by `kubectl port-forward`: what each check says about a token, and
//! who still logs in by password. And what it answers to the operator, which asks for people in turn.

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

/// Path at which a token is explained.
pub const EXPLAIN_PATH: &str = "/explain";
/// Path of the report on password logins.
pub const BASIC_REPORT_PATH: &str = "/basic-report";
/// Path at which the operator asks for people: a sealed [`Question`] in, a sealed answer out (`crate::seal`).
pub const ASK_PATH: &str = "/ask";
/// Longest body that is read at [`EXPLAIN_PATH`] and [`ASK_PATH`]: a token, and what belongs to it.
pub const MAX_QUESTION: usize = 64 * 1024;

/// What the operator asks. No `Debug`: it may hold a token.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Question {
    /// What each check says about a token: [`Explained`].
    Token {
        /// The token, with or without `Bearer` in front.
        token: String,
        /// The call that is meant, for the rules.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<MeantCall>,
    },
    /// What was refused lately, and how old the keys are: [`Tally`].
    Tally,
}

/// A call that somebody has in mind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeantCall {
    /// Its method.
    pub method: String,
    /// Its path as in a request, with the context path.
    pub path: String,
    /// Where it comes from; without it, the pod itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
}

/// How many hours a sidecar remembers what it refused.
pub const TALLY_HOURS: usize = 24;

/// What one sidecar refused lately. All times are seconds since 1970 by the clock of its node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Now.
    pub now: i64,
    /// Since when it counts: it started then.
    pub since: i64,
    /// Hours in which something was refused, or would have been, oldest first; none that is older than [`TALLY_HOURS`].
    pub hours: Vec<Hour>,
    /// By issuer of the policy: since when its keys are those of the last fetch. Absent until one succeeded.
    pub keys: Vec<KeysAge>,
}

/// What was refused within an hour, by the code of the reason.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hour {
    /// Its first second.
    pub begin: i64,
    /// Refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<Cow<'static, str>, u64>,
    /// Forwarded, although it would have been refused: the mode, or a switch, is Audit.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub would_refuse: BTreeMap<Cow<'static, str>, u64>,
}

/// How old an issuer's keys are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeysAge {
    /// The issuer.
    pub issuer: String,
    /// Seconds since they were fetched.
    pub seconds: u64,
}

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
