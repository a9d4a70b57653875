//! It is an access token, and says so: by the claim `typ: Bearer`, as Keycloak's do, or by the header `typ: at+jwt`
//! (RFC 9068 section 4). Keycloak's ID token differs from its access token only by `typ` and `aud`
//! (GHSA-7fpj-9hr8-28vh), so what says nothing is refused.

use restward_crds::reason::Reason;

use super::{super::claims::Claims, Input};
use crate::refusal::Deny;

/// Why a token whose `typ` claim names another kind is refused.
pub fn named(claims: &Claims) -> Option<Reason> {
    match claims.typ.as_deref() {
        // The second is bound to a key (RFC 9449): whether it comes with the proof, another check asks.
        None | Some("Bearer" | "DPoP") => None,
        // ID, Refresh, Offline, Logout, registration tokens, and whatever comes next.
        Some(_) => Some(Reason::NotAnAccessToken),
    }
}

pub(super) fn check(input: &Input<'_>) -> Result<(), Deny> {
    match (named(input.claims), input.claims.typ.is_some() || input.says_access_token) {
        (Some(reason), _) => Err(reason.into()),
        (None, true) => Ok(()),
        (None, false) => Err(Reason::NotAnAccessToken.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check_with;
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn only_access_tokens_pass() {
        let no = Err(Reason::NotAnAccessToken);
        let table = [
            (json!("Bearer"), false, Ok(())),
            (json!("Bearer"), true, Ok(())),
            (Value::Null, true, Ok(())),
            (Value::Null, false, no),
            (json!("ID"), false, no),
            (json!("ID"), true, no),
            (json!("Refresh"), false, no),
            (json!("Offline"), false, no),
            (json!("Logout"), false, no),
            (json!("RegistrationAccessToken"), false, no),
            (json!("bearer"), false, no),
            (json!(""), true, no),
            (json!("DPoP"), false, Ok(())),
            (json!("dpop"), false, no),
        ];
        for (typ, header, want) in table {
            let got = check_with(check, json!({ "typ": typ }), |given| given.says_access_token = header);
            assert_eq!(got, want, "{typ} with header {header}");
        }
    }
}
