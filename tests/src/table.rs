//! What was expected and what was seen: the demo prints it, the suite requires that every line holds.

use std::fmt::Write as _;

use anyhow::{Result, bail};

use crate::wiki::Answer;

/// One line.
#[derive(Debug, Clone)]
pub struct Line {
    /// What was done.
    pub what: String,
    /// What had to come of it.
    pub expected: String,
    /// What came of it.
    pub seen: String,
    /// Whether it is as expected.
    pub holds: bool,
}

/// The lines so far. Each is printed as soon as it is known.
#[derive(Debug, Default)]
pub struct Table {
    lines: Vec<Line>,
}

impl Table {
    /// Adds a line and shows it.
    pub fn add(
        &mut self,
        what: impl Into<String>,
        expected: impl Into<String>,
        seen: impl Into<String>,
        holds: bool,
    ) {
        let line = Line { what: what.into(), expected: expected.into(), seen: seen.into(), holds };
        show(&format!("  {} {:<72} {}", if holds { "ok  " } else { "FAIL" }, line.what, line.seen));
        self.lines.push(line);
    }

    /// The answer's status must be this.
    pub fn status(&mut self, what: impl Into<String>, expected: u16, answer: &Answer) {
        self.add(what, expected.to_string(), describe(answer), answer.status == expected);
    }

    /// Restward must refuse with this status and reason.
    pub fn refused(&mut self, what: impl Into<String>, status: u16, reason: &str, answer: &Answer) {
        let holds = answer.status == status && answer.reason().as_deref() == Some(reason);
        self.add(what, format!("{status} {reason}"), describe(answer), holds);
    }

    /// The stand-in's echo must have seen this user, and the answer must say so too.
    pub fn echoed_as(&mut self, what: impl Into<String>, user: &str, answer: &Answer) {
        let seen = answer.echoed_user().unwrap_or_else(|| "nobody".into());
        let holds = answer.status == 200 && seen == user;
        self.add(what, format!("200 as {user}"), format!("{} as {seen}", describe(answer)), holds);
    }

    /// A heading.
    pub fn section(&self, title: &str) {
        let _ = self;
        show(&format!("\n{title}"));
    }

    /// What was done, line by line.
    pub fn tried(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| line.what.as_str())
    }

    /// How many lines there are, and how many hold.
    pub fn count(&self) -> (usize, usize) {
        (self.lines.len(), self.lines.iter().filter(|line| line.holds).count())
    }

    /// All lines must hold.
    ///
    /// # Errors
    /// Lists those that do not.
    pub fn require_all(&self) -> Result<()> {
        let mut text = String::new();
        for line in self.lines.iter().filter(|line| !line.holds) {
            let _ = write!(text, "\n- {}: expected {}, saw {}", line.what, line.expected, line.seen);
        }
        if text.is_empty() { Ok(()) } else { bail!("not as expected:{text}") }
    }
}

#[expect(clippy::print_stdout, reason = "the table is the program's output")]
fn show(line: &str) {
    println!("{line}");
}

fn describe(answer: &Answer) -> String {
    match (answer.reason(), answer.header("x-ausername")) {
        (Some(reason), _) => format!("{} {reason}", answer.status),
        (None, Some(user)) => format!("{} (X-AUSERNAME: {user})", answer.status),
        (None, None) => answer.status.to_string(),
    }
}
