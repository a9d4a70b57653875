//! The sidecar as a client of the identity provider.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::HeaderValue;
use url::form_urlencoded::byte_serialize;

/// Client id and secret, from the mounted Secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret {
    id: String,
    header: HeaderValue,
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

impl ClientSecret {
    /// From the two files; a line end behind either is no part of it.
    ///
    /// # Errors
    /// One is empty or no text.
    pub fn new(id: &[u8], secret: &[u8]) -> Result<Self, String> {
        let text = |bytes: &[u8], what: &str| {
            let text = String::from_utf8(bytes.to_vec()).unwrap_or_default();
            let text = text.trim_end_matches(['\r', '\n']).to_owned();
            if text.is_empty() { Err(format!("{what} is empty or not text")) } else { Ok(text) }
        };
        let (id, secret) = (text(id, "client-id")?, text(secret, "client-secret")?);
        // RFC 6749 section 2.3.1: both are form-encoded first.
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = BASE64_STANDARD.encode(format!("{}:{}", encoded(&id), encoded(&secret)));
        let mut header =
            HeaderValue::try_from(format!("Basic {pair}")).map_err(|_| "client-id is too long".to_owned())?;
        header.set_sensitive(true);
        Ok(Self { id, header })
    }

    /// The client id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `Authorization` of method `client_secret_basic`.
    pub fn authorization(&self) -> HeaderValue {
        self.header.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_are_encoded_before_they_are_joined() {
        let client = ClientSecret::new(b"wiki:gate\n", "p%s w+\u{fc}\r\n".as_bytes()).unwrap();
        assert_eq!(client.id(), "wiki:gate");
        let header = client.authorization();
        let pair = header.to_str().unwrap().strip_prefix("Basic ").unwrap();
        let pair = String::from_utf8(BASE64_STANDARD.decode(pair).unwrap()).unwrap();
        assert_eq!(pair, "wiki%3Agate:p%25s+w%2B%C3%BC");
        assert!(header.is_sensitive());
        assert_eq!(format!("{client:?}"), "ClientSecret(..)");
    }

    #[test]
    fn half_a_credential_is_none() {
        for (id, secret) in [(&b""[..], &b"s"[..]), (b"i", b""), (b"\n", b"s"), (b"i", b"\xff")] {
            assert!(ClientSecret::new(id, secret).is_err(), "{id:?} {secret:?}");
        }
    }
}
