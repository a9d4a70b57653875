//! How many policies are looked at unasked in a second, of all. What changes in the cluster is seen by watch at once; looks
//! are for what no watch tells, such as what sidecars say. So they may come the more seldom the more there are: they cost
//! the API server and the pods' network the same in a cluster with a thousand policies as in one with three hundred.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Policies that are looked at in a second, of those that are looked at equally often.
const POLICIES: usize = 5;
/// Sidecars that are asked in a second, in the same way.
const SIDECARS: usize = 50;
/// When a policy that could not be reconciled is tried again at first; each time later than before.
const AFTER_ERROR: Duration = Duration::from_secs(5);
/// The latest, as long as those that fail are few.
const AFTER_ERRORS: Duration = Duration::from_mins(1);

/// The looks that are to come, by the policy's UID.
#[derive(Debug, Default)]
pub struct Budget(Mutex<HashMap<String, Look>>);

/// The next look at a policy.
#[derive(Debug, Default)]
struct Look {
    /// How long it would wait if there was no other policy.
    wanted: Duration,
    /// How many sidecars are asked.
    sidecars: usize,
    /// How often the policy could not be reconciled since it last could.
    errors: u32,
}

impl Budget {
    /// When to look again at a policy that, alone, would be looked at after `wanted`.
    pub fn next(&self, policy_uid: &str, wanted: Duration, sidecars: usize) -> Duration {
        let mut looks = self.looks();
        looks.insert(policy_uid.to_owned(), Look { wanted, sidecars, errors: 0 });
        let alike = looks.values().filter(|look| look.errors == 0 && look.wanted == wanted);
        let (policies, sidecars) =
            alike.fold((0, 0), |(policies, sidecars), look| (policies + 1, sidecars + look.sidecars));
        spread(policy_uid, stretched(wanted, policies, sidecars))
    }

    /// When to try again after an error, where the API server may have asked to wait so long.
    pub fn after_error(&self, policy_uid: &str, asked_to_wait: Option<Duration>) -> Duration {
        let mut looks = self.looks();
        let look = looks.entry(policy_uid.to_owned()).or_default();
        look.errors = look.errors.saturating_add(1);
        let pause = backed_off(look.errors).max(asked_to_wait.unwrap_or_default());
        let failing = looks.values().filter(|look| look.errors > 0).count();
        spread(policy_uid, stretched(pause, failing, 0))
    }

    /// The policy is gone.
    pub fn forget(&self, policy_uid: &str) {
        self.looks().remove(policy_uid);
    }

    fn looks(&self) -> MutexGuard<'_, HashMap<String, Look>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So long that these policies, and their sidecars, are not looked at more often than may be.
fn stretched(wanted: Duration, policies: usize, sidecars: usize) -> Duration {
    let at_least = (policies / POLICIES).max(sidecars / SIDECARS);
    wanted.max(Duration::from_secs(u64::try_from(at_least).unwrap_or(u64::MAX)))
}

fn backed_off(errors: u32) -> Duration {
    AFTER_ERROR.saturating_mul(1 << errors.saturating_sub(1).min(10)).min(AFTER_ERRORS)
}

/// Up to a tenth more, of each policy another part, so that what began together does not stay together.
fn spread(policy_uid: &str, pause: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    policy_uid.hash(&mut hasher);
    let thousandths = u32::try_from(hasher.finish() % 100).unwrap_or_default();
    pause + pause / 1000 * thousandths
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    /// Looks a second at so many policies with so many sidecars each, and the shortest pause.
    fn looks(policies: usize, sidecars: usize) -> (f64, Duration) {
        let budget = Budget::default();
        let all = || -> Vec<Duration> {
            (0..policies).map(|policy| budget.next(&policy.to_string(), MINUTE, sidecars)).collect()
        };
        // At first it does not know yet how many there are.
        all();
        let pauses = all();
        (pauses.iter().map(|pause| pause.as_secs_f64().recip()).sum(), *pauses.iter().min().unwrap())
    }

    #[test]
    fn looks_and_questions_a_second_do_not_grow_with_the_cluster() {
        let (few, pause) = looks(10, 3);
        assert!(
            few < 0.2 && pause < MINUTE + MINUTE / 10,
            "nothing is late in a small cluster: {few} {pause:?}"
        );
        for (policies, sidecars) in [(1000, 1), (2000, 1), (100, 100), (1000, 10)] {
            let (a_second, pause) = looks(policies, sidecars);
            assert!(a_second <= 5.0, "{policies} policies: {a_second} looks");
            let asked = a_second * f64::from(u32::try_from(sidecars).unwrap());
            assert!(asked <= 50.0, "{policies} policies with {sidecars} sidecars: {asked}");
            assert!(pause >= MINUTE, "{policies}: {pause:?}");
        }
    }

    #[test]
    fn one_that_changes_is_looked_at_soon_among_many_that_are_well() {
        let (budget, soon) = (Budget::default(), Duration::from_secs(2));
        for policy in 0..1000 {
            budget.next(&policy.to_string(), MINUTE, 10);
        }
        assert!(budget.next("7", soon, 10) < soon + soon / 10);
        assert!(budget.next("7", MINUTE, 10) >= Duration::from_secs(200));
        (1..1000).for_each(|policy| budget.forget(&policy.to_string()));
        assert!(budget.next("0", MINUTE, 10) < MINUTE + MINUTE / 10, "those that are gone do not count");
    }

    #[test]
    fn errors_are_answered_with_longer_and_longer_pauses() {
        let budget = Budget::default();
        let mut pauses = (0..100).map(|_| budget.after_error("a", None)).collect::<Vec<_>>();
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert!(pauses.iter().take(6).sum::<Duration>() > MINUTE * 3, "{pauses:?}");
        assert!(pauses.pop().unwrap() < Duration::from_secs(66), "not for ever");
        assert!(budget.after_error("b", None) < AFTER_ERROR * 2, "each for itself");
        budget.next("a", MINUTE, 0);
        assert!(budget.after_error("a", None) < AFTER_ERROR * 2, "a success ends it");
    }

    #[test]
    fn an_api_server_that_names_a_time_is_left_alone_until_then() {
        let budget = Budget::default();
        let asked = Duration::from_secs(32);
        assert!((asked..asked * 2).contains(&budget.after_error("a", Some(asked))));
        let soon = Duration::from_secs(1);
        assert!(budget.after_error("b", Some(soon)) >= AFTER_ERROR, "it is a least");
    }

    #[test]
    fn a_thousand_that_fail_ask_no_more_often_than_a_thousand_that_do_not() {
        let budget = Budget::default();
        let round =
            || (0..1000).map(|policy| budget.after_error(&policy.to_string(), None)).collect::<Vec<_>>();
        round();
        let a_second: f64 = round().iter().map(|pause| pause.as_secs_f64().recip()).sum();
        assert!(a_second <= 5.0, "{a_second}");
    }

    #[test]
    fn policies_that_began_together_do_not_stay_together() {
        let pauses: std::collections::BTreeSet<_> =
            (0..100).map(|policy| spread(&policy.to_string(), MINUTE)).collect();
        assert!(pauses.len() > 50, "{}", pauses.len());
        assert_eq!(spread("a", MINUTE), spread("a", MINUTE));
    }
}
