//! When audiences are configured, `aud` holds one of them, exactly (RFC 8725 section 3.9). `azp` never counts as an
//! audience (CVE-2026-55669), and without configuration every token of the realm passes.

use restward_crds::reason::Reason;

use super::{super::claims::LIGHTWEIGHT, Input};
use crate::refusal::Deny;

pub(super) fn check(input: &Input<'_>) -> Result<(), Deny> {
    let accepted = &input.issuer.audiences;
    if accepted.is_empty() || input.claims.aud.iter().any(|aud| accepted.contains(aud)) {
        Ok(())
    } else if input.claims.leaves_audience_out() {
        Err(Deny::with_detail(Reason::AudienceMismatch, LIGHTWEIGHT))
    } else {
        Err(Reason::AudienceMismatch.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check_with;
    use super::*;
    use serde_json::json;

    #[test]
    fn one_of_the_configured_audiences_must_be_there() {
        let no = Err(Reason::AudienceMismatch);
        let table = [
            (json!("wiki"), vec!["wiki"], Ok(())),
            (json!(["account", "wiki"]), vec!["other", "wiki"], Ok(())),
            (json!("account"), vec!["wiki"], no),
            (json!("WIKI"), vec!["wiki"], no),
            (json!("wiki "), vec!["wiki"], no),
            (json!([]), vec!["wiki"], no),
            (json!(null), vec!["wiki"], no),
            (json!("account"), vec!["app"], no), // azp is "app"
            (json!(null), vec![], Ok(())),
            (json!(["x"]), vec![], Ok(())),
        ];
        for (aud, accepted, want) in table {
            let got = check_with(check, json!({ "aud": aud }), |given| {
                given.issuer.audiences = accepted.iter().map(ToString::to_string).collect();
            });
            assert_eq!(got, want, "{aud} for {accepted:?}");
        }
    }
}
