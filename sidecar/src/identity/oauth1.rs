//! OAuth 1.0a, two-legged with impersonation: the one stock mechanism that lets Confluence take any user name. What it
//! takes, as measured on Tomcat with the library behind Confluence's provider:
//!
//! - `oauth_token` is present and empty, or the request goes on as anonymous, even with a good signature;
//! - the user is the **first** parameter `xoauth_requestor_id` of query and form, so a client's copies are removed,
//!   after decoding names as Tomcat does, and ours stands first in the query;
//! - the signature covers the URL as Tomcat sees it with its path undecoded, and every parameter of query and form.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue, header};
use restward_crds::{reason::Reason, text::Username};

use super::{
    Key, Keyring, Origin, Outgoing,
    query::{Pair, encode},
    rewrite,
};
use crate::{random, refusal::Deny, time::UnixTime};

/// The parameter that names the user.
const REQUESTOR: &str = "xoauth_requestor_id";

/// A consumer with its keys.
pub struct OAuth1 {
    consumer_key: String,
    keyring: Keyring,
}

impl OAuth1 {
    /// The consumer of this name.
    pub fn new(consumer_key: String, keyring: Keyring) -> Self {
        Self { consumer_key, keyring }
    }

    /// Its keys.
    pub(super) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Names `user` in the request and signs it.
    pub(super) fn assert(
        &self,
        key: Key,
        origin: &Origin,
        user: &Username,
        now: UnixTime,
        request: &mut Outgoing,
    ) -> Result<(), Deny> {
        let base_url = origin.base_url(&request.headers).ok_or(Reason::MalformedRequest)?;
        let requestor = (REQUESTOR.to_owned(), user.as_str().to_owned());
        let mut parameters = rewrite::without_users(request, Some(requestor));
        // Never sent twice: Confluence remembers each.
        let nonce = random::hex_128().ok_or(Reason::UpstreamRejected)?;
        let protocol = protocol_parameters(&self.consumer_key, now, &nonce);
        let url = format!("{base_url}{}", request.path);
        parameters.extend_from_slice(&protocol);
        let base_string = signature_base_string(request.method.as_str(), &url, &parameters);
        let signature =
            self.keyring.signer(key).sign(base_string.as_bytes()).map_err(|_| Reason::UpstreamRejected)?;
        let value = authorization(&protocol, &BASE64_STANDARD.encode(signature));
        let mut value = HeaderValue::try_from(value).map_err(|_| Reason::UpstreamRejected)?;
        value.set_sensitive(true);
        request.headers.insert(header::AUTHORIZATION, value);
        Ok(())
    }
}

fn protocol_parameters(consumer_key: &str, now: UnixTime, nonce: &str) -> Vec<Pair> {
    [
        ("oauth_consumer_key", consumer_key),
        ("oauth_token", ""),
        ("oauth_signature_method", "RSA-SHA1"),
        ("oauth_timestamp", &now.secs().to_string()),
        ("oauth_nonce", nonce),
        ("oauth_version", "1.0"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// RFC 5849 section 3.4.1: method, URL and all parameters, sorted by their encoded names and values.
pub fn signature_base_string(method: &str, url: &str, parameters: &[Pair]) -> String {
    let mut encoded: Vec<(String, String)> =
        parameters.iter().map(|(name, value)| (encode(name), encode(value))).collect();
    encoded.sort();
    let normalised: Vec<String> =
        encoded.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{}&{}&{}", encode(method), encode(url), encode(&normalised.join("&")))
}

fn authorization(protocol: &[Pair], signature: &str) -> String {
    let fields: Vec<String> =
        protocol.iter().map(|(name, value)| format!("{name}=\"{}\"", encode(value))).collect();
    format!("OAuth realm=\"\", {}, oauth_signature=\"{}\"", fields.join(", "), encode(signature))
}

/// Changes the signature in an asserted request, so that calibration can see whether Confluence looks at it. `None`: it has
/// none.
pub fn damage(headers: &mut HeaderMap) -> Option<()> {
    const START: &str = "oauth_signature=\"";
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (before, signature) = value.split_at_checked(value.find(START)? + START.len())?;
    // The first character is never part of an escape unless the signature starts with `+` or `/`.
    let first = signature.chars().next()?;
    let (other, rest) = match first {
        '%' => ("A", signature.get(3..)?),
        'A' => ("B", signature.get(1..)?),
        _ => ("A", signature.get(1..)?),
    };
    let mut damaged = HeaderValue::try_from(format!("{before}{other}{rest}")).ok()?;
    damaged.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, damaged);
    Some(())
}

#[cfg(test)]
mod tests;
