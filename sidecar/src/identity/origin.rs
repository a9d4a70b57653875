//! Scheme, host and port under which Tomcat believes to be reached: `HttpServletRequest.getRequestURL()` starts with
//! them, and OAuth 1.0a signs that URL. Measured on Tomcat 9.0 and 10.1: with the forwarding headers removed it is the
//! connector's scheme, its `proxyName` or the Host header, its `proxyPort` or the Host's port, RemoteIpValve or not.

use http::{HeaderMap, header};
use restward_crds::sidecar::terms::Scheme;

/// How Tomcat's connector is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `scheme`.
    pub scheme: Scheme,
    /// `proxyName`, where one is set.
    pub proxy_name: Option<String>,
    /// `proxyPort`, where one is set.
    pub proxy_port: Option<u16>,
}

impl Origin {
    /// `scheme://host[:port]` in the normal form of RFC 5849 section 3.4.1.2: lower case, default port left out.
    /// `None`: there is not exactly one usable Host header.
    pub fn base_url(&self, headers: &HeaderMap) -> Option<String> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (host, port) = split_host(hosts.next()?.to_str().ok()?)?;
        if hosts.next().is_some() {
            return None;
        }
        let scheme = self.scheme.as_str();
        let host = self.proxy_name.as_deref().unwrap_or(host).to_ascii_lowercase();
        let default_port = match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        };
        match self.proxy_port.or(port) {
            Some(port) if port != default_port => Some(format!("{scheme}://{host}:{port}")),
            _ => Some(format!("{scheme}://{host}")),
        }
    }

    /// For status: what Confluence knows itself as.
    pub fn describe(&self) -> String {
        let name = self.proxy_name.as_deref().unwrap_or("<Host header>");
        let port = self.proxy_port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{name}{port}", self.scheme.as_str())
    }
}

/// Host and port of a Host header; an IPv6 address keeps its brackets.
fn split_host(value: &str) -> Option<(&str, Option<u16>)> {
    let end_of_address = value.strip_prefix('[').map_or(Some(0), |rest| rest.find(']').map(|at| at + 1))?;
    let (host, port) = match value.get(end_of_address..)?.find(':') {
        Some(colon) => value.split_at_checked(end_of_address + colon)?,
        None => (value, ""),
    };
    let port = match port.strip_prefix(':') {
        None | Some("") => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
    };
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(scheme: Scheme, name: Option<&str>, port: Option<u16>, host: &str) -> Option<String> {
        let origin = Origin { scheme, proxy_name: name.map(ToOwned::to_owned), proxy_port: port };
        origin.base_url(&HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]))
    }

    #[test]
    fn the_url_is_tomcats() {
        use Scheme::{Http, Https};
        let table = [
            (Http, None, None, "Wiki.Example.com", Some("http://wiki.example.com")),
            (Http, None, None, "wiki:80", Some("http://wiki")),
            (Http, None, None, "wiki:8090", Some("http://wiki:8090")),
            (Https, None, None, "wiki:443", Some("https://wiki")),
            (Https, None, None, "wiki:80", Some("https://wiki:80")),
            (Https, None, None, "wiki.", Some("https://wiki.")),
            (Https, Some("Proxy"), None, "wiki:8090", Some("https://proxy:8090")),
            (Https, Some("proxy"), Some(443), "wiki:8090", Some("https://proxy")),
            (Https, Some("proxy"), Some(8443), "wiki", Some("https://proxy:8443")),
            (Http, None, Some(443), "wiki", Some("http://wiki:443")),
            (Http, None, None, "[::1]:8090", Some("http://[::1]:8090")),
            (Http, None, None, "[2001:DB8::1]", Some("http://[2001:db8::1]")),
            (Http, None, None, "wiki:", Some("http://wiki")),
            (Http, None, None, "", None),
            (Http, None, None, ":80", None),
            (Http, None, None, "wiki:+80", None),
            (Http, None, None, "wiki:99999", None),
            (Http, None, None, "[::1", None),
        ];
        for (scheme, name, port, host, want) in table {
            assert_eq!(
                base(scheme, name, port, host).as_deref(),
                want,
                "{scheme:?} {name:?} {port:?} {host}"
            );
        }
    }

    #[test]
    fn two_hosts_are_no_host() {
        let origin = Origin { scheme: Scheme::Http, proxy_name: None, proxy_port: None };
        let mut headers = HeaderMap::new();
        assert_eq!(origin.base_url(&headers), None);
        headers.append(header::HOST, "a".parse().unwrap());
        headers.append(header::HOST, "b".parse().unwrap());
        assert_eq!(origin.base_url(&headers), None);
    }
}
