//! Headers that concern one connection only, and those that the sidecar adds to every request.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Hop-by-hop by definition (RFC 9110 section 7.6.1), and what only makes sense together with them.
static HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// Never removed because a client's `Connection` says so: the request would become another one.
const KEPT: &[&str] = &["host", "content-length", "content-type"];

/// Removes what concerns one connection. Runs before anything is decided, so that a request is judged by what would be
/// forwarded of it (CVE-2021-32813 and its kin).
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| !KEPT.contains(&name.as_str()))
        .collect();
    for name in listed {
        headers.remove(name);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Appends the peer to `X-Forwarded-For`, as the ingress did before for Tomcat's RemoteIpValve.
pub fn append_peer(headers: &mut HeaderMap, peer: IpAddr) {
    let name = HeaderName::from_static("x-forwarded-for");
    let mut chain: Vec<u8> = Vec::new();
    for value in headers.get_all(&name) {
        chain.extend_from_slice(value.as_bytes());
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(peer.to_string().as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&chain) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn what_concerns_one_connection_goes() {
        let mut map = headers(&[
            ("Connection", "close, X-Mine ,authorization"),
            ("Connection", "host, content-length"),
            ("X-Mine", "1"),
            ("Authorization", "OAuth x"),
            ("Host", "wiki"),
            ("Content-Length", "3"),
            ("Transfer-Encoding", "chunked"),
            ("TE", "trailers"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "x"),
            ("Proxy-Authorization", "Basic x"),
            ("Cookie", "a=b"),
        ]);
        remove_hop_by_hop(&mut map);
        let mut left: Vec<&str> = map.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "cookie", "host"]);
    }

    #[test]
    fn the_peer_is_appended_to_one_line() {
        let mut map = headers(&[("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-For", "10.0.0.1")]);
        append_peer(&mut map, "192.0.2.9".parse().unwrap());
        let values: Vec<_> = map.get_all("x-forwarded-for").iter().collect();
        assert_eq!(values, ["203.0.113.7, 10.0.0.1, 192.0.2.9"]);
    }
}
