//! What to do about the Secret with the certificate authority, as it stands now.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use k8s_openapi::api::core::v1::Secret;

/// How long an authority is valid.
pub(super) const CA_LIFETIME: Duration = Duration::from_hours(365 * 24);
/// Members of the Secret.
pub(super) const CERTIFICATE: &str = "ca.crt";
/// The key of [`CERTIFICATE`].
pub(super) const KEY: &str = "ca.key";
/// When [`CERTIFICATE`] ends, in seconds since 1970.
pub(super) const NOT_AFTER: &str = "not-after";

/// A certificate authority as it stands in the Secret.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Authority {
    /// Certificate, PEM.
    pub certificate: String,
    /// Private key, PEM.
    pub key: String,
    /// When the certificate ends.
    pub not_after: SystemTime,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// There is none: make the first. Of several replicas one wins; the others use the winner's.
    Create,
    /// Sign with it.
    Use(Authority),
    /// Make another; why.
    Replace(&'static str),
}

/// Decides. The authority is replaced when two thirds of its life are over, long before anybody notices.
pub(super) fn plan(now: SystemTime, secret: Option<&Secret>) -> Plan {
    // The chart makes it empty, so that uninstalling takes it away.
    let Some(secret) = secret.filter(|secret| secret.data.as_ref().is_some_and(|data| !data.is_empty()))
    else {
        return Plan::Create;
    };
    let Some(authority) = read(secret) else {
        return Plan::Replace("the Secret is damaged");
    };
    if now + CA_LIFETIME / 3 >= authority.not_after {
        return Plan::Replace("the authority ends soon");
    }
    Plan::Use(authority)
}

fn read(secret: &Secret) -> Option<Authority> {
    let text = |member: &str| {
        let bytes = &secret.data.as_ref()?.get(member)?.0;
        String::from_utf8(bytes.clone()).ok().filter(|text| !text.is_empty())
    };
    let not_after = Duration::from_secs(text(NOT_AFTER)?.parse().ok()?);
    Some(Authority {
        certificate: text(CERTIFICATE)?,
        key: text(KEY)?,
        not_after: SystemTime::UNIX_EPOCH.checked_add(not_after)?,
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn secret(members: &[(&str, &str)]) -> Secret {
        let data =
            members.iter().map(|(k, v)| ((*k).to_owned(), ByteString(v.as_bytes().to_vec()))).collect();
        Secret { data: Some(data), ..Secret::default() }
    }

    #[test]
    fn a_missing_or_empty_secret_is_filled_and_a_good_one_used() {
        let now = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        for none in [None, Some(&Secret::default()), Some(&secret(&[]))] {
            assert_eq!(plan(now, none), Plan::Create);
        }
        let end = (now + 365 * DAY).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().to_string();
        let good = secret(&[(CERTIFICATE, "c"), (KEY, "k"), (NOT_AFTER, &end)]);
        assert!(matches!(plan(now, Some(&good)), Plan::Use(_)));
        assert!(matches!(plan(now + 240 * DAY, Some(&good)), Plan::Use(_)));
        assert_eq!(plan(now + 250 * DAY, Some(&good)), Plan::Replace("the authority ends soon"));
        assert_eq!(plan(now + 400 * DAY, Some(&good)), Plan::Replace("the authority ends soon"));
    }

    #[test]
    fn a_damaged_secret_is_replaced() {
        let now = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let damaged = [
            secret(&[(CERTIFICATE, "c"), (KEY, "k")]),
            secret(&[(CERTIFICATE, "c"), (KEY, "k"), (NOT_AFTER, "soon")]),
            secret(&[(CERTIFICATE, "c"), (KEY, "k"), (NOT_AFTER, "18446744073709551615")]),
            secret(&[(CERTIFICATE, ""), (KEY, "k"), (NOT_AFTER, "9999999999")]),
        ];
        for secret in damaged {
            assert_eq!(plan(now, Some(&secret)), Plan::Replace("the Secret is damaged"), "{secret:?}");
        }
    }

    #[test]
    fn the_key_is_not_shown() {
        let authority =
            Authority { certificate: "c".into(), key: "hidden".into(), not_after: SystemTime::UNIX_EPOCH };
        assert!(!format!("{:?}", Plan::Use(authority)).contains("hidden"));
    }
}
