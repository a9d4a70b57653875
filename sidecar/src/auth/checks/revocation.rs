//! The token was issued after the realm's `tokens-not-before`, by which Keycloak revokes everything at once. A token that does
//! not say when it was issued may be older than that.

use restward_crds::reason::Reason;

use super::Input;
use crate::refusal::Deny;

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit into the 52 bits of an f64")]
pub(super) fn check(input: &Input<'_>) -> Result<(), Deny> {
    let is_young_enough = input.claims.iat.is_some_and(|issued| issued >= input.not_before as f64);
    if input.not_before == 0 || is_young_enough { Ok(()) } else { Err(Reason::TokenRevoked.into()) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, check_with};
    use super::*;
    use serde_json::json;

    #[test]
    fn older_tokens_are_revoked() {
        let now = NOW.secs();
        let no = Err(Reason::TokenRevoked);
        let table = [
            (0, json!({"iat": now}), Ok(())),
            (0, json!({"iat": null}), Ok(())),
            (now, json!({"iat": now}), Ok(())),
            (now, json!({"iat": now + 1}), Ok(())),
            (now, json!({"iat": now - 1}), no),
            (now, json!({"iat": 0}), no),
            (now, json!({"iat": null}), no),
        ];
        for (not_before, changes, want) in table {
            let got = check_with(check, changes.clone(), |given| given.not_before = not_before);
            assert_eq!(got, want, "{changes} after {not_before}");
        }
    }
}
