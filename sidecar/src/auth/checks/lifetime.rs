//! Now lies between `nbf` and `exp`, and `iat` not in the future, each with the allowed clock skew. A token is good
//! until just before `exp + skew` and from `nbf - skew` on.

use std::time::Duration;

use restward_crds::reason::Reason;

use super::{super::claims::Claims, Input};
use crate::{refusal::Deny, time::UnixTime};

/// An expiry farther away is a mistake (milliseconds, `u64::MAX`), not a lifetime: 366 days.
const LONGEST: f64 = 366.0 * 86_400.0;

pub(super) fn check(input: &Input<'_>) -> Result<(), Deny> {
    Ok(within(input.claims, input.tokens.clock_skew, input.now)?)
}

/// Whether the token is within its lifetime; also asked each time a cached verdict is used.
///
/// # Errors
/// Expired, not yet valid, or valid for an absurd time.
#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit into the 52 bits of an f64")]
pub fn within(claims: &Claims, skew: Duration, now: UnixTime) -> Result<(), Reason> {
    let now = now.secs() as f64;
    let skew = skew.as_secs_f64();
    if claims.exp - now > LONGEST {
        return Err(Reason::ClaimsMalformed);
    }
    if now >= claims.exp + skew {
        return Err(Reason::TokenExpired);
    }
    let earliest = claims.nbf.into_iter().chain(claims.iat).fold(0.0, f64::max);
    if now < earliest - skew { Err(Reason::TokenNotYetValid) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, check_with};
    use super::*;
    use serde_json::json;

    #[test]
    fn edges() {
        let now = NOW.secs();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let half_second_after_the_edge = now as f64 - 29.5;
        let table = [
            (json!({"exp": now + 1}), Ok(())),
            (json!({"exp": now - 29}), Ok(())),
            (json!({"exp": half_second_after_the_edge}), Ok(())),
            (json!({"exp": now - 30}), Err(Reason::TokenExpired)),
            (json!({"exp": now - 31}), Err(Reason::TokenExpired)),
            (json!({"exp": 0}), Err(Reason::TokenExpired)),
            (json!({"exp": now * 1000}), Err(Reason::ClaimsMalformed)),
            (json!({"exp": u64::MAX}), Err(Reason::ClaimsMalformed)),
            (json!({"exp": 1e300}), Err(Reason::ClaimsMalformed)),
            (json!({"nbf": now}), Ok(())),
            (json!({"nbf": now + 30}), Ok(())),
            (json!({"nbf": now + 31}), Err(Reason::TokenNotYetValid)),
            (json!({"nbf": 0}), Ok(())),
            (json!({"iat": now + 30}), Ok(())),
            (json!({"iat": now + 31}), Err(Reason::TokenNotYetValid)),
            (json!({"iat": null}), Ok(())),
        ];
        for (changes, want) in table {
            assert_eq!(check_with(check, changes.clone(), |_| ()), want, "{changes}");
        }
    }

    #[test]
    fn the_skew_is_the_configured_one() {
        let now = NOW.secs();
        for (skew, late, early) in [(0, 0, 1), (5, 5, 6), (60, 60, 61)] {
            let with = |changes| {
                check_with(check, changes, |given| given.tokens.clock_skew = Duration::from_secs(skew))
            };
            assert_eq!(with(json!({"exp": now - late})), Err(Reason::TokenExpired), "{skew}");
            assert_eq!(with(json!({"exp": now - late + 1})), Ok(()), "{skew}");
            assert_eq!(with(json!({"iat": now + early})), Err(Reason::TokenNotYetValid), "{skew}");
            assert_eq!(with(json!({"iat": now + early - 1})), Ok(()), "{skew}");
        }
    }
}
