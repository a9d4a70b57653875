//! The token is not bound to a key of its holder: with `cnf` (RFC 7800; DPoP, RFC 9449 section 7.2; mutual TLS,
//! RFC 8705 section 3) it may not be taken as a plain Bearer token, or binding it was in vain.

use restward_crds::reason::Reason;

use super::Input;
use crate::refusal::Deny;

pub(super) fn check(input: &Input<'_>) -> Result<(), Deny> {
    if input.claims.is_key_bound { Err(Reason::ProofRequired.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check_with;
    use super::*;
    use serde_json::json;

    #[test]
    fn bound_tokens_are_no_bearer_tokens() {
        assert_eq!(check_with(check, json!({}), |_| ()), Ok(()));
        for cnf in [json!({"jkt": "x"}), json!({"x5t#S256": "x"}), json!({}), json!("x")] {
            assert_eq!(check_with(check, json!({ "cnf": cnf }), |_| ()), Err(Reason::ProofRequired), "{cnf}");
        }
    }
}
