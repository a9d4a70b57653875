//! Addresses that are never asked for keys, whatever the policy says: the metadata services of clouds, which hand out
//! credentials to whoever asks from inside. Checked after name resolution, on the address that is dialled.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Whether this address may be dialled.
pub fn is_allowed(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_allowed_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4() {
            // ::a.b.c.d and ::ffff:a.b.c.d mean an IPv4 address; ::1 is loopback and stays what it is.
            Some(v4) if v6 != Ipv6Addr::LOCALHOST => is_allowed_v4(v4),
            _ => is_allowed_v6(v6),
        },
    }
}

fn is_allowed_v4(v4: Ipv4Addr) -> bool {
    /// Alibaba Cloud; Oracle Cloud.
    const METADATA: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];
    // Link-local holds 169.254.169.254 of AWS, Azure and Google.
    !(v4.is_link_local()
        || v4.is_unspecified()
        || v4.is_multicast()
        || v4.is_broadcast()
        || METADATA.contains(&v4))
}

fn is_allowed_v6(v6: Ipv6Addr) -> bool {
    const AWS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    !(v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_multicast() || v6 == AWS)
}

/// Whether the URL names no forbidden address literally. (Such a URL is dialled without asking a resolver.)
pub fn is_allowed_url(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(v4)) => is_allowed(v4.into()),
        Some(Host::Ipv6(v6)) => is_allowed(v6.into()),
        Some(Host::Domain(_)) => true,
        None => false,
    }
}

/// The system's resolver without the forbidden addresses.
pub struct GuardedResolver;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| is_allowed(address.ip())).collect();
            if allowed.is_empty() {
                return Err("the name leads to no address that may be asked".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_services_are_out_of_reach() {
        let table = [
            ("10.0.0.1", true),
            ("127.0.0.1", true),
            ("::1", true),
            ("2001:db8::1", true),
            ("fd00::1", true),
            ("169.254.169.254", false),
            ("::ffff:169.254.169.254", false),
            ("::169.254.169.254", false),
            ("fe80::1", false),
            ("fd00:ec2::254", false),
            ("100.100.100.200", false),
            ("192.0.0.192", false),
            ("0.0.0.0", false),
            ("::", false),
            ("255.255.255.255", false),
            ("224.0.0.1", false),
        ];
        for (address, want) in table {
            assert_eq!(is_allowed(address.parse().unwrap()), want, "{address}");
        }
    }

    #[test]
    fn also_when_the_address_is_spelled_oddly() {
        for url in [
            "http://169.254.169.254/",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://[::ffff:a9fe:a9fe]/",
        ] {
            assert!(!is_allowed_url(&Url::parse(url).unwrap()), "{url}");
        }
        assert!(is_allowed_url(&Url::parse("http://kc.svc:8080/").unwrap()));
    }
}
