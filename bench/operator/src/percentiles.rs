//! Times, in the order of their length.

use std::{fmt, time::Duration};

/// Times that something took.
pub(crate) struct Percentiles(Vec<Duration>);

impl Percentiles {
    /// Of these.
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    fn at(&self, percent: usize) -> f64 {
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(index).copied().unwrap_or_default().as_secs_f64() * 1e3
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms", self.at(50), self.at(99), self.at(100))
    }
}
