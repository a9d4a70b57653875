//! What was tried, and what came of it.

use serde::Serialize;

use super::{
    answer::Answer,
    cases::Case,
    expected::{Expected, Wrong},
};
use crate::{
    failure::{Failure, Verdict},
    output::{Shown, wrapped},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Passed,
    Failed,
    /// It lacks something.
    Skipped,
    /// Nobody answered.
    Unanswered,
}

/// A case that was tried, or was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Tried {
    pub(super) name: &'static str,
    about: &'static str,
    pub(super) outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

impl Tried {
    pub(super) fn skipped(name: &'static str, about: &'static str, fix: impl Into<String>) -> Self {
        let fix = Some(fix.into());
        Self { name, about, outcome: Outcome::Skipped, expected: None, seen: None, why: None, fix }
    }

    /// An answer, against what it has to be.
    pub(super) fn judged(case: &Case, expected: &Expected, answer: &Answer) -> Self {
        let (outcome, why, fix) = match expected.judge(answer) {
            Ok(()) => (Outcome::Passed, None, None),
            Err(Wrong { why, fix }) => (Outcome::Failed, Some(why), Some(fix)),
        };
        let (expected, seen) = (Some(expected.shown()), Some(answer.shown()));
        Self { name: case.name, about: case.about, outcome, expected, seen, why, fix }
    }

    pub(super) fn unanswered(case: &Case, expected: &Expected, failure: &Failure) -> Self {
        Self {
            name: case.name,
            about: case.about,
            outcome: Outcome::Unanswered,
            expected: Some(expected.shown()),
            seen: None,
            why: Some(failure.in_a_line()),
            fix: Some(failure.fix().to_owned()),
        }
    }

    /// Something that takes more than one call went wrong.
    pub(super) fn failed(
        name: &'static str,
        about: &'static str,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        let (why, fix) = (Some(why.into()), Some(fix.into()));
        Self { name, about, outcome: Outcome::Failed, expected: None, seen: None, why, fix }
    }

    pub(super) fn passed(name: &'static str, about: &'static str) -> Self {
        Self { name, about, outcome: Outcome::Passed, expected: None, seen: None, why: None, fix: None }
    }

    fn text(&self) -> String {
        let (mark, name, about) = (mark(self.outcome), self.name, self.about);
        let mut text = format!("{mark} {name}: {about}");
        match (self.outcome, &self.seen) {
            (Outcome::Passed, Some(seen)) => text.push_str(&format!(": {seen}")),
            (Outcome::Skipped, _) => text.push_str(": skipped"),
            _ => {}
        }
        let lines =
            [("expected", &self.expected), ("seen", &self.seen), ("why", &self.why), ("fix", &self.fix)];
        for (name, line) in lines {
            if let Some(line) = line.as_ref().filter(|_| self.outcome != Outcome::Passed) {
                text.push_str(&format!("\n    {name}: {}", wrapped(line, 6 + name.len())));
            }
        }
        text
    }
}

const fn mark(outcome: Outcome) -> char {
    match outcome {
        Outcome::Passed => '√',
        Outcome::Failed => '×',
        Outcome::Skipped => '-',
        Outcome::Unanswered => '?',
    }
}

/// All of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Trial {
    /// Whether nothing failed and everybody answered.
    is_right: bool,
    url: String,
    policy: String,
    mode: String,
    /// What the ids of all its requests begin with.
    request_ids: String,
    passed: usize,
    failed: usize,
    skipped: usize,
    unanswered: usize,
    pub(super) cases: Vec<Tried>,
}

/// Where it was tried, and on what terms.
pub(super) struct Place {
    pub(super) url: String,
    pub(super) policy: String,
    pub(super) mode: String,
    pub(super) request_ids: String,
}

impl Trial {
    pub(super) fn of(place: Place, cases: Vec<Tried>) -> Self {
        let count = |outcome| cases.iter().filter(|it| it.outcome == outcome).count();
        let Place { url, policy, mode, request_ids } = place;
        let (failed, unanswered) = (count(Outcome::Failed), count(Outcome::Unanswered));
        Self {
            is_right: failed + unanswered == 0,
            url,
            policy,
            mode,
            request_ids,
            passed: count(Outcome::Passed),
            failed,
            skipped: count(Outcome::Skipped),
            unanswered,
            cases,
        }
    }

    /// `is_whole`: a case that was skipped is one that could not be looked at.
    pub(super) const fn verdict(&self, is_whole: bool) -> Verdict {
        match self {
            Self { failed: 1.., .. } => Verdict::Wrong,
            Self { unanswered: 1.., .. } => Verdict::Unknown,
            Self { skipped: 1.., .. } if is_whole => Verdict::Unknown,
            _ => Verdict::Right,
        }
    }
}

impl Shown for Trial {
    fn text(&self) -> String {
        let Self { url, policy, mode, request_ids, passed, failed, skipped, unanswered, .. } = self;
        let cases = self.cases.iter().map(Tried::text).collect::<Vec<_>>().join("\n");
        let mut counts =
            vec![format!("{passed} passed"), format!("{failed} failed"), format!("{skipped} skipped")];
        if *unanswered > 0 {
            counts.push(format!("{unanswered} unanswered"));
        }
        format!(
            "{url}, policy {policy}, mode {mode}\n\n{cases}\n\n{}{}\nIn audit lines and logs: request ids that begin with {request_ids}-",
            counts.join(", "),
            if self.is_right { " √" } else { " ×" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        let text = |it: &str| it.to_owned();
        Place {
            url: text("http://w"),
            policy: text("n/wiki"),
            mode: text("Enforce"),
            request_ids: text("verify-1"),
        }
    }

    #[test]
    fn what_is_skipped_is_counted_and_no_error_unless_the_whole_is_wanted() {
        let skipped = || Tried::skipped("b", "about b", "give --pat-file");
        let trial = Trial::of(place(), vec![Tried::passed("a", "about a"), skipped()]);
        assert_eq!((trial.verdict(false), trial.verdict(true)), (Verdict::Right, Verdict::Unknown));
        assert!(trial.text().contains("1 passed, 0 failed, 1 skipped √"), "{}", trial.text());
        assert!(trial.text().contains("- b: about b: skipped\n    fix: give --pat-file"), "{}", trial.text());
        let failed = Trial::of(place(), vec![skipped(), Tried::failed("c", "about c", "why", "fix")]);
        assert_eq!(failed.verdict(false), Verdict::Wrong);
        assert!(failed.text().contains("× c: about c\n    why: why\n    fix: fix"), "{}", failed.text());
    }

    #[test]
    fn no_answer_is_no_pass() {
        let case = Case { name: "a", about: "about a", plan: super::super::cases::Plan::Skip(String::new()) };
        let failure = Failure::new("ask http://w", "connection refused", "see that it runs");
        let trial = Trial::of(place(), vec![Tried::unanswered(&case, &Expected::Served, &failure)]);
        assert_eq!(trial.verdict(false), Verdict::Unknown);
        assert!(trial.text().contains("1 unanswered ×"), "{}", trial.text());
    }
}
