//! What was refused lately, hour by hour and by reason: what a person who looks at the policy wants to see without a Prometheus.
//! It is of this sidecar since it started, and bounded by hours and reasons.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use restward_crds::{
    reason::Reason,
    sidecar::admin::{self, TALLY_HOURS},
};

use crate::{
    audit::{Outcome, Record},
    time::UnixTime,
};

const HOUR: i64 = 3600;

/// Counts refusals.
#[derive(Debug)]
pub struct Tally {
    since: UnixTime,
    hours: Mutex<Hours>,
}

impl Tally {
    /// Counts from now on.
    pub fn new(since: UnixTime) -> Self {
        Self { since, hours: Mutex::default() }
    }

    /// Counts a finished request, if it was refused or would have been.
    pub fn note(&self, record: &Record, now: UnixTime) {
        let (Outcome::Refused | Outcome::WouldRefuse, Some(reason)) = (record.outcome, record.reason) else {
            return;
        };
        let is_refused = record.outcome == Outcome::Refused;
        self.hours.lock().unwrap_or_else(PoisonError::into_inner).note(is_refused, reason, now);
    }

    /// What was counted; keys are not known here.
    pub fn shown(&self, now: UnixTime) -> admin::Tally {
        admin::Tally {
            now: now.secs(),
            since: self.since.secs(),
            hours: self.hours.lock().unwrap_or_else(PoisonError::into_inner).shown(now),
            keys: Vec::new(),
        }
    }
}

/// By whether it was refused, or would have been, and why.
type Counts = BTreeMap<(bool, Reason), u64>;

/// Oldest first, each with its first second. Pure.
#[derive(Debug, Default)]
struct Hours(VecDeque<(i64, Counts)>);

impl Hours {
    fn note(&mut self, is_refused: bool, reason: Reason, now: UnixTime) {
        let begin = hour_of(now);
        // A clock that was set back does not make hours twice.
        if self.0.back().is_none_or(|(last, _)| *last < begin) {
            self.0.push_back((begin, Counts::new()));
        }
        while self.0.len() > TALLY_HOURS {
            self.0.pop_front();
        }
        if let Some((_, counts)) = self.0.back_mut() {
            *counts.entry((is_refused, reason)).or_default() += 1;
        }
    }

    fn shown(&self, now: UnixTime) -> Vec<admin::Hour> {
        let oldest = hour_of(now) - HOUR * (i64::try_from(TALLY_HOURS).unwrap_or(i64::MAX / HOUR) - 1);
        let lately = self.0.iter().filter(|(begin, _)| *begin >= oldest);
        lately
            .map(|(begin, counts)| {
                let of = |wanted: bool| {
                    let counts = counts.iter().filter(|((is_refused, _), _)| *is_refused == wanted);
                    counts.map(|((_, reason), count)| (reason.code().into(), *count)).collect()
                };
                admin::Hour { begin: *begin, refused: of(true), would_refuse: of(false) }
            })
            .collect()
    }
}

const fn hour_of(time: UnixTime) -> i64 {
    time.secs() - time.secs().rem_euclid(HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64, second: i64) -> UnixTime {
        UnixTime::from_secs(hour * HOUR + second)
    }

    #[test]
    fn a_day_is_kept_by_hour_and_reason() {
        let mut hours = Hours::default();
        hours.note(true, Reason::TokenExpired, at(100, 0));
        hours.note(true, Reason::TokenExpired, at(100, 3599));
        hours.note(false, Reason::BasicDenied, at(101, 0));
        let shown = hours.shown(at(101, 5));
        assert_eq!(shown.len(), 2);
        assert_eq!((shown[0].begin, shown[0].refused["token_expired"]), (100 * HOUR, 2));
        assert!(shown[1].refused.is_empty() && shown[1].would_refuse["basic_denied"] == 1);
        assert_eq!(hours.shown(at(123, 0)).len(), 2, "24 hours with the one that has begun");
        assert_eq!(hours.shown(at(124, 0)).len(), 1);
        assert_eq!(hours.shown(at(200, 0)), Vec::new());
    }

    #[test]
    fn it_does_not_grow() {
        let mut hours = Hours::default();
        for hour in 0..1000 {
            for reason in Reason::ALL {
                hours.note(true, *reason, at(hour, 0));
            }
        }
        assert_eq!(hours.0.len(), TALLY_HOURS);
        hours.note(true, Reason::TokenExpired, at(1, 0));
        assert_eq!(hours.0.len(), TALLY_HOURS, "a clock that was set back");
        assert_eq!(hours.0.back().unwrap().1[&(true, Reason::TokenExpired)], 2);
    }
}
