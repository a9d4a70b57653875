//! How users are named to Confluence: as the operator writes it, and parsed.

use serde::{Deserialize, Serialize};

use super::{parse::Errors, who::ProxySettings};
use crate::text::UserHeader;

/// How the user is named to Confluence: one variant a mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Identity {
    /// OAuth 1.0a, two-legged with impersonation, over an incoming application link.
    Oauth1(OAuth1Identity),
    /// A header that Confluence's authenticator believes.
    Header(HeaderIdentity),
}

/// The consumer of the application link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OAuth1Identity {
    /// Consumer key of the application link.
    pub consumer_key: String,
}

/// The header that names the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HeaderIdentity {
    /// Name of the header.
    pub name: String,
}

/// [`Identity`], parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySettings {
    /// OAuth 1.0a, two-legged with impersonation.
    OAuth1 {
        /// Consumer key of the application link; reserved for the sidecar.
        consumer_key: String,
    },
    /// A header that Confluence's authenticator believes.
    Header {
        /// Its name.
        name: UserHeader,
    },
}

impl IdentitySettings {
    pub(super) fn parse(written: Identity, proxies: &ProxySettings, errors: &mut Errors) -> Option<Self> {
        match written {
            Identity::Oauth1(OAuth1Identity { consumer_key }) => {
                let is_key = (1..=255).contains(&consumer_key.len())
                    && consumer_key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
                errors.require(
                    is_key,
                    "upstream.identity.oauth1.consumerKey",
                    "has 1 to 255 characters of A-Z a-z 0-9 - . _",
                );
                is_key.then_some(Self::OAuth1 { consumer_key })
            }
            Identity::Header(HeaderIdentity { name }) => {
                const FIELD: &str = "upstream.identity.header.name";
                let name: UserHeader = errors.text(FIELD.to_owned(), &name)?;
                let is_certificate = matches!(proxies,
                    ProxySettings::Cidrs { client_certificate_header: Some(other), .. } if name.is_spelled(other));
                errors.require(!is_certificate, FIELD, "is trustedProxies.clientCertificateHeader already");
                (!is_certificate).then_some(Self::Header { name })
            }
        }
    }

    /// The consumer key that nobody may use from outside, where there is one.
    pub fn reserved_consumer(&self) -> Option<&str> {
        match self {
            Self::OAuth1 { consumer_key } => Some(consumer_key),
            Self::Header { .. } => None,
        }
    }
}
