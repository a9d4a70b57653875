//! When the watchdog may try again. Pure, given the time.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::Obstacle;

/// Between two evictions, of whatever policies, and between two attempts for one policy. Confluence takes minutes to
/// start, so less would gain nothing.
const INTERVAL: Duration = Duration::from_mins(1);

/// What was done lately.
#[derive(Debug)]
pub(super) struct Pace {
    evicted: Instant,
    tried: BTreeMap<String, Tried>,
}

#[derive(Debug)]
struct Tried {
    pod_uid: String,
    at: Instant,
    obstacle: Option<Obstacle>,
}

impl Pace {
    /// A new process may evict a minute from now, so that one which starts again and again evicts nothing.
    pub(super) fn start(now: Instant) -> Self {
        Self { evicted: now, tried: BTreeMap::new() }
    }

    /// Whether this pod may be tried now. Until then the answer of the last attempt stands.
    pub(super) fn may_try(&self, policy_uid: &str, pod_uid: &str, now: Instant) -> Result<(), Obstacle> {
        let tried = self.tried.get(policy_uid);
        let is_due = |since: Instant| now.saturating_duration_since(since) >= INTERVAL;
        if is_due(self.evicted) && tried.is_none_or(|tried| is_due(tried.at)) {
            return Ok(());
        }
        let last = tried.filter(|tried| tried.pod_uid == pod_uid).and_then(|tried| tried.obstacle.clone());
        Err(last.unwrap_or(Obstacle::Turn))
    }

    /// Notes what came of an attempt. One that was refused takes nobody's turn, so that it holds up no other policy.
    pub(super) fn note(&mut self, policy_uid: &str, pod_uid: &str, obstacle: Option<Obstacle>, now: Instant) {
        if !matches!(obstacle, Some(Obstacle::NotInjected(_) | Obstacle::DisruptionBudget(_))) {
            self.evicted = now;
        }
        let tried = Tried { pod_uid: pod_uid.to_owned(), at: now, obstacle };
        self.tried.insert(policy_uid.to_owned(), tried);
    }

    /// The policy is gone.
    pub(super) fn forget(&mut self, policy_uid: &str) {
        self.tried.remove(policy_uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const ALMOST: Duration = Duration::from_secs(59);

    #[test]
    fn one_pod_is_evicted_in_a_minute_whatever_the_policy() {
        let start = Instant::now();
        let mut pace = Pace::start(start);
        assert_eq!(pace.may_try("a", "1", start + ALMOST), Err(Obstacle::Turn), "a new process");
        let first = start + INTERVAL;
        assert_eq!(pace.may_try("a", "1", first), Ok(()));
        pace.note("a", "1", None, first);
        for policy in ["a", "b"] {
            assert_eq!(pace.may_try(policy, "2", first + ALMOST), Err(Obstacle::Turn), "{policy}");
            assert_eq!(pace.may_try(policy, "2", first + INTERVAL), Ok(()), "{policy}");
        }
    }

    #[test]
    fn what_was_refused_is_tried_after_a_minute_and_holds_up_no_other_policy() {
        let start = Instant::now();
        let now = start + INTERVAL;
        for refused in [Obstacle::DisruptionBudget("d".into()), Obstacle::NotInjected("n".into())] {
            let mut pace = Pace::start(start);
            pace.note("a", "1", Some(refused.clone()), now);
            assert_eq!(pace.may_try("a", "1", now + SECOND), Err(refused.clone()));
            assert_eq!(
                pace.may_try("a", "2", now + SECOND),
                Err(Obstacle::Turn),
                "another pod of the policy"
            );
            assert_eq!(pace.may_try("b", "3", now + SECOND), Ok(()));
            pace.note("b", "3", None, now + INTERVAL);
            assert_eq!(pace.may_try("a", "1", now + INTERVAL + SECOND), Err(refused), "it still stands");
            pace.forget("a");
            assert_eq!(pace.may_try("a", "1", now + INTERVAL + SECOND), Err(Obstacle::Turn));
        }
    }

    #[test]
    fn an_attempt_that_may_have_evicted_counts_as_one() {
        let start = Instant::now();
        let mut pace = Pace::start(start);
        pace.note("a", "1", Some(Obstacle::Failed("no answer".into())), start + INTERVAL);
        assert_eq!(pace.may_try("b", "2", start + INTERVAL + SECOND), Err(Obstacle::Turn));
    }
}
