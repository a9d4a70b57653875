//! A token as it came, and what its shape says it is.

use std::fmt;

use restward_crds::reason::Reason;
use zeroize::Zeroizing;

use super::{json, jws::decode_part};

/// Longest token that is looked at, in bytes: above it nothing is split or decoded (CVE-2025-30204). Tokens of
/// Keycloak administrators with many roles exceed 8 KiB.
pub const MAX_TOKEN: usize = 32 * 1024;

/// What followed `Bearer ` in the one Authorization header; wiped when it was judged.
#[derive(Clone, PartialEq, Eq)]
pub struct RawToken(Zeroizing<String>);

impl RawToken {
    /// Accepts a token68 (RFC 9110 section 11.2) of bounded length.
    ///
    /// # Errors
    /// [`Reason::TokenMalformed`] for anything else.
    pub fn parse(credentials: &[u8]) -> Result<Self, Reason> {
        let text = std::str::from_utf8(credentials).map_err(|_| Reason::TokenMalformed)?;
        let body = text.trim_end_matches('=');
        if text.len() <= MAX_TOKEN && !body.is_empty() && is_token68(body) {
            Ok(Self(text.to_owned().into()))
        } else {
            Err(Reason::TokenMalformed)
        }
    }

    /// The token itself: never to be logged.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Looks at every byte, whatever the ones before were: a loop without an early end is done for many bytes at once.
fn is_token68(body: &str) -> bool {
    let is_allowed =
        |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    body.bytes().fold(true, |so_far, byte| so_far & is_allowed(byte))
}

impl fmt::Debug for RawToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawToken(..)")
    }
}

/// Whose kind of token it is, by looks alone; nothing is trusted because of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A JWT: for the identity provider's keys to judge.
    Jwt,
    /// An access token of Confluence's own OAuth 2 provider: an HS256 JWT whose only claim is `id`.
    ConfluenceOAuth2,
    /// A personal access token of Confluence: 44 characters of base64 without dots.
    PersonalAccessToken,
    /// Nothing of these.
    Other,
}

impl Shape {
    /// The shape of `token`.
    pub fn of(token: &RawToken) -> Self {
        let text = token.as_str();
        let parts: Vec<&str> = text.splitn(4, '.').collect();
        match *parts.as_slice() {
            [header, payload, signature] if !signature.is_empty() => {
                if is_confluences_own(header, payload) {
                    Self::ConfluenceOAuth2
                } else {
                    Self::Jwt
                }
            }
            [_] if is_personal_access_token(text) => Self::PersonalAccessToken,
            _ => Self::Other,
        }
    }
}

fn is_confluences_own(header: &str, payload: &str) -> bool {
    let object = |part: &[u8]| json::object(part).unwrap_or_default();
    let Ok(header) = decode_part(header) else { return false };
    // Most tokens are decided here: without an escape the name of the algorithm stands as it is.
    if !header.contains(&b'\\') && !header.windows(5).any(|part| part == b"HS256") {
        return false;
    }
    let Ok(payload) = decode_part(payload) else { return false };
    let payload = object(&payload);
    object(&header).get("alg").is_some_and(|alg| alg == "HS256")
        && payload.len() == 1
        && payload.contains_key("id")
}

/// 33 bytes (12-digit id, colon, secret) in base64: no padding is ever needed.
fn is_personal_access_token(text: &str) -> bool {
    text.len() == 44 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as B64};

    fn token(text: &str) -> RawToken {
        RawToken::parse(text.as_bytes()).unwrap()
    }

    fn jwt(header: &str, payload: &str) -> RawToken {
        token(&format!("{}.{}.c2ln", B64.encode(header), B64.encode(payload)))
    }

    #[test]
    fn only_a_bounded_token68_is_a_token() {
        assert!(RawToken::parse(&b"a".repeat(MAX_TOKEN)).is_ok());
        assert!(RawToken::parse(b"abc==").is_ok());
        let long = b"a".repeat(MAX_TOKEN + 1);
        for bad in [&b""[..], b"=", b"a=b", b"a b", b" a", b"a,b", b"\xff", b"a\0", b"a\"", &long] {
            assert_eq!(RawToken::parse(bad), Err(Reason::TokenMalformed), "{bad:?}");
        }
    }

    #[test]
    fn debug_does_not_show_the_token() {
        assert_eq!(format!("{:?}", token("s3cret")), "RawToken(..)");
    }

    #[test]
    fn shapes() {
        let pat = "MTIzNDU2Nzg5MDEyOpCkS1lTq0f3Z1h9Qm5wX2tZcFdu";
        assert_eq!(pat.len(), 44);
        let table = [
            (jwt(r#"{"alg":"RS256"}"#, r#"{"iss":"x"}"#), Shape::Jwt),
            (jwt(r#"{"alg":"HS256"}"#, r#"{"id":"1"}"#), Shape::ConfluenceOAuth2),
            (jwt(r#"{"alg":"\u0048S256"}"#, r#"{"id":"1"}"#), Shape::ConfluenceOAuth2),
            (jwt(r#"{"alg":"HS256"}"#, r#"{"id":"1","iss":"x"}"#), Shape::Jwt),
            (jwt(r#"{"alg":"RS256"}"#, r#"{"id":"1"}"#), Shape::Jwt),
            (jwt(r#"{"alg":"HS256"}"#, r#"{"id":"1","id":"2"}"#), Shape::Jwt),
            (token("a.b.c"), Shape::Jwt),
            (token("a.b."), Shape::Other),
            (token("a.b.c.d"), Shape::Other),
            (token("a.b"), Shape::Other),
            (token(pat), Shape::PersonalAccessToken),
            (token(&pat[1..]), Shape::Other),
            (token(&format!("{}-", &pat[1..])), Shape::Other),
        ];
        for (token, want) in table {
            assert_eq!(Shape::of(&token), want, "{}", token.as_str());
        }
    }
}
