//! Which addresses the operator asks: none that mean the machine itself or its cloud's metadata service.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Decides about addresses, after name resolution, so that a name cannot smuggle one in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// For clusters: neither link-local nor loopback.
    Strict,
    /// For a Keycloak on the same machine: loopback too.
    AllowLoopback,
}

/// Metadata service of one large cloud under IPv6; the others use link-local addresses.
const METADATA_V6: &str = "fd00:ec2::254";

impl Guard {
    fn admits(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let link_local = match address {
            IpAddr::V4(v4) => v4.is_link_local() || v4.octets()[0] == 0 || v4 == Ipv4Addr::BROADCAST,
            IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.to_string() == METADATA_V6,
        };
        let loopback = address.is_loopback() && self == Self::Strict;
        !link_local && !loopback && !address.is_unspecified() && !address.is_multicast()
    }

    /// Whether the URL's host may be asked. A name may: what it resolves to is looked at later.
    pub fn admits_host(self, url: &Url) -> bool {
        match url.host() {
            Some(Host::Ipv4(address)) => self.admits(address.into()),
            Some(Host::Ipv6(address)) => self.admits(address.into()),
            Some(Host::Domain(_)) => true,
            None => false,
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let admitted: Vec<SocketAddr> =
                found.iter().copied().filter(|found| guard.admits(found.ip())).collect();
            if admitted.is_empty() {
                return Err("the name resolves to link-local or loopback addresses only".into());
            }
            let admitted: Addrs = Box::new(admitted.into_iter());
            Ok(admitted)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_the_machine_nor_its_metadata_service_is_asked() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "::1",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!Guard::Strict.admits(address.parse().unwrap()), "{address}");
        }
        for address in ["10.0.0.1", "192.0.2.1", "2001:db8::1", "fd12::1"] {
            assert!(Guard::Strict.admits(address.parse().unwrap()), "{address}");
        }
        assert!(Guard::AllowLoopback.admits("127.0.0.1".parse().unwrap()));
        assert!(!Guard::AllowLoopback.admits("169.254.169.254".parse().unwrap()));
    }

    #[test]
    fn literal_addresses_in_urls_are_looked_at_in_every_spelling() {
        for url in
            ["http://169.254.169.254/", "http://2130706433/", "http://0x7f.1/", "http://[::ffff:7f00:1]/"]
        {
            assert!(!Guard::Strict.admits_host(&url.parse().unwrap()), "{url}");
        }
        assert!(Guard::Strict.admits_host(&"https://sso.example.com/".parse().unwrap()));
    }
}
