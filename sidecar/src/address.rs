//! The address that a call came from, as far as the policy trusts the proxies in between. Pure.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use restward_crds::sidecar::who::ProxySettings;

/// The caller's address. Entries of `X-Forwarded-For` are read from the end, where the trusted proxies write; what a
/// caller writes in front of them never counts, and what is no address ends the reading.
pub fn of_caller(peer: IpAddr, headers: &HeaderMap, trusted: &ProxySettings) -> IpAddr {
    match trusted {
        ProxySettings::Nobody => peer,
        // A call that passed fewer proxies than all of them is nobody else's than its peer's.
        ProxySettings::Hops(hops) => from_the_end(headers).nth(hops - 1).flatten().unwrap_or(peer),
        ProxySettings::Cidrs { cidrs, .. } => {
            let is_proxy = |address: IpAddr| cidrs.iter().any(|cidr| cidr.contains(address));
            let mut nearest = peer;
            for entry in from_the_end(headers) {
                match entry {
                    Some(address) if is_proxy(nearest) => nearest = address,
                    _ => break,
                }
            }
            nearest
        }
    }
}

/// The entries of all `X-Forwarded-For` headers, the last first; `None` for what is no address.
fn from_the_end(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let entries = lines.into_iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    entries.map(address)
}

/// An address, perhaps with a port, as some proxies write it.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    parsed.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(peer: &str, lines: &[&'static str], trusted: &ProxySettings) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        of_caller(peer.parse().unwrap(), &headers, trusted).to_string()
    }

    fn cidrs(list: &[&str]) -> ProxySettings {
        ProxySettings::Cidrs {
            cidrs: list.iter().map(|cidr| cidr.parse().unwrap()).collect(),
            client_certificate_header: None,
        }
    }

    #[test]
    fn nobody_is_believed_by_default() {
        assert_eq!(caller("192.0.2.1", &["10.0.0.1"], &ProxySettings::Nobody), "192.0.2.1");
    }

    #[test]
    fn proxies_are_believed_as_far_as_they_reach() {
        let trusted = cidrs(&["10.0.0.0/8", "2001:db8::/32"]);
        for (peer, lines, want) in [
            ("10.0.0.1", &["198.51.100.7"][..], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("2001:db8::1", &["[2001:db9::7]:443"], "2001:db9::7"),
            ("10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            // The peer is no proxy: it says of itself what it likes.
            ("198.51.100.9", &["10.0.0.1"], "198.51.100.9"),
            // What is no address ends the reading at the last one known.
            ("10.0.0.1", &["198.51.100.7, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7,"], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ] {
            assert_eq!(caller(peer, lines, &trusted), want, "{peer} {lines:?}");
        }
    }

    #[test]
    fn hops_are_counted_from_the_end() {
        for (hops, lines, want) in [
            (1, &["1.1.1.1, 198.51.100.7"][..], "198.51.100.7"),
            (2, &["1.1.1.1, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            (2, &["198.51.100.7"], "192.0.2.1"),
            (1, &["x"], "192.0.2.1"),
            (1, &[], "192.0.2.1"),
        ] {
            assert_eq!(caller("192.0.2.1", lines, &ProxySettings::Hops(hops)), want, "{hops} {lines:?}");
        }
    }
}
