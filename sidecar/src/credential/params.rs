//! The one parameter that the sidecar sets on requests that it does not sign: Seraph's `os_authType`, with which
//! Confluence answers 401 instead of going on as anonymous.

use percent_encoding::percent_decode;

const AUTH_TYPE: &str = "os_authType";

/// How Confluence is told to authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthType {
    /// 401 unless a session stands behind the cookie.
    Cookie,
    /// 401 with a Basic challenge unless the password is right.
    Basic,
}

impl AuthType {
    /// `query` with this value and no other; everything else stays as it was sent.
    pub fn set_in(self, query: Option<&str>) -> String {
        let value = match self {
            Self::Cookie => "cookie",
            Self::Basic => "basic",
        };
        let others =
            query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !names_auth_type(pair));
        others.chain([format!("{AUTH_TYPE}={value}").as_str()]).collect::<Vec<_>>().join("&")
    }
}

fn names_auth_type(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    percent_decode(name.as_bytes()).eq(AUTH_TYPE.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_every_spelling_and_keeps_the_rest_as_sent() {
        for (query, want) in [
            (None, "os_authType=cookie"),
            (Some(""), "os_authType=cookie"),
            (Some("os_authType=none"), "os_authType=cookie"),
            (Some("a=%7e+b&os%5FauthType=none&b&&os_authTyp%65"), "a=%7e+b&b&os_authType=cookie"),
            (Some("x=os_authType=none"), "x=os_authType=none&os_authType=cookie"),
        ] {
            assert_eq!(AuthType::Cookie.set_in(query), want, "{query:?}");
        }
    }
}
