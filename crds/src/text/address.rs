//! Where identity providers are: URLs that carry nothing but an address.

use std::str::FromStr;

use url::Url;

use super::{TextError, refuse};

/// Base URL of a Keycloak: what stands in front of `/realms/`. A bare host name means `https`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeycloakBase(Url);

impl KeycloakBase {
    /// The URL, without a trailing slash.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// Whether the connection is not encrypted.
    pub fn is_plain_http(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// Whether there is a path behind host and port.
    pub fn has_path(&self) -> bool {
        self.0.path() != "/"
    }

    /// The same host and port with another path.
    pub fn with_path(&self, path: &str) -> Option<Self> {
        let mut url = self.0.clone();
        url.set_path(path);
        url.as_str().parse().ok()
    }

    /// The URLs at which the realm may be: as given, and, when no path was given, below the `/auth` of Keycloak up to 16.
    pub fn realm_urls(&self, realm: &str) -> Vec<Url> {
        let prefixes: &[&[&str]] = if self.has_path() { &[&[]] } else { &[&[], &["auth"]] };
        prefixes
            .iter()
            .map(|prefix| {
                let mut url = self.0.clone();
                if let Ok(mut path) = url.path_segments_mut() {
                    path.pop_if_empty().extend(*prefix).push("realms").push(realm);
                }
                url
            })
            .collect()
    }
}

impl FromStr for KeycloakBase {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        http_url(&full).map(Self)
    }
}

/// Scheme, host and port of the address under which pods reach the identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority(Url);

impl Authority {
    /// Scheme, host and, where it is not the scheme's own, port.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// `url` with this scheme, host and port, its path kept.
    pub fn replace_in(&self, url: &Url) -> Url {
        let mut replaced = self.0.clone();
        replaced.set_path(url.path());
        replaced.set_query(url.query());
        replaced
    }
}

impl FromStr for Authority {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let url = http_url(text)?;
        if url.path() != "/" {
            return refuse(
                "must be scheme, host and port only, without a path, such as https://keycloak.sso.svc:8443",
            );
        }
        Ok(Self(url))
    }
}

fn http_url(text: &str) -> Result<Url, TextError> {
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return refuse(format!("is not a URL: {error}")),
    };
    if !matches!(url.scheme(), "https" | "http") {
        return refuse("must start with https:// or http://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("must not contain a user name or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("must not contain a query or a fragment");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keycloak_host_becomes_realm_urls() {
        let table: &[(&str, &[&str])] = &[
            (
                "sso.example.com",
                &["https://sso.example.com/realms/r", "https://sso.example.com/auth/realms/r"],
            ),
            (
                "https://sso.example.com/",
                &["https://sso.example.com/realms/r", "https://sso.example.com/auth/realms/r"],
            ),
            ("https://sso.example.com/auth/", &["https://sso.example.com/auth/realms/r"]),
            ("http://localhost:8080/kc", &["http://localhost:8080/kc/realms/r"]),
        ];
        for (host, want) in table {
            let base: KeycloakBase = host.parse().unwrap();
            let got: Vec<String> = base.realm_urls("r").iter().map(ToString::to_string).collect();
            assert_eq!(&got, want, "{host}");
        }
    }

    #[test]
    fn a_realm_name_cannot_leave_its_path_segment() {
        let base: KeycloakBase = "https://h/auth".parse().unwrap();
        assert_eq!(base.realm_urls("a/../b?c#d")[0].as_str(), "https://h/auth/realms/a%2F..%2Fb%3Fc%23d");
    }

    #[test]
    fn refuses_urls_that_carry_more_than_an_address() {
        for text in
            ["https://u:p@h", "https://h/?q", "https://h/#f", "ftp://h", "https://", "file:///etc/passwd"]
        {
            assert!(text.parse::<KeycloakBase>().is_err(), "{text}");
        }
        assert!("https://h/auth".parse::<Authority>().is_err());
    }

    #[test]
    fn an_authority_keeps_path_and_query() {
        let inside: Authority = "http://kc.svc:8080".parse().unwrap();
        let url = Url::parse("https://sso.example.com/auth/realms/r?x=1").unwrap();
        assert_eq!(inside.replace_in(&url).as_str(), "http://kc.svc:8080/auth/realms/r?x=1");
    }
}
