//! The members of the Secret.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use k8s_openapi::{ByteString, api::core::v1::Secret};

use super::plan::{Authorities, Authority, Retired};

/// Members of one authority: certificate (PEM), its key (PEM), and when the certificate ends (seconds since 1970).
struct Members {
    certificate: &'static str,
    key: &'static str,
    not_after: &'static str,
}

const SIGNING: Members = Members { certificate: "ca.crt", key: "ca.key", not_after: "not-after" };
const NEXT: Members = Members { certificate: "next-ca.crt", key: "next-ca.key", not_after: "next-not-after" };
const RETIRED: &str = "retired-ca.crt";
const RETIRED_UNTIL: &str = "retired-until";
const ANSWERED: &str = "answered-request";

/// What the Secret holds; `None` when it is damaged. The next authority and the one before are not worth a replacement:
/// damaged ones are as if they were not there.
pub(super) fn read(secret: &Secret) -> Option<Authorities> {
    let text = |member: &str| {
        let bytes = &secret.data.as_ref()?.get(member)?.0;
        String::from_utf8(bytes.clone()).ok().filter(|text| !text.is_empty())
    };
    let time = |member: &str| {
        let seconds = Duration::from_secs(text(member)?.parse().ok()?);
        SystemTime::UNIX_EPOCH.checked_add(seconds)
    };
    let authority = |members: &Members| {
        Some(Authority {
            certificate: text(members.certificate)?,
            key: text(members.key)?,
            not_after: time(members.not_after)?,
        })
    };
    Some(Authorities {
        signing: authority(&SIGNING)?,
        next: authority(&NEXT),
        retired: text(RETIRED)
            .zip(time(RETIRED_UNTIL))
            .map(|(certificate, until)| Retired { certificate, until }),
        answered: text(ANSWERED),
    })
}

/// The Secret's data for these: every member, so that one that is not needed any more goes (`None`).
///
/// # Errors
/// A time before 1970.
pub(super) fn members(
    authorities: &Authorities,
) -> anyhow::Result<BTreeMap<&'static str, Option<ByteString>>> {
    let time =
        |time: SystemTime| anyhow::Ok(time.duration_since(SystemTime::UNIX_EPOCH)?.as_secs().to_string());
    let mut members = BTreeMap::new();
    for (names, authority) in [(SIGNING, Some(&authorities.signing)), (NEXT, authorities.next.as_ref())] {
        let not_after = authority.map(|authority| time(authority.not_after)).transpose()?;
        members.insert(names.certificate, authority.map(|authority| authority.certificate.clone()));
        members.insert(names.key, authority.map(|authority| authority.key.clone()));
        members.insert(names.not_after, not_after);
    }
    let retired = authorities.retired.as_ref();
    members.insert(RETIRED, retired.map(|retired| retired.certificate.clone()));
    members.insert(RETIRED_UNTIL, retired.map(|retired| time(retired.until)).transpose()?);
    members.insert(ANSWERED, authorities.answered.clone());
    let bytes = |text: String| ByteString(text.into_bytes());
    Ok(members.into_iter().map(|(name, text)| (name, text.map(bytes))).collect())
}

#[cfg(test)]
mod tests {
    use super::{
        super::plan::{Plan, plan},
        *,
    };

    fn secret(members: impl IntoIterator<Item = (&'static str, Option<ByteString>)>) -> Secret {
        let data = members.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?))).collect();
        Secret { data: Some(data), ..Secret::default() }
    }

    fn texts(members: &[(&'static str, &str)]) -> Secret {
        secret(members.iter().map(|(name, text)| (*name, Some(ByteString(text.as_bytes().to_vec())))))
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn authority(name: &str) -> Authority {
        Authority { certificate: name.into(), key: format!("{name}'s"), not_after: at(9_999) }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let alone = Authorities::first(authority("one"), None);
        let retired = Some(Retired { certificate: "zero".into(), until: at(7) });
        let all = Authorities {
            next: Some(authority("two")),
            retired,
            answered: Some("1".into()),
            ..alone.clone()
        };
        for stood in [alone, all] {
            assert_eq!(read(&secret(members(&stood).unwrap())), Some(stood));
        }
    }

    #[test]
    fn a_missing_or_empty_secret_is_filled_a_good_one_used_and_one_without_use_replaced() {
        for none in [None, Some(&Secret::default()), Some(&texts(&[]))] {
            assert_eq!(plan(at(0), none), Plan::Create);
        }
        let stood = Authorities::first(authority("one"), None);
        let good = secret(members(&stood).unwrap());
        assert_eq!(plan(at(9_998), Some(&good)), Plan::Use(Box::new(stood)));
        assert_eq!(plan(at(9_999), Some(&good)), Plan::Replace("the authority has ended"));
        for damaged in [
            texts(&[("ca.crt", "c"), ("ca.key", "k")]),
            texts(&[("ca.crt", "c"), ("ca.key", "k"), ("not-after", "soon")]),
            texts(&[("ca.crt", "c"), ("ca.key", "k"), ("not-after", "18446744073709551615")]),
            texts(&[("ca.crt", ""), ("ca.key", "k"), ("not-after", "9999999999")]),
        ] {
            assert_eq!(plan(at(0), Some(&damaged)), Plan::Replace("the Secret is damaged"), "{damaged:?}");
        }
    }

    #[test]
    fn a_rotation_that_is_damaged_is_none() {
        let half = [
            ("ca.crt", "c"),
            ("ca.key", "k"),
            ("not-after", "99"),
            ("next-ca.crt", "n"),
            ("retired-ca.crt", "r"),
        ];
        let read = read(&texts(&half)).unwrap();
        assert_eq!((read.next, read.retired), (None, None));
    }
}
