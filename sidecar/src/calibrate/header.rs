//! What Confluence's answers say where users are named by a header. Nothing shows that the header is believed but a user
//! who exists: a call for one must run as that one. Pure.

use http::StatusCode;
use restward_crds::{
    condition::UpstreamReason,
    reason::Reason,
    sidecar::status::Report,
    text::{UserHeader, Username},
};

use crate::{current_user, loopback::Answer};

/// As whom a call ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ran {
    /// As this user.
    As(String),
    /// As nobody: answered, or refused.
    AsNobody {
        /// What visitors get.
        is_public: bool,
    },
    /// There is no answer, or Confluence is overloaded.
    Unknown,
    /// An answer that says nothing about it.
    Odd(StatusCode),
}

impl Ran {
    /// By an answer of [`current_user::PATH`].
    pub fn of(answer: Option<&Answer>) -> Self {
        let Some(answer) = answer else { return Self::Unknown };
        match answer.status.as_u16() {
            200 => current_user::of(answer).map_or(Self::AsNobody { is_public: true }, Self::As),
            401 | 403 | 404 => Self::AsNobody { is_public: false },
            429 | 500..=599 => Self::Unknown,
            _ => Self::Odd(answer.status),
        }
    }
}

/// What user checks have shown of the header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Proof {
    /// Nobody was asked about.
    #[default]
    None,
    /// Whoever was asked about, Confluence answered as anonymous.
    Ignored,
    /// Confluence answered as this very user, the last of them, who is asked about again at each calibration.
    Witness(Username),
}

impl Proof {
    /// Takes in what Confluence answered to the check of a user. Gives whether Confluence should be asked again: whoever
    /// was known and is not, may not be the only one.
    pub fn learn(&mut self, user: &Username, answered: Result<(), Reason>) -> bool {
        match (&*self, answered) {
            (before, Ok(())) => {
                let is_news = !matches!(before, Self::Witness(_));
                *self = Self::Witness(user.clone());
                is_news
            }
            (Self::None, Err(Reason::UserUnknown)) => {
                *self = Self::Ignored;
                true
            }
            (Self::Witness(_), Err(Reason::UserUnknown)) => true,
            (_, Err(_)) => false,
        }
    }
}

/// What a calibration found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Nothing new.
    Inconclusive,
    /// Calls without the header run as somebody.
    EverybodyIsSomebody,
    /// A call for a user that cannot exist runs as somebody.
    InventedUserIsSomebody,
    /// Not to be understood.
    Odd(StatusCode),
    /// Nobody is taken for somebody else; what the header does is said by the [`Proof`].
    Sound {
        /// Whether visitors may read.
        is_public: bool,
    },
}

/// Judges a call without the header and one for a user that cannot exist.
pub fn judge(without: &Ran, invented: &Ran) -> Finding {
    match (without, invented) {
        (Ran::As(_), _) => Finding::EverybodyIsSomebody,
        (_, Ran::As(_)) => Finding::InventedUserIsSomebody,
        (Ran::Odd(status), _) | (_, Ran::Odd(status)) => Finding::Odd(*status),
        (Ran::Unknown, _) | (_, Ran::Unknown) => Finding::Inconclusive,
        (Ran::AsNobody { is_public }, Ran::AsNobody { .. }) => Finding::Sound { is_public: *is_public },
    }
}

/// What is left of a proof when Confluence was asked about the witness again.
pub fn reconsider(witness: &Username, ran: &Ran) -> Proof {
    match ran {
        Ran::As(name) if current_user::is(name, witness) => Proof::Witness(witness.clone()),
        Ran::Unknown => Proof::Witness(witness.clone()),
        Ran::As(_) | Ran::AsNobody { .. } | Ran::Odd(_) => Proof::Ignored,
    }
}

/// Finding and proof with a sentence that says what to do.
pub fn report(header: &UserHeader, finding: &Finding, proof: &Proof) -> Report<UpstreamReason> {
    use UpstreamReason::{HeaderNotBelieved, Pending, Trusted, UnexpectedAnswer, Unproven};
    let (reason, message) = match (finding, proof) {
        (Finding::Inconclusive, _) => (Pending, "Confluence does not answer as running yet.".to_owned()),
        (Finding::EverybodyIsSomebody, _) => (
            UnexpectedAnswer,
            format!(
                "Confluence takes calls without the header {header} for a user's. Its authenticator must leave them to \
                Confluence's own login."
            ),
        ),
        (Finding::InventedUserIsSomebody, _) => (
            UnexpectedAnswer,
            format!(
                "Confluence takes a user who cannot exist for one when the header {header} names it. Its authenticator \
                must not make users: an unknown name is anonymous."
            ),
        ),
        (Finding::Odd(status), _) => (
            UnexpectedAnswer,
            format!(
                "Confluence answers /rest/api/user/current with status {} to a call without a user.",
                status.as_u16()
            ),
        ),
        (Finding::Sound { .. }, Proof::Witness(_)) => {
            (Trusted, format!("Confluence runs calls with the header {header} as the user that it names."))
        }
        (Finding::Sound { is_public }, Proof::None) => (
            Unproven,
            format!(
                "Confluence answers, and {} calls without a user. Whether it believes the header {header} shows with the \
                first call by token of a user whom it knows: make one.",
                if *is_public { "serves" } else { "refuses" }
            ),
        ),
        (Finding::Sound { .. }, Proof::Ignored) => (
            HeaderNotBelieved,
            format!(
                "Confluence answers calls with the header {header} as anonymous, whichever user was asked about: either \
                the authenticator in its seraph-config.xml does not believe this header, or it knows none of these users."
            ),
        ),
    };
    Report { reason, message }
}

#[cfg(test)]
mod tests;
