//! What Confluence granted to web pages of other origins (CORS), so that a refusal can be read by the page that caused
//! it. Nothing is granted here: an origin is answered only with what Confluence itself said to its latest preflight.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::bounded::Bounded;

/// Half of the number of origins that are remembered.
const REMEMBERED: usize = 256;
/// `scheme://host:port` with a host name of at most 253 characters.
const MAX_ORIGIN: usize = 300;

/// What Confluence said about an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    allow_origin: HeaderValue,
    allow_credentials: bool,
}

impl Grant {
    /// Adds the headers to an answer of the sidecar.
    pub fn lay_on(&self, headers: &mut HeaderMap) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.allow_origin.clone());
        if self.allow_credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}

/// The latest grant of each origin.
pub struct Grants(Mutex<Bounded<HeaderValue, Grant>>);

impl Default for Grants {
    fn default() -> Self {
        Self(Mutex::new(Bounded::new(REMEMBERED)))
    }
}

impl Grants {
    /// Notes what Confluence answered to a preflight of `origin`. An answer that grants nothing ends an earlier grant.
    pub fn learn(&self, origin: &HeaderValue, status: StatusCode, answer: &HeaderMap) {
        match granted(origin, status, answer) {
            Some(grant) => self.lock().insert(origin.clone(), grant),
            None => self.lock().remove(origin),
        }
    }

    /// What is granted to `origin`.
    pub fn of(&self, origin: &HeaderValue) -> Option<Grant> {
        self.lock().get(origin)
    }

    fn lock(&self) -> MutexGuard<'_, Bounded<HeaderValue, Grant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The origin that a request names. `null` is everybody who hides, so it is nobody here.
pub fn origin(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut sent = headers.get_all(header::ORIGIN).iter();
    let (origin, None) = (sent.next()?, sent.next()) else { return None };
    let is_origin = origin.len() <= MAX_ORIGIN && origin.to_str().is_ok_and(|text| text.contains("://"));
    is_origin.then(|| origin.clone())
}

/// As a browser judges it (Fetch standard, "CORS check"): exactly the origin or `*`, and `*` never with credentials.
fn granted(origin: &HeaderValue, status: StatusCode, answer: &HeaderMap) -> Option<Grant> {
    let mut values = answer.get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN).iter();
    let (allowed, None) = (values.next()?, values.next()) else { return None };
    if !status.is_success() || (allowed != origin && allowed != "*") {
        return None;
    }
    let says_credentials =
        answer.get(header::ACCESS_CONTROL_ALLOW_CREDENTIALS).is_some_and(|value| value == "true");
    Some(Grant { allow_origin: allowed.clone(), allow_credentials: says_credentials && allowed != "*" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: HeaderValue = HeaderValue::from_static("https://app.example.com");

    fn answer(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.clone(), HeaderValue::from_static(value));
        }
        headers
    }

    /// `Access-Control-Allow-Origin` and whether credentials may be sent.
    fn outcome(status: u16, headers: &HeaderMap) -> Option<(HeaderValue, bool)> {
        let grants = Grants::default();
        grants.learn(&PAGE, StatusCode::from_u16(status).unwrap(), headers);
        grants.of(&PAGE).map(|grant| (grant.allow_origin, grant.allow_credentials))
    }

    #[test]
    fn only_what_a_browser_would_take_for_a_grant_is_one() {
        use header::{
            ACCESS_CONTROL_ALLOW_CREDENTIALS as CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN as ORIGIN,
        };
        let page = "https://app.example.com";
        let any = HeaderValue::from_static("*");
        for (status, pairs, want) in [
            (200, &[(ORIGIN, page)][..], Some((PAGE, false))),
            (204, &[(ORIGIN, page), (CREDENTIALS, "true")][..], Some((PAGE, true))),
            (200, &[(ORIGIN, page), (CREDENTIALS, "TRUE")][..], Some((PAGE, false))),
            (200, &[(ORIGIN, "*"), (CREDENTIALS, "true")][..], Some((any, false))),
            (403, &[(ORIGIN, page)][..], None),
            (302, &[(ORIGIN, page)][..], None),
            (200, &[(ORIGIN, "https://other.example.com")][..], None),
            (200, &[(ORIGIN, page), (ORIGIN, page)][..], None),
            (200, &[(CREDENTIALS, "true")][..], None),
        ] {
            assert_eq!(outcome(status, &answer(pairs)), want, "{status} {pairs:?}");
        }
    }

    #[test]
    fn a_grant_is_for_its_origin_and_until_the_next_preflight() {
        let grants = Grants::default();
        let granting = answer(&[(header::ACCESS_CONTROL_ALLOW_ORIGIN, "https://app.example.com")]);
        grants.learn(&PAGE, StatusCode::OK, &granting);
        assert_eq!(grants.of(&HeaderValue::from_static("https://app.example.com.evil")), None);
        assert!(grants.of(&PAGE).is_some());
        grants.learn(&PAGE, StatusCode::OK, &HeaderMap::new());
        assert_eq!(grants.of(&PAGE), None);
    }

    #[test]
    fn an_origin_is_one_and_names_somebody() {
        let of = |values: &[&'static str]| {
            let pairs: Vec<_> = values.iter().map(|value| (header::ORIGIN, *value)).collect();
            origin(&answer(&pairs))
        };
        assert_eq!(of(&["https://app.example.com"]), Some(PAGE));
        for none in [&[][..], &["null"], &[""], &["https://a", "https://a"]] {
            assert_eq!(of(none), None, "{none:?}");
        }
        let long: &'static str = Box::leak(format!("https://{}", "a".repeat(300)).into_boxed_str());
        assert_eq!(of(&[long]), None);
    }
}
