//! OAuth 1.0a requests of application links, as the library behind Confluence's filter reads them: only far enough to
//! tell whose consumer key is used and whether the filter will look at the request at all.

use percent_encoding::percent_decode;

use crate::identity::query::Pair;

/// The parameter that names the consumer.
pub const CONSUMER_KEY: &str = "oauth_consumer_key";

/// Without any one of these Confluence's filter lets the request go on as anonymous.
const REQUIRED: [&str; 6] = [
    CONSUMER_KEY,
    "oauth_token",
    "oauth_signature_method",
    "oauth_signature",
    "oauth_timestamp",
    "oauth_nonce",
];

/// Whether all required parameters are there, in whichever place.
pub(super) fn is_complete(parameters: &[Pair]) -> bool {
    REQUIRED.iter().all(|wanted| parameters.iter().any(|(name, _)| name == wanted))
}

/// Parameters of an `Authorization: OAuth …` header; none for another scheme. Commas separate also inside quotes,
/// names and values are decoded.
pub(super) fn header_parameters(value: &[u8]) -> Vec<Pair> {
    let value = super::trim(value);
    let Some((scheme, rest)) = value.split_at_checked(5) else { return Vec::new() };
    if !scheme.eq_ignore_ascii_case(b"oauth") || rest.first().is_some_and(|byte| *byte > b' ') {
        return Vec::new();
    }
    rest.split(|byte| *byte == b',').filter_map(parameter).collect()
}

fn parameter(text: &[u8]) -> Option<Pair> {
    let equals = text.iter().position(|byte| *byte == b'=')?;
    let (name, value) = text.split_at_checked(equals)?;
    let blank_or_quote = |byte: &u8| *byte <= b' ' || *byte == b'"';
    let value = value.get(1..)?;
    let start = value.iter().position(|byte| !blank_or_quote(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank_or_quote(byte)).map_or(start, |at| at + 1);
    Some((decode(name.trim_ascii()), decode(value.get(start..end)?)))
}

fn decode(text: &[u8]) -> String {
    percent_decode(text).decode_utf8_lossy().into_owned()
}
