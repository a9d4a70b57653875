//! The sidecar as a client of the identity provider.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::HeaderValue;
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use crate::auth::RawToken;

/// Form parameter of RFC 7521 section 4.2 for a JWT (RFC 7523 section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The sidecar's client id, and how it shows that it is that client.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    id: String,
    proof: Proof,
}

#[derive(Clone, PartialEq, Eq)]
enum Proof {
    /// `Authorization` of method `client_secret_basic`.
    Basic(HeaderValue),
    /// The `client_assertion` of RFC 7521.
    Assertion(RawToken),
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}

impl Client {
    /// From the two files of a Secret; a line end behind either is no part of it.
    ///
    /// # Errors
    /// One is empty or no text.
    pub fn by_secret(id: &[u8], secret: &[u8]) -> Result<Self, String> {
        let text = |bytes: &[u8], what: &str| {
            let text = std::str::from_utf8(bytes).unwrap_or_default().trim_end_matches(['\r', '\n']);
            if text.is_empty() { Err(format!("{what} is empty or not text")) } else { Ok(text.to_owned()) }
        };
        let (id, secret) = (text(id, "client-id")?, Zeroizing::new(text(secret, "client-secret")?));
        // RFC 6749 section 2.3.1: both are form-encoded first.
        let encoded = |text: &str| Zeroizing::new(byte_serialize(text.as_bytes()).collect::<String>());
        let pair = Zeroizing::new(format!("{}:{}", *encoded(&id), *encoded(&secret)));
        let pair = Zeroizing::new(BASE64_STANDARD.encode(pair.as_bytes()));
        let mut header = HeaderValue::try_from(format!("Basic {}", *pair))
            .map_err(|_| "client-id is too long".to_owned())?;
        header.set_sensitive(true);
        Ok(Self { id, proof: Proof::Basic(header) })
    }

    /// The client of this id, by the token of the pod's ServiceAccount.
    ///
    /// # Errors
    /// The file holds no token.
    pub fn by_assertion(id: &str, token: &[u8]) -> Result<Self, String> {
        let token =
            RawToken::parse(token.trim_ascii()).map_err(|_| "client-assertion is no token".to_owned())?;
        Ok(Self { id: id.to_owned(), proof: Proof::Assertion(token) })
    }

    /// The client id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The form and the `Authorization` of a request by this client, which consists of these parameters.
    pub fn request(&self, parameters: &[(&str, &str)]) -> (String, Option<HeaderValue>) {
        let mut form = Serializer::new(String::new());
        form.extend_pairs(parameters);
        let authorization = match &self.proof {
            Proof::Basic(header) => Some(header.clone()),
            Proof::Assertion(token) => {
                form.append_pair("client_id", &self.id)
                    .append_pair("client_assertion_type", JWT_BEARER)
                    .append_pair("client_assertion", token.as_str());
                None
            }
        };
        (form.finish(), authorization)
    }
}

/// The client as its files show it, and as they showed it before, until the provider has taken it as it is now: files and
/// provider hear of a new secret one after the other.
pub struct Credentials {
    now: Client,
    before: Mutex<Option<Client>>,
}

impl Credentials {
    /// Of `now`, after `previous`.
    pub fn new(now: Client, previous: Option<&Self>) -> Self {
        let before = previous.and_then(|previous| {
            let other = || Some(&previous.now).filter(|other| **other != now).cloned();
            previous.before().or_else(other)
        });
        // Another client may be told other things.
        let before = before.filter(|before| before.id == now.id && *before != now);
        Self { now, before: Mutex::new(before) }
    }

    /// As it is now.
    pub const fn now(&self) -> &Client {
        &self.now
    }

    /// As it was before.
    pub fn before(&self) -> Option<Client> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The provider has taken it as it is now.
    pub fn taken(&self) {
        *self.before.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_are_encoded_before_they_are_joined() {
        let client = Client::by_secret(b"wiki:gate\n", "p%s w+\u{fc}\r\n".as_bytes()).unwrap();
        assert_eq!(client.id(), "wiki:gate");
        let (form, header) = client.request(&[("token", "a b")]);
        assert_eq!(form, "token=a+b");
        let header = header.unwrap();
        let pair = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
        let pair = String::from_utf8(BASE64_STANDARD.decode(pair).unwrap()).unwrap();
        assert_eq!(pair, "wiki%3Agate:p%25s+w%2B%C3%BC");
        assert!(header.is_sensitive());
        assert_eq!(format!("{client:?}"), "Client(..)");
    }

    #[test]
    fn half_a_credential_is_none() {
        for (id, secret) in [(&b""[..], &b"s"[..]), (b"i", b""), (b"\n", b"s"), (b"i", b"\xff")] {
            assert!(Client::by_secret(id, secret).is_err(), "{id:?} {secret:?}");
        }
    }
    #[test]
    fn an_assertion_stands_in_the_form() {
        let client = Client::by_assertion("wiki gate", b"e30.e30.AA\n").unwrap();
        let (form, authorization) = client.request(&[("token", "x")]);
        assert_eq!(authorization, None);
        let type_ = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        assert_eq!(
            form,
            format!("token=x&client_id=wiki+gate&client_assertion_type={type_}&client_assertion=e30.e30.AA")
        );
        assert_eq!(format!("{client:?}"), "Client(..)");
        for token in [&b""[..], b"a b", b"\xff"] {
            assert!(Client::by_assertion("wiki", token).is_err(), "{token:?}");
        }
    }

    #[test]
    fn the_secret_from_before_counts_until_the_new_one_was_taken() {
        let client = |id: &str, secret: &str| Client::by_secret(id.as_bytes(), secret.as_bytes()).unwrap();
        let a = Credentials::new(client("gate", "a"), None);
        assert!(a.before().is_none());
        assert!(Credentials::new(client("gate", "a"), Some(&a)).before().is_none(), "it is the same");
        let b = Credentials::new(client("gate", "b"), Some(&a));
        assert_eq!(b.before(), Some(client("gate", "a")));
        let again = Credentials::new(client("gate", "b"), Some(&b));
        assert_eq!(again.before(), Some(client("gate", "a")), "something else has changed");
        let c = Credentials::new(client("gate", "c"), Some(&b));
        assert_eq!(c.before(), Some(client("gate", "a")), "b was never taken");
        assert!(Credentials::new(client("gate", "a"), Some(&b)).before().is_none(), "it was put back");
        b.taken();
        assert!(b.before().is_none());
        let c = Credentials::new(client("gate", "c"), Some(&b));
        assert_eq!(c.before(), Some(client("gate", "b")));
        assert!(Credentials::new(client("other", "c"), Some(&b)).before().is_none());
    }
}
