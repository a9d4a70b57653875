//! How a command ends: what is wrong is a result; what could not be found out is a failure, which says what happened, why, and
//! what to do.

use std::{fmt, process::ExitCode};

/// Exit code when something could not be found out or done. clap takes 2 for a wrong command line.
pub(crate) const NOT_DONE: u8 = 3;
const WRONG: u8 = 1;

/// What came out of a command that could do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Right,
    Wrong,
    /// Nothing wrong was seen, but not everything could be looked at.
    Unknown,
}

impl Verdict {
    pub(crate) const fn right_if(right: bool) -> Self {
        if right { Self::Right } else { Self::Wrong }
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Right => Self::SUCCESS,
            Verdict::Wrong => Self::from(WRONG),
            Verdict::Unknown => Self::from(NOT_DONE),
        }
    }
}

/// Something could not be found out or done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What was to be done.
    what: String,
    /// What was in the way.
    why: String,
    /// What to do about it.
    fix: String,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>, why: impl fmt::Display, fix: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.to_string(), fix: fix.into() }
    }

    /// The API server, or the way to it.
    pub(crate) fn of_api(what: impl Into<String>, error: &kube::Error) -> Self {
        let (why, fix) = match error {
            kube::Error::Api(status) => (status.message.clone(), advice(status.code)),
            kube::Error::Auth(_) => (
                chain(error),
                "log in to the cluster again: the kubeconfig's credential is not accepted or cannot be had",
            ),
            _ => (
                chain(error),
                "see that the API server can be reached: kubectl version, --context, --kubeconfig",
            ),
        };
        Self::new(what, why, fix)
    }

    /// In one line, where it is a part of something larger.
    pub(crate) fn in_a_line(&self) -> String {
        format!("{}: {}", self.what, self.why)
    }

    pub(crate) fn fix(&self) -> &str {
        &self.fix
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, why, fix } = self;
        write!(f, "error: could not {what}\n  why: {}\n  fix: {fix}", restward_crds::text::harmless(why))
    }
}

fn advice(code: u16) -> &'static str {
    match code {
        401 => "log in to the cluster again: it does not accept the kubeconfig's credential",
        403 => {
            "have an administrator of the cluster grant the right that is named, or run the command as somebody who has it"
        }
        404 => "see that the name is right, and the namespace (-n)",
        409 => "somebody else changed it at the same time: run the command again",
        _ => "the message is the API server's own",
    }
}

/// An error with its causes: the outermost alone often says nothing.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Many repeat their cause in their own words.
        if !texts.last().is_some_and(|last| last.contains(&text)) {
            texts.push(text);
        }
        source = cause.source();
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_api_server_says_what_to_do() {
        let refusal = |code: u16| {
            let status = kube::core::Status::failure("pods is forbidden", "Forbidden").with_code(code);
            Failure::of_api("list pods", &kube::Error::Api(Box::new(status))).to_string()
        };
        let shown = refusal(403);
        assert!(
            shown.starts_with("error: could not list pods\n  why: pods is forbidden\n  fix: have an admin"),
            "{shown}"
        );
        assert!(refusal(401).contains("log in"));
        assert!(refusal(500).contains("API server's own"));
    }

    #[test]
    fn what_others_wrote_cannot_move_the_cursor() {
        let shown = Failure::new("do it", "\u{1b}[2Jgone\r", "try").to_string();
        assert!(!shown.contains(['\u{1b}', '\r']), "{shown:?}");
    }
}
