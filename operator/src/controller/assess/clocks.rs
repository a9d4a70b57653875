//! Clocks of pods that differ from the operator's. A sidecar sees from tokens that its clock is behind the identity provider's; that it
//! is ahead it cannot see, as its tokens just seem to be old.

use restward_crds::advisory::Advisory;

use super::{Outcome, names};
use crate::acks::Ack;

/// What clocks seem to differ by although they are right, in seconds: an answer is on its way, and times are whole seconds.
const ON_THE_WAY: u64 = 5;

/// What is told of them.
pub(super) fn differ(outcome: &Outcome<'_>) -> Vec<String> {
    let skew = &outcome.policy.spec.tokens.clock_skew;
    let allowed = i64::try_from(skew.0.as_secs().max(ON_THE_WAY)).unwrap_or(i64::MAX);
    let told = |is_so: &dyn Fn(i64) -> bool, whither: &str, what: &str| {
        let those: Vec<&Ack> = outcome.acks.iter().filter(|ack| ack.clock_ahead.is_some_and(is_so)).collect();
        (!those.is_empty()).then(|| {
            Advisory::ClocksDiffer.says(format_args!(
                "the clock of {} is {whither} the operator's by more than spec.tokens.clockSkew ({skew}): where it is \
                 wrong, {what}. Set the clocks of the nodes by NTP",
                names(&those)
            ))
        })
    };
    let ahead = told(
        &|ahead| ahead > allowed,
        "ahead of",
        "tokens end too early, or count as expired when they are new",
    );
    let behind = told(
        &|ahead| ahead < -allowed,
        "behind",
        "new tokens count as not valid yet, and expired ones go on counting",
    );
    ahead.into_iter().chain(behind).collect()
}
