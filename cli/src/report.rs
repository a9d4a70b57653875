//! Findings: what was looked at, what is right, and what to do about the rest.

use serde::Serialize;

use crate::{
    failure::{Failure, Verdict},
    output::{Shown, wrapped},
};

/// How much a finding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Right,
    /// Allowed, but better known.
    Warning,
    /// It could not be looked at, so it may be wrong.
    Unseen,
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    pub(crate) what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
}

impl Finding {
    pub(crate) fn right(what: impl Into<String>) -> Self {
        Self { level: Level::Right, what: what.into(), why: None, fix: None }
    }

    pub(crate) fn warning(what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { level: Level::Warning, what: what.into(), why: Some(why.into()), fix: Some(fix.into()) }
    }

    /// Something could not be looked at.
    pub(crate) fn unseen(failure: &Failure) -> Self {
        let warning = Self::warning("not everything could be looked at", failure.in_a_line(), failure.fix());
        Self { level: Level::Unseen, ..warning }
    }

    pub(crate) fn wrong(what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { level: Level::Wrong, what: what.into(), why: Some(why.into()), fix: Some(fix.into()) }
    }
}

/// Findings about one thing.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) findings: Vec<Finding>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) is_right: bool,
    pub(crate) sections: Vec<Section>,
}

impl Report {
    pub(crate) fn of(sections: Vec<Section>) -> Self {
        let levels = || sections.iter().flat_map(|section| &section.findings).map(|finding| finding.level);
        let is_right = !levels().any(|level| matches!(level, Level::Wrong | Level::Unseen));
        Self { is_right, sections }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let mut levels =
            self.sections.iter().flat_map(|section| &section.findings).map(|finding| finding.level);
        match self.is_right {
            true => Verdict::Right,
            false if levels.any(|level| level == Level::Wrong) => Verdict::Wrong,
            false => Verdict::Unknown,
        }
    }
}

impl Shown for Report {
    fn text(&self) -> String {
        let sections = self.sections.iter().map(|section| {
            let findings: Vec<String> = section.findings.iter().map(text).collect();
            format!(
                "{}\n{}\n{}",
                section.title,
                "-".repeat(section.title.chars().count()),
                findings.join("\n")
            )
        });
        let end = match self.verdict() {
            Verdict::Right => "All is well √",
            Verdict::Wrong => "Something is wrong ×",
            Verdict::Unknown => "Nothing wrong was seen, but not everything could be looked at ?",
        };
        format!("{}\n\n{end}", sections.collect::<Vec<_>>().join("\n\n"))
    }
}

fn text(finding: &Finding) -> String {
    let mark = match finding.level {
        Level::Right => '√',
        Level::Warning => '‼',
        Level::Unseen => '?',
        Level::Wrong => '×',
    };
    let mut text = format!("{mark} {}", finding.what);
    for (name, more) in [("why", &finding.why), ("fix", &finding.fix)] {
        if let Some(more) = more {
            text.push_str(&format!("\n    {name}: {}", wrapped(more, 9)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_no_errors_and_what_was_not_seen_is_not_well() {
        let section =
            |finding| Section { title: "wiki".into(), findings: vec![Finding::right("a"), finding] };
        let unseen = || section(Finding::unseen(&Failure::new("look", "forbidden", "ask")));
        let wrong = || section(Finding::wrong("b", "why", "fix"));
        let verdict = |sections| Report::of(sections).verdict();
        assert_eq!(verdict(vec![section(Finding::warning("b", "why", "fix"))]), Verdict::Right);
        assert_eq!(verdict(vec![unseen()]), Verdict::Unknown);
        assert_eq!(verdict(vec![wrong(), unseen()]), Verdict::Wrong);
        assert!(!Report::of(vec![unseen()]).is_right);
    }

    #[test]
    fn each_finding_that_is_not_right_has_its_fix_below_it() {
        let findings = vec![Finding::right("one"), Finding::wrong("two", "because", "do this")];
        let shown = Report::of(vec![Section { title: "wiki".into(), findings }]).text();
        assert!(
            shown.starts_with("wiki\n----\n√ one\n× two\n    why: because\n    fix: do this\n\n"),
            "{shown}"
        );
    }
}
