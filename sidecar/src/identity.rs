//! Tells Confluence who the user is. One variant a mode, one file each; before any of them runs, everything with which
//! a client could name a user itself is removed.
//!
//! - [`strip`]: headers that could name a user, or change what Tomcat believes about the request
//! - [`query`]: parameters as Tomcat reads them, and written anew so that they can be read in one way only
//! - [`form`]: which bodies are parameters
//! - [`path`]: the path without path parameters
//! - [`rewrite`]: path, query and form without what could name a user
//! - [`origin`]: the URL under which Tomcat believes to be reached
//! - [`keyring`]: the keys that sign
//! - [`oauth1`]: the mode: OAuth 1.0a, two-legged with impersonation
//! - [`user_header`]: the mode: a header that Confluence's authenticator believes

pub mod form;
pub mod keyring;
pub mod oauth1;
pub mod origin;
pub mod path;
pub mod query;
pub mod rewrite;
pub mod signer;
pub mod strip;
pub mod user_header;

use http::{HeaderMap, HeaderValue, Method, header};
use restward_crds::{sidecar::identity::IdentitySettings, text::Username};

pub use keyring::{Key, Keyring};
pub use oauth1::OAuth1;
pub use origin::Origin;
pub use signer::{Signer, SignerError};
pub use user_header::Header;

use crate::{refusal::Deny, time::UnixTime};

/// A request on its way to Confluence. A body that is not a signed form streams beside it.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Method.
    pub method: Method,
    /// Path of the target in origin form, as the client wrote it.
    pub path: String,
    /// Query, without the question mark.
    pub query: Option<String>,
    /// Headers, with exactly one `Host`.
    pub headers: HeaderMap,
    /// The body, if [`form::must_buffer`] says that it is parameters.
    pub form: Option<Vec<u8>>,
}

impl Outgoing {
    /// A GET of the sidecar's own.
    pub fn get(path: impl Into<String>, host: HeaderValue) -> Self {
        let headers = HeaderMap::from_iter([
            (header::HOST, host),
            (header::ACCEPT, HeaderValue::from_static("application/json")),
            (header::USER_AGENT, strip::USER_AGENT),
        ]);
        Self { method: Method::GET, path: path.into(), query: None, headers, form: None }
    }
}

/// How users are named to Confluence.
pub enum Identity {
    /// By OAuth 1.0a signatures of an application link's consumer.
    OAuth1(OAuth1),
    /// By a header that Confluence's authenticator believes.
    Header(Header),
}

impl Identity {
    /// The mode of these settings with its key, if it has one, and the one that is to follow.
    ///
    /// # Errors
    /// A key cannot sign.
    pub fn new(
        settings: &IdentitySettings,
        key_pem: &[u8],
        next_key_pem: Option<&[u8]>,
    ) -> Result<Self, SignerError> {
        match settings {
            IdentitySettings::OAuth1 { consumer_key } => {
                Ok(Self::OAuth1(OAuth1::new(consumer_key.clone(), Keyring::from_pem(key_pem, next_key_pem)?)))
            }
            IdentitySettings::Header { name } => Ok(Self::Header(Header::new(name.clone()))),
        }
    }

    /// Removes with what a client could name a user itself. For every request that is forwarded, asserted or not.
    pub fn strip(&self, headers: &mut HeaderMap) {
        strip::identity_headers(headers);
        match self {
            Self::OAuth1(_) => {}
            Self::Header(mode) => mode.remove(headers),
        }
    }

    /// The keys that sign.
    pub fn keyring(&self) -> Option<&Keyring> {
        match self {
            Self::OAuth1(mode) => Some(mode.keyring()),
            Self::Header(_) => None,
        }
    }

    /// The key that Confluence took last.
    pub fn key(&self) -> Key {
        self.keyring().map_or(Key::Current, Keyring::taken)
    }

    /// Rewrites `request` so that Confluence takes it as `user`'s and as nobody else's.
    ///
    /// # Errors
    /// The request cannot be asserted; it must not be sent.
    pub fn assert(
        &self,
        origin: &Origin,
        user: &Username,
        now: UnixTime,
        request: &mut Outgoing,
    ) -> Result<(), Deny> {
        self.assert_with(self.key(), origin, user, now, request)
    }

    /// The same with this key, where one signs.
    ///
    /// # Errors
    /// The same.
    pub fn assert_with(
        &self,
        key: Key,
        origin: &Origin,
        user: &Username,
        now: UnixTime,
        request: &mut Outgoing,
    ) -> Result<(), Deny> {
        strip::for_assertion(&mut request.headers);
        match self {
            Self::OAuth1(mode) => mode.assert(key, origin, user, now, request),
            Self::Header(mode) => mode.assert(user, request),
        }
    }
}

#[cfg(test)]
mod tests;
