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

/// Parameters of an `Authorization: OAuth …` header.
#[derive(Debug, Default)]
pub(super) struct HeaderParameters {
    /// Those that the library reads.
    pub(super) read: Vec<Pair>,
    /// All that could be meant by a pair, for the search for a consumer key that must not be used.
    pub(super) meant: Vec<Pair>,
}

/// Reads a header; there is nothing to read in one of another scheme. As in the library, commas separate also inside
/// quotes, names and values are escaped, and a pair whose value is not quoted is none: taking it for one would let a
/// request pass that Confluence then treats as anonymous.
pub(super) fn header_parameters(value: &[u8]) -> HeaderParameters {
    let value = super::trim(value);
    let Some((scheme, rest)) = value.split_at_checked(5) else { return HeaderParameters::default() };
    if !scheme.eq_ignore_ascii_case(b"oauth") || rest.first().is_some_and(|byte| *byte > b' ') {
        return HeaderParameters::default();
    }
    let parts = || rest.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    HeaderParameters {
        read: parts().filter_map(quoted).collect(),
        meant: parts().filter_map(lenient).collect(),
    }
}

/// A pair as the library matches it: `(\S*)\s*=\s*"([^"]*)"`.
fn quoted(text: &[u8]) -> Option<Pair> {
    let inner = text.strip_suffix(b"\"")?;
    let quote = inner.iter().rposition(|byte| *byte == b'"')?;
    let (name, value) = (inner.get(..quote)?.trim_ascii_end(), inner.get(quote + 1..)?);
    let name = name.strip_suffix(b"=")?.trim_ascii_end();
    let is_one_word = !name.iter().any(u8::is_ascii_whitespace);
    (is_one_word && escapes_are_valid(name) && escapes_are_valid(value))
        .then(|| (decode(name), decode(value)))
}

/// A broken escape makes the library give up on the whole request.
fn escapes_are_valid(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'%')
        .skip(1)
        .all(|tail| tail.iter().take(2).filter(|byte| byte.is_ascii_hexdigit()).count() == 2)
}

/// A pair with or without quotes.
fn lenient(text: &[u8]) -> Option<Pair> {
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
