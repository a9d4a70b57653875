//! No header or parameter that could name a user is left in an asserted request.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use restward_sidecar::{
    credential::{Kind, Presented},
    forward::headers,
    identity::{Outgoing, rewrite, strip},
};

/// Names under which authenticators look for a user, or for a credential. Any other sign in place of the hyphens makes no
/// difference to CGI-like variables, so it makes none here.
const NAMES: &[&str] = &[
    "authorization",
    "cookie",
    "remote-user",
    "x-remote-user",
    "x-forwarded-user",
    "x-auth-request-user",
    "x-ausername",
    "x-webauth-user",
    "x-proxy-user",
    "ssl-client-s-dn",
    "dpop",
];
/// And of families of them.
const FAMILIES: &[&str] = &["x-seraph-trusted-app-", "oidc-claim-"];
const HOP_BY_HOP: &[&str] = &["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// `data` is a query, then one header a line, then perhaps a form behind an empty line.
pub fn check(data: &[u8]) {
    let (head, form) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (data.get(..end).unwrap_or_default(), data.get(end + 2..)),
        None => (data, None),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let query = lines.next().and_then(|line| std::str::from_utf8(line).ok()).map(str::to_owned);
    let mut headers: HeaderMap = lines.filter_map(header).collect();

    headers::remove_hop_by_hop(&mut headers);
    assert!(HOP_BY_HOP.iter().all(|name| !headers.contains_key(*name)));
    // Whatever comes is looked at without a panic, and the kind has a word.
    assert!(!Presented::of(&headers, query.as_deref(), form).kind.as_str().is_empty());

    strip::for_assertion(&mut headers);
    let left: Vec<String> = headers.keys().map(hyphened).collect();
    assert!(left.iter().all(|name| !NAMES.contains(&name.as_str())), "{left:?}");
    assert!(left.iter().all(|name| !FAMILIES.iter().any(|family| name.starts_with(family))), "{left:?}");
    assert!(!strip::is_skipped_by_oauth(&headers), "Confluence's filter would skip it");
    let once = headers.clone();
    strip::for_assertion(&mut headers);
    assert_eq!(once, headers, "nothing is left for a second time");

    let mut outgoing = Outgoing {
        method: Method::POST,
        path: "/rest/api/content".into(),
        query,
        headers,
        form: form.map(<[u8]>::to_vec),
    };
    rewrite::without_users(&mut outgoing, None);
    let rest = Presented::of(&outgoing.headers, outgoing.query.as_deref(), outgoing.form.as_deref());
    assert_eq!(rest.kind, Kind::None, "a credential is left");
    assert!(!rest.has_password_parameters && !rest.oauth1_is_complete);
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
    Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value.trim_ascii()).ok()?))
}

fn hyphened(name: &HeaderName) -> String {
    name.as_str().replace(|sign: char| !sign.is_ascii_alphanumeric(), "-")
}
