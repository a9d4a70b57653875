//! What is said of a Keycloak that is not where or who the policy says, by the operator and by sidecars alike: with the value
//! to paste. Pure.

use url::Url;

use super::settings::{IssuerSettings, IssuerSource, discovery_below};
use crate::text::KeycloakBase;

/// Longest issuer that is repeated to people.
const MAX_SHOWN: usize = 512;

impl IssuerSource {
    /// Where else on the same host the realm may be when it is not below the path that the policy gives: the discovery
    /// document, and the value of `spec.keycloak.host` that leads there. Keycloak up to 16 has `/auth` in front, later
    /// ones have nothing.
    pub fn elsewhere(&self) -> Vec<(Url, String)> {
        let Self::Keycloak { base, realm } = self else { return Vec::new() };
        let others = ["", "/auth"].into_iter().filter_map(|path| base.with_path(path));
        let of_realm = |other: KeycloakBase| {
            let host = other.as_str().to_owned();
            other.realm_urls(realm).first().map(|realm| (discovery_below(realm), host))
        };
        others
            .filter(|other| other.as_str() != base.as_str() && base.has_path())
            .filter_map(of_realm)
            .collect()
    }
}

impl IssuerSettings {
    /// The realm was found nowhere; `asked` are the addresses, `found` the host under which it is instead.
    pub fn realm_not_found(&self, asked: &[Url], found: Option<&str>) -> String {
        let asked: Vec<&str> = asked.iter().map(Url::as_str).collect();
        let what = format!("no realm '{}': 404 at {}.", self.source.name(), asked.join(" and "));
        match found {
            Some(host) => {
                format!("{what} Check spec.keycloak.host and realm: this realm is there with host: '{host}'")
            }
            None => format!("{what} Check spec.keycloak.host and realm"),
        }
    }

    /// Discovery names another issuer than the policy expects.
    pub fn issuer_mismatch(&self, discovered: &str) -> String {
        let expected: Vec<String> = if self.accepted_issuers.is_empty() {
            self.source.candidates().into_iter().map(|(_, name)| name).collect()
        } else {
            self.accepted_issuers.clone()
        };
        let expected = expected.join("' or '");
        if !is_shown(discovered) {
            return format!(
                "the discovery document names no issuer that is a URL; the policy expects '{expected}'"
            );
        }
        let what = format!(
            "the discovery document calls the issuer '{discovered}', the policy expects '{expected}'."
        );
        match self.host_of(discovered) {
            Some(host) => format!(
                "{what} If tokens are issued under the first name, set spec.keycloak.host: '{host}', and \
                 spec.keycloak.backchannelURL to the address that pods reach; if under both, list them in \
                 spec.keycloak.acceptedIssuers: ['{discovered}', …]"
            ),
            None => format!(
                "{what} If the first is right, list it in spec.keycloak.acceptedIssuers: ['{discovered}'], or correct the \
                 entry of spec.issuers"
            ),
        }
    }

    /// The value of `spec.keycloak.host` whose realm has this name.
    fn host_of(&self, discovered: &str) -> Option<String> {
        let IssuerSource::Keycloak { realm, .. } = &self.source else { return None };
        let host = discovered.strip_suffix(&format!("/realms/{realm}"))?;
        let is_it = |base: &KeycloakBase| base.realm_urls(realm).iter().any(|url| url.as_str() == discovered);
        host.parse::<KeycloakBase>().ok().filter(is_it).map(|_| host.to_owned())
    }
}

/// It is somebody else's text, and goes into status.
fn is_shown(issuer: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\'' | b'"' | b'<' | b'>' | b'`');
    issuer.len() <= MAX_SHOWN && issuer.bytes().all(is_plain) && issuer.parse::<Url>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sidecar::parse;
    use serde_json::json;

    fn keycloak(host: &str, accepted: &[&str]) -> IssuerSettings {
        let config = json!({
            "version": 1,
            "policy": {"namespace": "n", "name": "p", "uid": "u", "generation": 1},
            "mode": "Enforce",
            "issuers": [{"host": host, "realm": "staff", "acceptedIssuers": accepted}],
            "usernameAttribute": "preferred_username",
            "basicAuth": "Allow",
            "credentials": {},
            "upstream": {"identity": {"oauth1": {"consumerKey": "c"}}},
        });
        parse::from_json(config.to_string().as_bytes()).unwrap().issuers.remove(0)
    }

    #[test]
    fn the_other_path_is_tried_where_one_was_given() {
        let table: [(&str, &[(&str, &str)]); 4] = [
            ("https://sso.example.com", &[]),
            (
                "https://sso.example.com/auth",
                &[("https://sso.example.com/realms/staff", "https://sso.example.com")],
            ),
            (
                "https://sso.example.com:8443/auth/",
                &[("https://sso.example.com:8443/realms/staff", "https://sso.example.com:8443")],
            ),
            (
                "https://sso.example.com/keycloak",
                &[
                    ("https://sso.example.com/realms/staff", "https://sso.example.com"),
                    ("https://sso.example.com/auth/realms/staff", "https://sso.example.com/auth"),
                ],
            ),
        ];
        for (host, expected) in table {
            let found: Vec<(String, String)> = keycloak(host, &[])
                .source
                .elsewhere()
                .into_iter()
                .map(|(url, host)| {
                    (url.as_str().strip_suffix("/.well-known/openid-configuration").unwrap().to_owned(), host)
                })
                .collect();
            let expected: Vec<(String, String)> =
                expected.iter().map(|(url, host)| ((*url).to_owned(), (*host).to_owned())).collect();
            assert_eq!(found, expected, "{host}");
        }
    }

    #[test]
    fn a_mismatch_comes_with_the_value_to_paste() {
        let inside = keycloak("http://kc.svc:8080", &[]);
        let said = inside.issuer_mismatch("https://sso.example.com/auth/realms/staff");
        for part in [
            "'https://sso.example.com/auth/realms/staff'",
            "'http://kc.svc:8080/realms/staff' or 'http://kc.svc:8080/auth/realms/staff'",
            "spec.keycloak.host: 'https://sso.example.com/auth',",
            "spec.keycloak.backchannelURL",
        ] {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
        // Of another realm, or of no Keycloak: the host would lead nowhere.
        for other in ["https://sso.example.com/realms/other", "https://login.example.com"] {
            let said = inside.issuer_mismatch(other);
            assert!(said.contains(&format!("acceptedIssuers: ['{other}']")), "{said}");
            assert!(!said.contains("spec.keycloak.host"), "{said}");
        }
        let listed = keycloak("http://kc.svc:8080", &["https://a.example.com"]).issuer_mismatch("https://b/");
        assert!(listed.contains("expects 'https://a.example.com'"), "{listed}");
    }

    #[test]
    fn what_is_no_url_is_not_repeated() {
        let long = format!("https://h/{}", "x".repeat(MAX_SHOWN));
        for odd in ["", "staff", "https://h/'; rm -rf ~", "https://h/\n## ", "https://h/<b>", long.as_str()] {
            let said = keycloak("https://sso.example.com", &[]).issuer_mismatch(odd);
            assert!(said.starts_with("the discovery document names no issuer that is a URL"), "{said}");
        }
    }
}
