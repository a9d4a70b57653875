//! The session: a cookie that holds the visitor's token, sealed by a key of this process. So nothing is kept here that could
//! be asked for or grow, and who gets hold of the cookie (cookies go to every port of a host) has no token, but this page
//! until the hour is over. Another replica, or a restart, does not know the key: one logs in again.

use aws_lc_rs::error::Unspecified;
use axum::http::{HeaderMap, header};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use restward_crds::seal::Key;

const NAME: &str = "restward_page";
/// What the seal is bound to.
const PURPOSE: &[u8] = b"restward-page-session-v1";
/// How long, in seconds. A token that ends, or is revoked, before that ends it too.
const LENGTH: u64 = 3600;
/// Longest token: browsers take cookies of 4,096 bytes. Those of ServiceAccounts have about 1,000.
pub(super) const MAX_TOKEN: usize = 2800;

/// A visitor's token. No `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token(String);

impl Token {
    /// As somebody pasted it: with blanks and line breaks around it, perhaps; `None` for what can be no token.
    pub(super) fn pasted(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_token =
            !text.is_empty() && text.len() <= MAX_TOKEN && text.bytes().all(|b| b.is_ascii_graphic());
        is_token.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Makes and reads cookies.
pub(super) struct Sessions(Key);

impl Sessions {
    pub(super) fn new() -> Result<Self, Unspecified> {
        Key::random().map(Self)
    }

    /// The `Set-Cookie` of a session that begins now. Without `Secure`: the page comes by plain HTTP from the visitor's own
    /// machine, for which not every browser makes an exception.
    pub(super) fn begin(&self, token: &Token, now: u64) -> Result<String, Unspecified> {
        let end = now + LENGTH;
        let sealed = self.0.seal(&[&end.to_be_bytes(), token.0.as_bytes()].concat(), PURPOSE)?;
        Ok(format!("{NAME}={}; Path=/; HttpOnly; SameSite=Strict", BASE64.encode(sealed)))
    }

    /// The token of a session that goes on.
    pub(super) fn token(&self, headers: &HeaderMap, now: u64) -> Option<Token> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs =
            cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == NAME)?;
        let plain = self.0.open(&BASE64.decode(value).ok()?, PURPOSE)?;
        let (end, token) = plain.split_first_chunk()?;
        if u64::from_be_bytes(*end) <= now {
            return None;
        }
        Some(Token(String::from_utf8(token.to_vec()).ok()?))
    }
}

/// The `Set-Cookie` that ends a session.
pub(super) fn end() -> String {
    format!("{NAME}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookie: &str) -> HeaderMap {
        [(header::COOKIE, cookie.parse().unwrap())].into_iter().collect()
    }

    fn pair(set: &str) -> &str {
        set.split(';').next().unwrap()
    }

    #[test]
    fn a_session_lasts_an_hour_in_this_process() {
        let (sessions, token) = (Sessions::new().unwrap(), Token::pasted(" a.b.c\n").unwrap());
        let set = sessions.begin(&token, 1000).unwrap();
        assert!(
            set.contains("HttpOnly") && set.contains("SameSite=Strict") && !set.contains("a.b.c"),
            "{set}"
        );
        let cookie = headers(&format!("other=1; {}; more=2", pair(&set)));
        assert_eq!(sessions.token(&cookie, 1000).unwrap().as_str(), "a.b.c");
        assert!(sessions.token(&cookie, 1000 + LENGTH - 1).is_some());
        assert!(sessions.token(&cookie, 1000 + LENGTH).is_none());
        assert!(Sessions::new().unwrap().token(&cookie, 1000).is_none(), "another replica");
        assert!(sessions.token(&HeaderMap::new(), 1000).is_none());
        for made_up in [
            "restward_page=",
            "restward_page=AAAA",
            "restward_page=a.b.c",
            "restward_page",
            "x=y",
            pair(&end()),
        ] {
            assert!(sessions.token(&headers(made_up), 1000).is_none(), "{made_up}");
        }
    }

    #[test]
    fn the_longest_token_fits_into_a_cookie() {
        let token = Token::pasted(&"a".repeat(MAX_TOKEN)).unwrap();
        assert!(pair(&Sessions::new().unwrap().begin(&token, 1000).unwrap()).len() <= 4096);
        for text in ["", " ", "a b", "a\u{e9}", "a\r\nb", &"a".repeat(MAX_TOKEN + 1)] {
            assert!(Token::pasted(text).is_none(), "{text:?}");
        }
    }
}
