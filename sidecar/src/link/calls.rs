//! The REST calls that make and keep an application link, as the sidecar sends them and tells of what comes of them. Pure; the
//! calls themselves are in the contract ([`restward_crds::link`]).

use http::{HeaderValue, Method, header};
use restward_crds::link::{self, Call, NameIsTaken, Refusal};
pub use restward_crds::link::{Consumer, Link, created};

use crate::{identity::Outgoing, loopback::Answer};

/// Why a call came to nothing. Says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No token is mounted.
    #[error(
        "the administrator's token is not there: applicationLink.adminTokenSecretRef must name a Secret of this namespace and a \
         key in it; a pod that was made before that was set needs a restart"
    )]
    NoToken,
    /// It cannot be sent.
    #[error(
        "the administrator's token is not one: the Secret's key must hold a personal access token and nothing else"
    )]
    NotAToken,
    /// It is nobody's.
    #[error(
        "Confluence does not know the administrator's token: it is wrong, expired or revoked; put a new personal access token of \
         a system administrator into the Secret"
    )]
    NotAccepted,
    /// Its owner may not.
    #[error(
        "the owner of the administrator's token is no system administrator of Confluence; put a token of one into the Secret"
    )]
    NotAnAdministrator,
    /// Confluence asks the owner for the password.
    #[error(
        "Confluence asks for a secure administrator session (WebSudo) although a personal access token was sent; make the link by \
         the clicks in status, or switch secure administrator sessions off while the sidecar makes it"
    )]
    WebSudo,
    /// Another link has the name.
    #[error(
        "an application link of that name leads elsewhere; rename it, or set another consumerKey in the policy"
    )]
    NameIsTaken,
    /// Nothing to be read, or nobody answers.
    #[error("{0}")]
    Odd(String),
}

/// A call as a request.
pub fn request(call: Call, context_path: &str, host: HeaderValue) -> Outgoing {
    let mut request = Outgoing::get(format!("{context_path}{}", call.path), host);
    request.method = Method::from_bytes(call.method.as_bytes()).unwrap_or_default();
    if let Some(body) = call.body {
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.form = Some(body.to_string().into_bytes());
    }
    request
}

/// `Authorization` of a personal access token, as it stands in a file.
///
/// # Errors
/// It is none.
pub fn authorization(token: &[u8]) -> Result<HeaderValue, Trouble> {
    let token = token.trim_ascii();
    if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
        return Err(Trouble::NotAToken);
    }
    let mut value = HeaderValue::from_bytes(&[b"Bearer ", token].concat()).map_err(|_| Trouble::NotAToken)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether a call was carried out.
///
/// # Errors
/// It was not; says why.
pub fn done(what: &str, answer: &Answer) -> Result<(), Trouble> {
    let names = answer.headers.keys().map(header::HeaderName::as_str);
    link::done(answer.status.as_u16(), names, &answer.body).map_err(|refusal| match refusal {
        Refusal::NotAccepted => Trouble::NotAccepted,
        Refusal::NotAnAdministrator => Trouble::NotAnAdministrator,
        Refusal::WebSudo => Trouble::WebSudo,
        Refusal::Odd(status) => Trouble::Odd(format!("Confluence answers {status} when it is to {what}")),
    })
}

/// The consumer's link in an answer to [`link::list`].
///
/// # Errors
/// It is no list of links, or another link has the name.
pub fn own(body: &[u8], consumer: &Consumer) -> Result<Option<Link>, Trouble> {
    let links = link::listed(body)
        .ok_or_else(|| Trouble::Odd("Confluence's list of application links cannot be read".into()))?;
    link::own(links, consumer).map_err(|NameIsTaken| Trouble::NameIsTaken)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    #[test]
    fn a_refusal_is_told_with_what_was_to_be_done() {
        let answer = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            Answer { status, headers: HeaderMap::new(), body: body.to_owned().into() }
        };
        assert_eq!(done("list links", &answer(204, "")), Ok(()));
        assert_eq!(done("list links", &answer(401, "requires WebSudo")), Err(Trouble::WebSudo));
        let odd = Trouble::Odd("Confluence answers 500 when it is to list links".into());
        assert_eq!(done("list links", &answer(500, "")), Err(odd));
        assert!(matches!(own(b"<html>", &Consumer::of_policy("k", "u")), Err(Trouble::Odd(_))));
    }

    #[test]
    fn a_token_is_one_word() {
        assert_eq!(authorization(b" MDAw=\n").unwrap(), "Bearer MDAw=");
        assert!(authorization(b"MDAw").unwrap().is_sensitive());
        for text in [&b""[..], b" \n", b"a b", b"a\nb", b"\xc3\xbc"] {
            assert_eq!(authorization(text), Err(Trouble::NotAToken));
        }
    }
}
