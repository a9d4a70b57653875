//! How often a caller may call: a token bucket for each, kept as the moment at which it would be full again (GCRA). The
//! memory is bounded; who has not called for long is forgotten first, which only ever fills a bucket.

use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use restward_crds::{
    reason::Reason,
    sidecar::limits::{RateKey, RateLimitSettings},
};

use crate::{bounded::Bounded, refusal::Deny};

/// Half of the number of callers that are remembered for each limit.
const REMEMBERED: usize = 8192;

/// What a caller over its limit is told, beside the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limited {
    /// Whose calls are counted.
    pub key: &'static str,
    /// How many calls in each window.
    pub quota: u32,
    /// Seconds of a window.
    pub window: u64,
    /// Seconds until the next call is accepted; at least 1.
    pub wait: u64,
}

/// The buckets of all limits of one policy.
pub struct Limiter {
    started: Instant,
    limits: Vec<(RateLimitSettings, Mutex<Bounded<String, Duration>>)>,
}

impl Limiter {
    /// Full buckets.
    pub fn new(limits: &[RateLimitSettings], started: Instant) -> Self {
        let empty = |limit: &RateLimitSettings| (*limit, Mutex::new(Bounded::new(REMEMBERED)));
        Self { started, limits: limits.iter().map(empty).collect() }
    }

    /// Number of callers that are remembered.
    pub fn remembered(&self) -> usize {
        let len = |(_, buckets): &(_, Mutex<Bounded<_, _>>)| {
            buckets.lock().unwrap_or_else(PoisonError::into_inner).len()
        };
        self.limits.iter().map(len).sum()
    }

    /// Counts a call of whoever `name` says against every limit of this key; asked for the name only when there is one.
    ///
    /// # Errors
    /// 429: too many.
    pub fn count(&self, key: RateKey, name: impl FnOnce() -> String, now: Instant) -> Result<(), Deny> {
        let mut limits = self.limits.iter().filter(|(limit, _)| limit.key == key).peekable();
        if limits.peek().is_none() {
            return Ok(());
        }
        let (name, now) = (name(), now.saturating_duration_since(self.started));
        for (limit, buckets) in limits {
            let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
            let full_at = buckets.get(&name).unwrap_or_default().max(now);
            match taken(limit, full_at, now) {
                Ok(full_at) => buckets.insert(name.clone(), full_at),
                Err(wait) => return Err(too_many(limit, wait)),
            }
        }
        Ok(())
    }
}

/// When the bucket is full again after one more call; or how long to wait for room in it.
fn taken(limit: &RateLimitSettings, full_at: Duration, now: Duration) -> Result<Duration, Duration> {
    let each = limit.period / limit.requests;
    let full_at = full_at + each;
    match full_at.checked_sub(now + each * limit.burst) {
        None | Some(Duration::ZERO) => Ok(full_at),
        Some(wait) => Err(wait),
    }
}

fn too_many(limit: &RateLimitSettings, wait: Duration) -> Deny {
    let key = match limit.key {
        RateKey::User => "user",
        RateKey::Client => "client",
        RateKey::Address => "address",
    };
    let limited = Limited {
        key,
        quota: limit.requests,
        window: limit.period.as_secs(),
        wait: wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
    };
    Deny { limited: Some(limited), ..Reason::RateLimited.into() }
}

/// The name of an address: of IPv6 the /64 network, which is what one subscriber has.
pub fn address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(requests: u32, burst: u32) -> RateLimitSettings {
        RateLimitSettings { key: RateKey::User, requests, period: Duration::from_mins(1), burst }
    }

    fn wait(outcome: Result<(), Deny>) -> Option<u64> {
        outcome.err().map(|deny| deny.limited.unwrap().wait)
    }

    #[test]
    fn a_burst_passes_and_then_one_call_at_a_time() {
        let start = Instant::now();
        let limiter = Limiter::new(&[limit(6, 3)], start);
        let call = |seconds: u64| {
            wait(limiter.count(RateKey::User, || "alice".into(), start + Duration::from_secs(seconds)))
        };
        assert_eq!([call(0), call(0), call(0)], [None; 3]);
        assert_eq!([call(0), call(4), call(9)], [Some(10), Some(6), Some(1)], "a refused call costs nothing");
        assert_eq!([call(10), call(10)], [None, Some(10)]);
        assert_eq!([call(600), call(600), call(600), call(600)], [None, None, None, Some(10)]);
    }

    #[test]
    fn everybody_has_a_bucket_of_their_own_and_every_key_its_limits() {
        let start = Instant::now();
        let limiter = Limiter::new(&[limit(60, 1)], start);
        assert_eq!(wait(limiter.count(RateKey::User, || "alice".into(), start)), None);
        assert_eq!(wait(limiter.count(RateKey::User, || "bob".into(), start)), None);
        assert_eq!(wait(limiter.count(RateKey::Client, || "alice".into(), start)), None);
        assert_eq!(wait(limiter.count(RateKey::User, || "alice".into(), start)), Some(1));
    }

    #[test]
    fn the_memory_is_bounded() {
        let start = Instant::now();
        let limiter = Limiter::new(&[limit(60, 1)], start);
        for name in 0..5 * REMEMBERED {
            let _ = limiter.count(RateKey::User, || name.to_string(), start);
        }
        assert!(limiter.limits[0].1.lock().unwrap().len() <= 2 * REMEMBERED);
    }

    #[test]
    fn a_subscriber_cannot_change_its_address() {
        let name = |text: &str| address(text.parse().unwrap());
        assert_eq!(name("2001:db8:0:1::1"), name("2001:db8:0:1:ffff::2"));
        assert_ne!(name("2001:db8:0:1::1"), name("2001:db8:0:2::1"));
        assert_ne!(name("192.0.2.1"), name("192.0.2.2"));
    }
}
