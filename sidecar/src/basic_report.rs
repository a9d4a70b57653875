//! `GET /basic-report` on the admin port: who still logs in by password although the policy audits or denies it, so that
//! an administrator knows whom to tell before a ban. It names people, so only the pod itself is answered, and nothing of
//! it is in metrics. Kept in memory, bounded, and in a file, so that a restart of the container forgets nothing.
//!
//! - [`file`]: as what it is written
//! - [`keeper`]: reads and writes the file

mod file;
pub mod keeper;

use std::{
    borrow::Cow,
    sync::{Mutex, MutexGuard, PoisonError},
};

use http::{HeaderMap, header};
use restward_crds::{
    reason::Reason,
    sidecar::admin::{Fate, PasswordLogins, PasswordReport, Seen, Who},
};

use crate::{
    audit::{Outcome, Record},
    bounded::Bounded,
    credential::Presented,
    time::UnixTime,
};

/// Half of the number of entries of each table.
const HALF: usize = 512;
const MAX_USER_AGENT: usize = 200;
/// Seraph's word about a login, for which 200 as nobody is no login.
const LOGIN_REASON: &str = "x-seraph-loginreason";

/// A password login on its way.
#[derive(Debug, Clone)]
pub struct Login {
    user: Option<String>,
    user_agent: String,
}

impl Login {
    /// What is known of it from the request.
    pub fn of(headers: &HeaderMap, presented: &Presented) -> Self {
        Self { user: presented.password_user.clone(), user_agent: user_agent(headers) }
    }

    /// The same of a login whose user is in the body.
    pub fn in_body(headers: &HeaderMap) -> Self {
        Self { user: None, user_agent: user_agent(headers) }
    }
}

fn user_agent(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    agent.unwrap_or_default().chars().take(MAX_USER_AGENT).collect()
}

struct Tables {
    since: i64,
    accepted: Bounded<Who, Seen>,
    /// Apart, so that nobody who is not let in can push out of the report who is.
    others: Bounded<Who, Seen>,
    /// The file says the same.
    is_saved: bool,
    problem: Option<String>,
}

impl Tables {
    fn empty(since: i64) -> Self {
        Self {
            since,
            accepted: Bounded::new(HALF),
            others: Bounded::new(HALF),
            is_saved: false,
            problem: None,
        }
    }

    fn table(&mut self, outcome: Fate) -> &mut Bounded<Who, Seen> {
        if outcome == Fate::Accepted { &mut self.accepted } else { &mut self.others }
    }
}

/// Latest first.
fn entries(table: &Bounded<Who, Seen>) -> Vec<PasswordLogins> {
    let mut entries: Vec<_> =
        table.iter().map(|(who, seen)| PasswordLogins { who: who.clone(), seen: *seen }).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.seen.last));
    entries
}

/// Who logs in by password.
pub struct BasicReport(Mutex<Tables>);

impl BasicReport {
    /// Nobody yet.
    pub fn new(now: UnixTime) -> Self {
        Self(Mutex::new(Tables::empty(now.secs())))
    }

    /// Notes a login and how it was answered.
    pub fn note(&self, login: Login, record: &Record, status: u16, answer: &HeaderMap, now: UnixTime) {
        let outcome = match (record.outcome, record.reason) {
            (Outcome::Refused, Some(reason)) if is_without_answer(reason) => Fate::Unknown,
            (Outcome::Refused, _) => Fate::Refused,
            _ => of_answer(login.user.is_some(), status, answer),
        };
        let Login { user, user_agent } = login;
        let path_class = Cow::Borrowed(record.class_word());
        let who = Who { user, user_agent, address: record.client, path_class, outcome };
        let mut tables = self.lock();
        tables.is_saved = false;
        let table = tables.table(outcome);
        let now = now.secs();
        let seen = table.get(&who).unwrap_or(Seen { first: now, last: now, count: 0 });
        table.insert(who, Seen { last: now, count: seen.count.saturating_add(1), ..seen });
    }

    /// The report.
    pub fn shown(&self) -> PasswordReport {
        let tables = self.lock();
        let mut all = entries(&tables.accepted);
        all.extend(entries(&tables.others));
        all.sort_by_key(|entry| std::cmp::Reverse(entry.seen.last));
        PasswordReport { since: tables.since, problem: tables.problem.clone(), entries: all }
    }

    /// What is to be written, if it is not.
    fn unsaved(&self) -> Option<Vec<u8>> {
        let mut tables = self.lock();
        if tables.is_saved {
            return None;
        }
        // What is noted while this is being written is not in it.
        tables.is_saved = true;
        Some(file::written(tables.since, &[entries(&tables.accepted), entries(&tables.others)]))
    }

    /// Notes that it could not be written; it is tried again.
    fn not_saved(&self, problem: String) {
        let mut tables = self.lock();
        (tables.is_saved, tables.problem) = (false, Some(problem));
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it was sent to Confluence, and what came of it is not known.
fn is_without_answer(reason: Reason) -> bool {
    reason.status() >= 500 || reason == Reason::ClientGone
}

/// A wrong password in parameters goes on as nobody, which only Seraph's own header tells from a login. Without that word
/// nobody is let in whose name is not known: anybody may call the legacy APIs.
fn of_answer(has_name: bool, status: u16, answer: &HeaderMap) -> Fate {
    match (answer.get(LOGIN_REASON), status) {
        (Some(word), _) if word == "OK" => Fate::Accepted,
        (Some(_), _) | (None, 401 | 403) => Fate::Rejected,
        (None, 500..) => Fate::Unknown,
        (None, _) if has_name => Fate::Accepted,
        (None, _) => Fate::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Method};

    use super::*;
    use crate::{credential::Kind, request_id::RequestId, route::PathClass};

    fn record(outcome: Outcome) -> Record {
        Record {
            request_id: RequestId::fresh(),
            client: "192.0.2.1".parse().unwrap(),
            method: Method::GET,
            class: Some(PathClass::Protected),
            credential: Kind::Basic,
            outcome,
            reason: None,
            user: None,
            token: None,
            trace_id: None,
        }
    }

    fn note(
        report: &BasicReport,
        user: &str,
        outcome: Outcome,
        status: u16,
        word: Option<&'static str>,
        at: i64,
    ) {
        let login = Login { user: Some(user.to_owned()), user_agent: "curl/8".to_owned() };
        let answer =
            word.map(|word| (http::HeaderName::from_static(LOGIN_REASON), HeaderValue::from_static(word)));
        let answer = HeaderMap::from_iter(answer);
        report.note(login, &record(outcome), status, &answer, UnixTime::from_secs(at));
    }

    #[test]
    fn the_same_caller_is_one_line_for_each_outcome() {
        let report = BasicReport::new(UnixTime::from_secs(0));
        for (outcome, status, word, at) in [
            (Outcome::WouldRefuse, 200, Some("OK"), 10),
            (Outcome::WouldRefuse, 404, None, 20),
            (Outcome::WouldRefuse, 403, Some("OK"), 30),
            (Outcome::WouldRefuse, 401, None, 40),
            (Outcome::WouldRefuse, 503, None, 45),
            (Outcome::WouldRefuse, 200, Some("AUTHENTICATED_FAILED"), 50),
            (Outcome::Refused, 401, None, 60),
        ] {
            note(&report, "alice", outcome, status, word, at);
        }
        let lines: Vec<_> = report
            .shown()
            .entries
            .iter()
            .map(|entry| (entry.who.outcome, entry.seen.first, entry.seen.last, entry.seen.count))
            .collect();
        let want = [
            (Fate::Refused, 60, 60, 1),
            (Fate::Rejected, 40, 50, 2),
            (Fate::Unknown, 45, 45, 1),
            (Fate::Accepted, 10, 30, 3),
        ];
        assert_eq!(lines, want);
    }

    #[test]
    fn it_is_bounded_and_strangers_push_nobody_out() {
        let report = BasicReport::new(UnixTime::from_secs(0));
        note(&report, "alice", Outcome::WouldRefuse, 200, None, 1);
        for stranger in 0..10_000 {
            note(&report, &format!("x{stranger}"), Outcome::WouldRefuse, 401, None, 2);
            // A call of the legacy APIs, which says nothing and is answered all the same.
            let nameless = Login { user: None, user_agent: format!("agent/{stranger}") };
            let asked = record(Outcome::WouldRefuse);
            report.note(nameless, &asked, 200, &HeaderMap::new(), UnixTime::from_secs(3));
        }
        let entries = report.shown().entries;
        assert!(entries.len() <= 2 * HALF + 1, "{}", entries.len());
        assert!(entries.iter().any(|entry| entry.who.user.as_deref() == Some("alice")));
    }
}
