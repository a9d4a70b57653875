//! A token that is bound to a key of its holder comes with a proof of that very key (DPoP, RFC 9449 section 7.1), and no other
//! token comes with one: as a plain Bearer token it is refused, or binding it was in vain (section 7.2; RFC 8705 section 3).

use restward_crds::reason::Reason;

use super::{super::claims::Binding, Input};
use crate::refusal::Deny;

pub(super) fn check(input: &Input<'_>) -> Result<(), Deny> {
    match (&input.claims.binding, input.proven_key) {
        (Binding::Free, None) => Ok(()),
        (Binding::Key(bound), Some(proven)) if bound == proven => Ok(()),
        (Binding::Key(_) | Binding::Other, None) => Err(Reason::ProofRequired.into()),
        (_, Some(_)) => Err(Reason::ProofInvalid.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check_with;
    use super::*;
    use serde_json::json;

    #[test]
    fn bound_tokens_and_proofs_belong_together() {
        let (required, invalid) = (Err(Reason::ProofRequired), Err(Reason::ProofInvalid));
        let table = [
            (json!({}), None, Ok(())),
            (json!({}), Some("k"), invalid),
            (json!({"cnf": {"jkt": "k"}}), None, required),
            (json!({"cnf": {"jkt": "k"}}), Some("k"), Ok(())),
            (json!({"cnf": {"jkt": "k"}}), Some("K"), invalid),
            (json!({"cnf": {"jkt": "k", "x5t#S256": "x"}}), Some("k"), invalid),
            (json!({"cnf": {"x5t#S256": "x"}}), None, required),
            (json!({"cnf": {}}), None, required),
            (json!({"cnf": "k"}), None, required),
            (json!({"cnf": {"jkt": 1}}), Some("k"), invalid),
            (json!({"typ": "DPoP"}), None, required),
            (json!({"typ": "DPoP"}), Some("k"), invalid),
            (json!({"typ": "DPoP", "cnf": {"jkt": "k"}}), Some("k"), Ok(())),
        ];
        for (changes, proven, want) in table {
            let got = check_with(check, changes.clone(), |given| given.proven_key = proven);
            assert_eq!(got, want, "{changes} with {proven:?}");
        }
    }
}
