//! One report out of those of the pods. Pure.

use std::{cmp::Reverse, collections::BTreeMap};

use restward_crds::sidecar::admin::{PasswordLogins, PasswordReport, Seen, Who};
use serde::Serialize;

/// The logins that all pods have seen.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Merged {
    /// Since when every pod that answered counts, in seconds since 1970.
    pub(super) since: Option<i64>,
    pub(super) pods: Vec<PodReport>,
    /// Latest first.
    pub(super) logins: Vec<PasswordLogins>,
}

/// What a pod had to say.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct PodReport {
    pub(super) pod: String,
    /// Why it is missing, or may be incomplete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
}

impl Merged {
    pub(super) fn is_complete(&self) -> bool {
        self.pods.iter().all(|pod| pod.problem.is_none())
    }
}

pub(super) fn merged(reports: Vec<(String, Result<PasswordReport, String>)>) -> Merged {
    let (mut pods, mut all, mut since) = (Vec::new(), BTreeMap::<Who, Seen>::new(), None);
    for (pod, report) in reports {
        match report {
            Ok(report) => {
                // Before that some pod did not look.
                since = since.max(Some(report.since));
                pods.push(PodReport { pod, problem: report.problem });
                for PasswordLogins { who, seen } in report.entries {
                    all.entry(who).and_modify(|known| *known = both(*known, seen)).or_insert(seen);
                }
            }
            Err(why) => pods.push(PodReport { pod, problem: Some(why) }),
        }
    }
    let mut logins: Vec<_> = all.into_iter().map(|(who, seen)| PasswordLogins { who, seen }).collect();
    logins.sort_by_key(|login| Reverse(login.seen.last));
    Merged { since, pods, logins }
}

fn both(one: Seen, other: Seen) -> Seen {
    Seen {
        first: one.first.min(other.first),
        last: one.last.max(other.last),
        count: one.count.saturating_add(other.count),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use restward_crds::sidecar::admin::Fate;

    use super::*;

    pub(crate) fn login(user: Option<&str>, user_agent: &str, seen: (i64, i64, u64)) -> PasswordLogins {
        let who = Who {
            user: user.map(Into::into),
            user_agent: user_agent.into(),
            address: "192.0.2.1".parse().unwrap(),
            path_class: "protected".into(),
            outcome: Fate::Accepted,
        };
        PasswordLogins { who, seen: Seen { first: seen.0, last: seen.1, count: seen.2 } }
    }

    fn report(since: i64, entries: Vec<PasswordLogins>) -> PasswordReport {
        PasswordReport { since, problem: None, entries }
    }

    #[test]
    fn the_same_caller_on_several_pods_is_one_line() {
        let merged = merged(vec![
            (
                "wiki-0".into(),
                Ok(report(
                    10,
                    vec![login(Some("alice"), "curl", (11, 20, 2)), login(None, "curl", (30, 30, 1))],
                )),
            ),
            (
                "wiki-1".into(),
                Ok(report(
                    15,
                    vec![login(Some("alice"), "curl", (16, 18, 3)), login(Some("alice"), "x", (16, 40, 1))],
                )),
            ),
        ]);
        assert_eq!(merged.since, Some(15));
        assert_eq!(
            merged.logins,
            [
                login(Some("alice"), "x", (16, 40, 1)),
                login(None, "curl", (30, 30, 1)),
                login(Some("alice"), "curl", (11, 20, 5)),
            ]
        );
        assert!(merged.is_complete());
    }

    #[test]
    fn a_pod_that_does_not_answer_makes_it_incomplete() {
        let merged =
            merged(vec![("wiki-0".into(), Ok(report(1, vec![]))), ("wiki-1".into(), Err("gone".into()))]);
        assert!(!merged.is_complete());
        assert_eq!(merged.pods[1].problem.as_deref(), Some("gone"));
    }
}
