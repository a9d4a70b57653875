//! What a request presents to prove who sends it: by shape alone, nothing is checked here. Pure.

mod basic;
pub mod oauth1;
pub mod params;

use std::fmt;

use http::{HeaderMap, HeaderValue, header};

use crate::{
    auth::{RawToken, Shape},
    identity::query::{self, Pair},
};

/// The kind of credential that decides about a request. Also the word in audit lines and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Nothing.
    None,
    /// A cookie and no Authorization: a browser's session, or somebody who claims to have one.
    Session,
    /// `Authorization: Basic`, in any spelling that some filter of Confluence takes.
    Basic,
    /// `os_username`, `os_password` or `os_cookie` as parameters.
    PasswordParameters,
    /// A bearer token for the identity provider's keys to judge.
    Token,
    /// `Authorization: Bearer` followed by something that is no token.
    MalformedToken,
    /// A personal access token of Confluence.
    PersonalAccessToken,
    /// An access token of Confluence's own OAuth 2 provider.
    ConfluenceOAuth2,
    /// OAuth 1.0a, in the header or in parameters.
    OAuth1,
    /// The JWT of an application link, in the header or as parameter.
    ApplicationLinkJwt,
    /// Another scheme.
    Other,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::None,
        Self::Session,
        Self::Basic,
        Self::PasswordParameters,
        Self::Token,
        Self::MalformedToken,
        Self::PersonalAccessToken,
        Self::ConfluenceOAuth2,
        Self::OAuth1,
        Self::ApplicationLinkJwt,
        Self::Other,
    ];

    /// The word in audit lines and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Session => "session",
            Self::Basic => "basic",
            Self::PasswordParameters => "password_parameters",
            Self::Token => "token",
            Self::MalformedToken => "malformed_token",
            Self::PersonalAccessToken => "personal_access_token",
            Self::ConfluenceOAuth2 => "confluence_oauth2",
            Self::OAuth1 => "oauth1",
            Self::ApplicationLinkJwt => "application_link_jwt",
            Self::Other => "other",
        }
    }
}

/// How a token was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenScheme {
    /// As it is (RFC 6750).
    Bearer,
    /// With a proof of its key (RFC 9449); `None`: there is not exactly one that can be read.
    Dpop(Option<RawToken>),
}

impl TokenScheme {
    fn of(headers: &HeaderMap) -> Self {
        let is_dpop = headers.get(header::AUTHORIZATION).is_some_and(|value| {
            trim(value.as_bytes()).get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"dpop "))
        });
        if !is_dpop {
            return Self::Bearer;
        }
        let proofs: Vec<&HeaderValue> = headers.get_all("dpop").iter().collect();
        match proofs.as_slice() {
            [one] => Self::Dpop(RawToken::parse(one.as_bytes()).ok()),
            _ => Self::Dpop(None),
        }
    }
}

/// Everything that a request presents.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one request, not a state")]
pub struct Presented {
    /// The kind that decides.
    pub kind: Kind,
    /// The token, for [`Kind::Token`].
    pub token: Option<RawToken>,
    /// How the token was shown.
    pub scheme: TokenScheme,
    /// A password login rides along in parameters, whatever the kind is.
    pub has_password_parameters: bool,
    /// Who logs in by that password, or by the one of [`Kind::Basic`], when it can be read in one way only.
    pub password_user: Option<String>,
    /// There is a cookie.
    pub has_cookie: bool,
    /// The client asks for Confluence's Basic challenge (`os_authType=basic`).
    pub asks_for_challenge: bool,
    /// All six parameters are there with which Confluence's filter looks at an OAuth 1 request.
    pub oauth1_is_complete: bool,
    consumer_keys: Vec<String>,
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Presented {
    /// Looks at headers, query and form. With more than one Authorization header (which is refused elsewhere) the first
    /// decides.
    pub fn of(headers: &HeaderMap, query: Option<&str>, form: Option<&[u8]>) -> Self {
        let mut parameters = query::parse(query.unwrap_or_default().as_bytes());
        let asks_for_challenge =
            parameters.iter().any(|(name, value)| name == "os_authType" && value == "basic");
        parameters.extend(query::parse(form.unwrap_or_default()));
        let has = |wanted: &str| parameters.iter().any(|(name, _)| name == wanted);

        let mut oauth: Vec<Pair> =
            parameters.iter().filter(|(name, _)| name.starts_with("oauth_")).cloned().collect();
        let mut meant = Vec::new();
        for value in headers.get_all(header::AUTHORIZATION) {
            let found = oauth1::header_parameters(value.as_bytes());
            oauth.extend(found.read);
            meant.extend(found.meant);
        }
        let has_cookie = headers.contains_key(header::COOKIE);
        let has_password_parameters = ["os_username", "os_password", "os_cookie"].into_iter().any(has);
        let (kind, token) = match headers.get(header::AUTHORIZATION) {
            Some(value) => of_header(value),
            None if has_password_parameters => (Kind::PasswordParameters, None),
            None if has("oauth_signature") => (Kind::OAuth1, None),
            None if has("jwt") => (Kind::ApplicationLinkJwt, None),
            None if has_cookie => (Kind::Session, None),
            None => (Kind::None, None),
        };
        let mut named = parameters.into_iter().filter(|(name, _)| name == "os_username");
        let password_user = match (headers.get(header::AUTHORIZATION), named.next(), named.next()) {
            (Some(value), None, _) if kind == Kind::Basic && !has_password_parameters => {
                basic::user_name(value.as_bytes())
            }
            (_, Some((_, name)), None) if kind == Kind::PasswordParameters => {
                basic::readable(name.into_bytes())
            }
            _ => None,
        };
        Self {
            kind,
            token,
            scheme: TokenScheme::of(headers),
            has_password_parameters,
            password_user,
            has_cookie,
            asks_for_challenge,
            oauth1_is_complete: oauth1::is_complete(&oauth),
            consumer_keys: oauth
                .into_iter()
                .chain(meant)
                .filter(|(name, _)| name == oauth1::CONSUMER_KEY)
                .map(|(_, value)| value)
                .collect(),
        }
    }

    /// Whether an OAuth 1 consumer of this name speaks, in whatever place and spelling.
    pub fn uses_consumer(&self, key: &str) -> bool {
        self.consumer_keys.iter().any(|used| used == key)
    }
}

fn of_header(value: &HeaderValue) -> (Kind, Option<RawToken>) {
    // Java's trim(): Confluence's own Basic filter trims and ignores case.
    let value = trim(value.as_bytes());
    let end = value.iter().position(|byte| *byte <= b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at(end);
    let scheme = scheme.to_ascii_lowercase();
    match scheme.as_slice() {
        // Anything that starts like Basic is taken for it by one filter or another.
        scheme if scheme.starts_with(b"basic") => (Kind::Basic, None),
        b"oauth" => (Kind::OAuth1, None),
        b"jwt" => (Kind::ApplicationLinkJwt, None),
        // Only a JWT can be bound to a key.
        b"dpop" => match RawToken::parse(rest.strip_prefix(b" ").unwrap_or(rest)) {
            Ok(token) if Shape::of(&token) == Shape::Jwt => (Kind::Token, Some(token)),
            _ => (Kind::MalformedToken, None),
        },
        b"bearer" => of_bearer(rest.strip_prefix(b" ").unwrap_or(rest)),
        _ => (Kind::Other, None),
    }
}

fn of_bearer(credentials: &[u8]) -> (Kind, Option<RawToken>) {
    let Ok(token) = RawToken::parse(credentials) else { return (Kind::MalformedToken, None) };
    match Shape::of(&token) {
        Shape::PersonalAccessToken => (Kind::PersonalAccessToken, None),
        Shape::ConfluenceOAuth2 => (Kind::ConfluenceOAuth2, None),
        Shape::Jwt | Shape::Other => (Kind::Token, Some(token)),
    }
}

fn trim(value: &[u8]) -> &[u8] {
    let start = value.iter().position(|byte| *byte > b' ').unwrap_or(value.len());
    value.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
