//! The announced end of password logins: what is done with them now, and how their callers are told. Pure.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use restward_crds::{
    reason::Reason,
    sidecar::{
        Settings,
        deprecation::{DeprecationSettings, Phase},
        terms::Switch,
    },
};

use crate::{refusal::Deny, time::UnixTime};

/// RFC 9745.
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
/// RFC 8594.
const SUNSET: HeaderName = HeaderName::from_static("sunset");
/// What pages of other origins may read of an answer, once Confluence lets them read it at all.
const EXPOSED: HeaderValue = HeaderValue::from_static("Deprecation, Sunset, Link, Retry-After");

/// What is done with password logins, and why they are refused where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passwords {
    /// The switch as it stands.
    pub switch: Switch,
    /// The reason of a refusal.
    pub denied: Reason,
}

impl Passwords {
    /// Let through without a word.
    pub const ALLOWED: Self = Self::by(Switch::Allow);
    /// Refused.
    pub const DENIED: Self = Self::by(Switch::Deny);

    const fn by(switch: Switch) -> Self {
        Self { switch, denied: Reason::BasicDenied }
    }

    /// As the policy has it at this time.
    pub fn at(settings: &Settings, now: UnixTime) -> Self {
        match phase(settings, now) {
            _ if settings.basic_auth.denies() => Self::DENIED,
            Some(Phase::BrownOut(_)) => Self { switch: Switch::Deny, denied: Reason::BasicBrownOut },
            Some(Phase::Over) => Self::DENIED,
            Some(Phase::Announced) | None => Self::by(settings.basic_auth),
        }
    }
}

fn phase(settings: &Settings, now: UnixTime) -> Option<Phase> {
    settings.basic_auth_deprecation.as_ref().map(|deprecation| deprecation.phase(now.secs()))
}

/// The refusal for this reason; of a password login with what its caller should know about the end of them.
pub fn refuse(reason: Reason, settings: &Settings, now: UnixTime) -> Deny {
    let Some(deprecation) = settings.basic_auth_deprecation.as_ref().filter(|_| is_about_passwords(reason))
    else {
        return reason.into();
    };
    let sunset = deprecation.sunset;
    let (when, retry_after) = match (reason, deprecation.phase(now.secs())) {
        (Reason::BasicBrownOut, Phase::BrownOut(end)) => (
            Some(format!("They are refused until {end}, and for good from {sunset} on.")),
            u64::try_from(end.secs() - now.secs()).ok(),
        ),
        (_, Phase::Over) => (Some(format!("They ended at {sunset}.")), None),
        _ => (None, None),
    };
    let page = deprecation.documentation.as_ref().map(|page| format!("See {} for more.", page.as_str()));
    let sentences: Vec<String> = when.into_iter().chain(page).collect();
    let detail = (!sentences.is_empty()).then(|| sentences.join(" "));
    Deny { detail, retry_after, ..reason.into() }
}

/// Whether this refuses a password login for being one.
pub fn is_about_passwords(reason: Reason) -> bool {
    matches!(reason, Reason::BasicDenied | Reason::BasicBrownOut)
}

/// Tells the caller of a password login that they end. A `Link` of Confluence's own stays.
pub fn announce(deprecation: &DeprecationSettings, headers: &mut HeaderMap) {
    let DeprecationSettings { since, sunset, documentation, .. } = deprecation;
    for (name, text) in [(DEPRECATION, format!("@{}", since.secs())), (SUNSET, sunset.http_date())] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
    if let Some(page) = documentation {
        let page = page.as_str();
        let links = format!("<{page}>; rel=\"deprecation\", <{page}>; rel=\"sunset\"");
        if let Ok(value) = HeaderValue::try_from(links) {
            headers.append(header::LINK, value);
        }
    }
    if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.append(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::forge;

    const MINUTE: i64 = 60;

    /// Ends ten minutes after [`now`]; a trial from two minutes after it to four.
    fn settings(switch: &str) -> Settings {
        let at = |minutes: i64| jiff::Timestamp::from_second(now(minutes).secs()).unwrap().to_string();
        forge::settings(json!({"basicAuth": switch, "basicAuthDeprecation": {
            "since": at(-5), "sunset": at(10), "documentation": "https://wiki.example.com/tokens",
            "brownOuts": [{"start": at(2), "end": at(4)}],
        }}))
    }

    fn now(minutes: i64) -> UnixTime {
        UnixTime::from_secs(1_800_000_000 + minutes * MINUTE)
    }

    #[test]
    fn a_trial_and_the_end_refuse_whatever_the_switch_lets_through() {
        for (word, switch) in [("Allow", Switch::Allow), ("Audit", Switch::Audit)] {
            let settings = settings(word);
            let (announced, over) = (Passwords::by(switch), Passwords::DENIED);
            let trial = Passwords { switch: Switch::Deny, denied: Reason::BasicBrownOut };
            let table = [
                (-9, announced),
                (0, announced),
                (2, trial),
                (3, trial),
                (4, announced),
                (10, over),
                (99, over),
            ];
            for (minutes, want) in table {
                assert_eq!(Passwords::at(&settings, now(minutes)), want, "{word} {minutes}");
            }
        }
        for minutes in [0, 3, 10] {
            assert_eq!(Passwords::at(&settings("Deny"), now(minutes)), Passwords::DENIED, "{minutes}");
        }
        assert_eq!(Passwords::at(&forge::settings(json!({})), now(0)), Passwords::ALLOWED);
    }

    #[test]
    fn a_refusal_says_until_when_and_what_comes() {
        let settings = settings("Allow");
        let page = "See https://wiki.example.com/tokens for more.";
        let deny = refuse(Reason::BasicBrownOut, &settings, now(3));
        assert_eq!(deny.retry_after, Some(60));
        let until = "They are refused until 2027-01-15T08:04:00Z, and for good from 2027-01-15T08:10:00Z on.";
        assert_eq!(deny.detail, Some(format!("{until} {page}")));
        let deny = refuse(Reason::BasicDenied, &settings, now(10));
        assert_eq!(
            (deny.retry_after, deny.detail),
            (None, Some(format!("They ended at 2027-01-15T08:10:00Z. {page}")))
        );
        assert_eq!(
            refuse(Reason::BasicDenied, &settings, now(3)).retry_after,
            None,
            "mode Deny knows no end of it"
        );
        assert_eq!(refuse(Reason::TokenExpired, &settings, now(3)), Reason::TokenExpired.into());
        assert_eq!(
            refuse(Reason::BasicDenied, &forge::settings(json!({})), now(3)),
            Reason::BasicDenied.into()
        );
    }

    #[test]
    fn the_headers_are_those_of_the_rfcs() {
        let settings = settings("Allow");
        let deprecation = settings.basic_auth_deprecation.as_ref().unwrap();
        let mut headers =
            HeaderMap::from_iter([(header::LINK, HeaderValue::from_static("</next>; rel=\"next\""))]);
        announce(deprecation, &mut headers);
        assert_eq!(headers["deprecation"], "@1799999700");
        assert_eq!(headers["sunset"], "Fri, 15 Jan 2027 08:10:00 GMT");
        let links: Vec<_> = headers.get_all(header::LINK).iter().collect();
        let page = "https://wiki.example.com/tokens";
        let ours = format!("<{page}>; rel=\"deprecation\", <{page}>; rel=\"sunset\"");
        assert_eq!(links, ["</next>; rel=\"next\"", ours.as_str()]);
        assert!(!headers.contains_key(header::ACCESS_CONTROL_EXPOSE_HEADERS), "nobody else may read it");
        headers
            .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://app.example.com"));
        announce(deprecation, &mut headers);
        assert_eq!(headers[header::ACCESS_CONTROL_EXPOSE_HEADERS], EXPOSED);
    }
}
