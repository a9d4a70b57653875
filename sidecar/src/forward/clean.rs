//! What of Confluence's answer the client may see. Pure.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use restward_crds::{reason::Reason, text::Username};

use crate::calibrate::oauth_problem;

const AUSERNAME: &str = "x-ausername";

/// An answer to a request that was sent as `user` must be that user's.
///
/// # Errors
/// Confluence refused the assertion, or answered a read as somebody else. A write that has happened keeps its status:
/// an error would have it repeated.
pub fn check_asserted(
    method: &Method,
    user: &Username,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Checked, Reason> {
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST)
        && oauth_problem(headers).is_some()
    {
        return Err(Reason::UpstreamRejected);
    }
    match headers.get(AUSERNAME) {
        Some(name) if !is_user(name, user) && method.is_safe() => Err(Reason::IdentityMismatch),
        Some(name) if !is_user(name, user) => Ok(Checked::WroteAsAnother),
        _ => Ok(Checked::AsUser),
    }
}

/// What [`check_asserted`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// Nothing speaks against it.
    AsUser,
    /// Something was written, and Confluence names another user.
    WroteAsAnother,
}

/// Confluence writes names up to U+00FF as Latin-1 and no header for others, and compares without case.
fn is_user(value: &HeaderValue, user: &Username) -> bool {
    let name: String = value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
    name.to_lowercase() == user.as_str().to_lowercase()
}

/// Removes what Confluence's session and OAuth filter add to the answer of an asserted request, and keeps it out of
/// shared caches (RFC 9111 section 3.5).
pub fn asserted(headers: &mut HeaderMap) {
    headers.remove(header::SET_COOKIE);
    headers.remove(header::WWW_AUTHENTICATE);
    let is_private =
        headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()).any(|value| {
            let value = value.to_ascii_lowercase();
            (value.contains("no-store") || value.contains("private")) && !value.contains("public")
        });
    if !is_private {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    }
    headers.append(header::VARY, HeaderValue::from_static("Authorization, Cookie"));
}

/// Replaces the challenges of a 401 by ours: a browser must not open a dialog, and nobody learns of OAuth 1 here.
pub fn challenge(headers: &mut HeaderMap, ours: HeaderValue) {
    headers.insert(header::WWW_AUTHENTICATE, ours);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &Method, status: u16, name: &str, value: &[u8]) -> Result<Checked, Reason> {
        let name = header::HeaderName::from_bytes(name.as_bytes()).unwrap();
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_bytes(value).unwrap())]);
        check_asserted(method, &"Jürgen".parse().unwrap(), StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn the_answer_must_be_the_users() {
        for (method, status, name, value, want) in [
            (Method::GET, 200, "x-ausername", &b"j\xfcrgen"[..], Ok(Checked::AsUser)),
            (Method::GET, 200, "x-other", b"", Ok(Checked::AsUser)),
            (Method::GET, 200, "x-ausername", b"admin", Err(Reason::IdentityMismatch)),
            (Method::POST, 200, "x-ausername", b"admin", Ok(Checked::WroteAsAnother)),
            (
                Method::GET,
                401,
                "www-authenticate",
                b"OAuth realm=\"x\", oauth_problem=\"signature_invalid\"",
                Err(Reason::UpstreamRejected),
            ),
            (
                Method::GET,
                400,
                "www-authenticate",
                b"OAuth oauth_problem=\"timestamp_refused\"",
                Err(Reason::UpstreamRejected),
            ),
            (Method::GET, 401, "www-authenticate", b"OAuth realm=\"http://wiki\"", Ok(Checked::AsUser)),
        ] {
            assert_eq!(check(&method, status, name, value), want, "{method} {status} {name}");
        }
    }

    #[test]
    fn sessions_and_shared_caches_are_kept_out() {
        let mut headers = HeaderMap::new();
        headers.append(header::SET_COOKIE, HeaderValue::from_static("JSESSIONID=1"));
        headers.append(header::SET_COOKIE, HeaderValue::from_static("seraph.confluence=1"));
        headers.append(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000"));
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        asserted(&mut headers);
        assert!(!headers.contains_key(header::SET_COOKIE));
        assert_eq!(headers[header::CACHE_CONTROL], "private");
        assert_eq!(headers.get_all(header::VARY).iter().count(), 2);
        let mut strict =
            HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))]);
        asserted(&mut strict);
        assert_eq!(strict[header::CACHE_CONTROL], "no-store");
    }
}
