//! Credentials that nobody has, and tokens that nobody may take. Pure.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

/// A user whom nobody has.
pub(super) const NOBODY: &str = "restward-verify-nobody";
/// Nobody's host (RFC 2606).
pub(super) const NOWHERE: &str = "https://restward-verify.invalid";

pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// A token without a signature that counts (`alg: none`), which says what good ones say.
pub(super) fn unsigned(claims: &Value) -> String {
    jwt(&json!({"alg": "none", "typ": "JWT"}), claims)
}

/// A token of an issuer whom no policy names.
pub(super) fn foreign() -> String {
    jwt(&json!({"alg": "RS256", "typ": "JWT", "kid": "restward-verify"}), &claims())
}

/// Shaped as those of Confluence's own OAuth 2 provider: HS256, and no claim but `id`.
pub(super) fn confluence_oauth2() -> String {
    jwt(&json!({"alg": "HS256", "typ": "JWT"}), &json!({"id": NOBODY}))
}

/// Shaped as personal access tokens are: 33 bytes, of which the first are a number.
pub(super) fn personal_access_token() -> String {
    BASE64_STANDARD.encode("999999999999:restward-verify-none")
}

/// The token with one character in the middle of its signature changed; `None`: it has no signature.
pub(super) fn damaged(token: &str) -> Option<String> {
    let (signed, signature) = token.rsplit_once('.')?;
    let middle = signature.len() / 2;
    let other = if signature.get(middle..)?.starts_with('A') { "B" } else { "A" };
    Some(format!("{signed}.{}{other}{}", signature.get(..middle)?, signature.get(middle + 1..)?))
}

/// What a token says, not verified.
pub(super) fn claims_of(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// A two-legged OAuth 1 request of this consumer, whose signature is none.
pub(super) fn oauth1(consumer: &str, is_complete: bool, now: i64) -> String {
    let nonce = if is_complete { format!(", oauth_nonce=\"restward-verify-{now}\"") } else { String::new() };
    format!(
        "OAuth oauth_consumer_key=\"{consumer}\", oauth_token=\"\", oauth_signature_method=\"RSA-SHA1\", oauth_signature=\"AAAA\", \
         oauth_timestamp=\"{now}\", oauth_version=\"1.0\"{nonce}"
    )
}

pub(super) fn claims() -> Value {
    json!({"iss": format!("{NOWHERE}/realms/none"), "sub": NOBODY, "typ": "Bearer", "azp": NOBODY, "preferred_username": NOBODY,
           "iat": 0, "exp": 4_102_444_800_i64})
}

fn jwt(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), BASE64_URL_SAFE_NO_PAD.encode(NOBODY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_the_shape_of_what_it_pretends_to_be() {
        let token = personal_access_token();
        assert!(token.len() == 44 && token.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{token}");
        assert_eq!(confluence_oauth2().split('.').count(), 3);
        assert_eq!(claims_of(&confluence_oauth2()).unwrap(), json!({"id": NOBODY}));
        assert!(
            oauth1("c", true, 1).contains("oauth_nonce") && !oauth1("c", false, 1).contains("oauth_nonce")
        );
    }

    #[test]
    fn a_damaged_token_differs_in_its_signature_only() {
        let token = foreign();
        let damaged = damaged(&token).unwrap();
        assert_ne!(damaged, token);
        assert_eq!(damaged.len(), token.len());
        assert_eq!(damaged.rsplit_once('.').unwrap().0, token.rsplit_once('.').unwrap().0);
        assert_eq!(super::damaged("opaque"), None);
    }
}
