//! `iss` is, byte for byte, a name of the issuer whose key signed (RFC 8725 section 3.8): no slash, case or encoding
//! tolerance.

use restward_crds::reason::Reason;

use super::Input;
use crate::refusal::Deny;

pub(super) fn check(input: &Input<'_>) -> Result<(), Deny> {
    if input.issuer_names.contains(&input.claims.iss) { Ok(()) } else { Err(Reason::IssuerMismatch.into()) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check_with;
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_exact_name_passes() {
        let table = [
            ("https://sso.example.com/realms/wiki", Ok(())),
            ("https://sso.example.com/realms/wiki/", Err(Reason::IssuerMismatch)),
            ("https://sso.example.com/realms/Wiki", Err(Reason::IssuerMismatch)),
            ("http://sso.example.com/realms/wiki", Err(Reason::IssuerMismatch)),
            ("https://sso.example.com:443/realms/wiki", Err(Reason::IssuerMismatch)),
            ("https://sso.example.com/realms/%77iki", Err(Reason::IssuerMismatch)),
            ("https://sso.example.com/realms/other", Err(Reason::IssuerMismatch)),
            (" https://sso.example.com/realms/wiki", Err(Reason::IssuerMismatch)),
            ("", Err(Reason::IssuerMismatch)),
        ];
        for (iss, want) in table {
            assert_eq!(check_with(check, json!({ "iss": iss }), |_| ()), want, "{iss}");
        }
    }
}
