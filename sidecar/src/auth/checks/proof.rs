//! A token that is bound to a key of its holder comes with a proof of that very key (DPoP, RFC 9449 section 7.1), and no other
//! token comes with one; one that is bound to a certificate comes over a connection of its holder (RFC 8705 section 3). As a
//! plain Bearer token either is refused, or binding it was in vain (RFC 9449 section 7.2).

use restward_crds::reason::Reason;

use super::{super::claims::Binding, Input};
use crate::refusal::Deny;

pub(super) fn check(input: &Input<'_>) -> Result<(), Deny> {
    let (bound_key, bound_certificate) = match &input.claims.binding {
        Binding::Free => (None, None),
        Binding::To { key, certificate } => (key.as_deref(), certificate.as_deref()),
        Binding::Other if input.possession.key.is_none() => return Err(Reason::ProofRequired.into()),
        Binding::Other => return Err(Reason::ProofInvalid.into()),
    };
    match (bound_key, input.possession.key.as_deref()) {
        (Some(_), None) => return Err(Reason::ProofRequired.into()),
        (bound, proven) if bound != proven => return Err(Reason::ProofInvalid.into()),
        _ => {}
    }
    // A certificate beside a token that is bound to none means nothing: the proxy passes it on for every call.
    match bound_certificate {
        Some(bound) if input.possession.certificate() != Some(bound) => {
            Err(Reason::CertificateRequired.into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check_with;
    use super::*;
    use crate::{auth::Possession, certificate::Thumbprint};
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
            (json!({"cnf": {"x5t#S256": "x"}}), Some("k"), invalid),
            (json!({"cnf": {}}), None, required),
            (json!({"cnf": {}}), Some("k"), invalid),
            (json!({"cnf": {"kid": "k"}}), None, required),
            (json!({"cnf": "k"}), None, required),
            (json!({"cnf": {"jkt": 1}}), Some("k"), invalid),
            (json!({"cnf": {"jkt": null}}), None, required),
            (json!({"typ": "DPoP"}), None, required),
            (json!({"typ": "DPoP"}), Some("k"), invalid),
            (json!({"typ": "DPoP", "cnf": {"x5t#S256": "x"}}), None, required),
            (json!({"typ": "DPoP", "cnf": {"jkt": "k"}}), Some("k"), Ok(())),
        ];
        for (changes, proven, want) in table {
            let got = check_with(check, changes.clone(), |given| {
                given.possession.key = proven.map(str::to_owned);
            });
            assert_eq!(got, want, "{changes} with {proven:?}");
        }
    }

    #[test]
    fn bound_tokens_and_certificates_belong_together() {
        let mine = Thumbprint::of_der(b"mine");
        let bound = |to: &Thumbprint| json!({"x5t#S256": to.as_str()});
        let both = json!({"jkt": "k", "x5t#S256": mine.as_str()});
        let required = Err(Reason::CertificateRequired);
        let table = [
            (json!({}), None, Some(&mine), Ok(())),
            (json!({"cnf": bound(&mine)}), None, Some(&mine), Ok(())),
            (json!({"cnf": bound(&mine)}), None, None, required),
            (json!({"cnf": bound(&Thumbprint::of_der(b"other"))}), None, Some(&mine), required),
            (json!({"cnf": {"x5t#S256": ""}}), None, None, required),
            (json!({"cnf": {"x5t#S256": 1}}), None, Some(&mine), Err(Reason::ProofRequired)),
            (json!({"cnf": both}), Some("k"), Some(&mine), Ok(())),
            (json!({"cnf": both}), Some("k"), None, required),
            (json!({"cnf": both}), None, Some(&mine), Err(Reason::ProofRequired)),
        ];
        for (changes, key, certificate, want) in table {
            let got = check_with(check, changes.clone(), |given| {
                given.possession =
                    Possession { key: key.map(str::to_owned), certificate: certificate.cloned() };
            });
            assert_eq!(got, want, "{changes} with {key:?} and {certificate:?}");
        }
    }
}
