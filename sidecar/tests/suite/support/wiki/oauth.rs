//! OAuth 1.0a from the other side: verifies what the sidecar signed, written from RFC 5849 and without its code.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use openssl::{hash::MessageDigest, sign::Verifier};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

use super::{super::keys, Arrived};

pub(crate) type Pairs = Vec<(String, String)>;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a good signature says.
pub(crate) struct Verified {
    pub(crate) user: String,
    pub(crate) nonce: String,
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

pub(crate) fn decode_pairs(text: &[u8]) -> Pairs {
    let decode =
        |part: &str| percent_decode(part.replace('+', " ").as_bytes()).decode_utf8_lossy().into_owned();
    let text = String::from_utf8_lossy(text);
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// The signature of a two-legged request with impersonation, under `http://<Host>`.
pub(crate) fn verify(arrived: &Arrived, key: &keys::Key) -> Option<Verified> {
    let header: Pairs = arrived
        .header("authorization")?
        .strip_prefix("OAuth ")?
        .split(',')
        .filter_map(|part| part.trim().split_once('='))
        .map(|(name, value)| {
            let value = value.trim_matches('"');
            (name.to_owned(), percent_decode(value.as_bytes()).decode_utf8_lossy().into_owned())
        })
        .collect();
    let of_header =
        |wanted: &str| header.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let mut parameters = decode_pairs(arrived.query().as_bytes());
    let is_form = arrived
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if arrived.method == "POST" && is_form {
        parameters.extend(decode_pairs(&arrived.body));
    }
    let user = parameters.iter().find(|(name, _)| name == "xoauth_requestor_id")?.1.clone();
    parameters
        .extend(header.iter().filter(|(name, _)| name != "realm" && name != "oauth_signature").cloned());
    let mut encoded: Pairs = parameters.iter().map(|(name, value)| (encode(name), encode(value))).collect();
    encoded.sort();
    let normal: Vec<String> = encoded.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let url = format!(
        "http://{}{}",
        arrived.header("host")?.to_lowercase().trim_end_matches(":80"),
        arrived.path()
    );
    let base = format!("{}&{}&{}", arrived.method, encode(&url), encode(&normal.join("&")));
    let signature = BASE64_STANDARD.decode(of_header("oauth_signature")?).ok()?;
    let key = keys::public(key);
    let mut verifier = Verifier::new(MessageDigest::sha1(), &key).ok()?;
    let is_good = verifier.verify_oneshot(&signature, base.as_bytes()).ok()?
        && of_header("oauth_token")?.is_empty()
        && of_header("oauth_consumer_key")? == super::super::CONSUMER;
    is_good.then_some(Verified { user, nonce: of_header("oauth_nonce")? })
}
