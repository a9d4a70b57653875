//! When authorized parties are configured, the client that got the token (`azp`, else `client_id`) is one of them.

use restward_crds::reason::Reason;

use super::Input;
use crate::refusal::Deny;

pub(super) fn check(input: &Input<'_>) -> Result<(), Deny> {
    let accepted = &input.issuer.authorized_parties;
    let is_listed = input.claims.party().is_some_and(|party| accepted.iter().any(|entry| entry == party));
    if accepted.is_empty() || is_listed { Ok(()) } else { Err(Reason::PartyMismatch.into()) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check_with;
    use super::*;
    use serde_json::json;

    #[test]
    fn only_listed_clients_pass() {
        let no = Err(Reason::PartyMismatch);
        let table = [
            (json!({"azp": "app"}), vec!["app"], Ok(())),
            (json!({"azp": null, "client_id": "app"}), vec!["app"], Ok(())),
            (json!({"azp": "evil", "client_id": "app"}), vec!["app"], no),
            (json!({"azp": "App"}), vec!["app"], no),
            (json!({"azp": null, "aud": "app"}), vec!["app"], no),
            (json!({"azp": null}), vec![], Ok(())),
        ];
        for (changes, accepted, want) in table {
            let got = check_with(check, changes.clone(), |given| {
                given.issuer.authorized_parties = accepted.iter().map(ToString::to_string).collect();
            });
            assert_eq!(got, want, "{changes} for {accepted:?}");
        }
    }
}
