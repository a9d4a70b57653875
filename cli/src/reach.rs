//! How a server is reached over the network: whom to trust, and where a host is.

use std::{net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use reqwest::{Certificate, Client, redirect};

use crate::failure::{Failure, chain};

const DEADLINE: Duration = Duration::from_secs(30);

/// How a server is reached.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Reach {
    /// The file with the certificate authorities (PEM) of the server. Default: those of the policy for its realm, else the public ones
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Where a host is, as curl's: HOST:PORT:ADDRESS, or HOST:PORT:ADDRESS:PORT for another port there; may be repeated
    #[arg(long, value_name = "HOST:PORT:ADDRESS[:PORT]")]
    resolve: Vec<Resolve>,
}

impl Reach {
    /// A client that follows no redirects. `ca` are the only authorities that are trusted, where no file is given.
    pub(crate) fn client(&self, ca: Option<&[u8]>) -> Result<Client, Failure> {
        let unusable = |error: &dyn std::error::Error| {
            let fix = "give PEM certificates by --ca-file, or correct the policy's";
            Failure::new("use the certificate authorities", chain(error), fix)
        };
        let file = self.ca_file.as_ref().map(std::fs::read).transpose().map_err(|error| unusable(&error))?;
        let mut builder = Client::builder().redirect(redirect::Policy::none()).timeout(DEADLINE);
        if let Some(pem) = file.as_deref().or(ca) {
            builder =
                builder.tls_certs_only(Certificate::from_pem_bundle(pem).map_err(|error| unusable(&error))?);
        }
        for Resolve { host, address } in &self.resolve {
            builder = builder.resolve(host, *address);
        }
        builder.build().map_err(|error| unusable(&error))
    }
}

/// Where a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Resolve {
    host: String,
    address: SocketAddr,
}

impl FromStr for Resolve {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "write HOST:PORT:ADDRESS or HOST:PORT:ADDRESS:PORT, an IPv6 address in brackets".to_owned();
        let (host, rest) = text.split_once(':').ok_or_else(wrong)?;
        let (port, there) = rest.split_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().map_err(|_| wrong())?;
        let bare = there.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(there);
        let address = bare
            .parse()
            .map(|ip| SocketAddr::new(ip, port))
            .or_else(|_| there.parse())
            .map_err(|_| wrong())?;
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Self { host: host.into(), address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_resolved_as_for_curl() {
        let address = |text: &str| text.parse::<Resolve>().map(|it| (it.host, it.address.to_string()));
        let found = |host: &str, address: &str| Ok((host.to_owned(), address.to_owned()));
        assert_eq!(address("sso.example.test:443:10.0.0.1"), found("sso.example.test", "10.0.0.1:443"));
        assert_eq!(address("sso.example.test:443:10.0.0.1:8443"), found("sso.example.test", "10.0.0.1:8443"));
        assert_eq!(address("sso:443:[::1]"), found("sso", "[::1]:443"));
        assert_eq!(address("sso:443:[::1]:8443"), found("sso", "[::1]:8443"));
        for text in ["", "sso", "sso:443", "sso:x:10.0.0.1", "sso:443:name", ":443:10.0.0.1"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
