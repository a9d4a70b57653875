//! What follows from a discovery document (OpenID Connect Discovery, RFC 8414): under which names the issuer's tokens
//! are accepted, and where its keys are.

use restward_crds::{
    condition::ProviderReason,
    sidecar::settings::{IssuerSettings, IssuerSource},
};
use serde::Deserialize;
use url::Url;

use super::{fetch::Failure, snapshot::Endpoints};

/// The members of a discovery document that are used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Document {
    /// The issuer's name.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_uri: String,
    /// Where it is asked about tokens (RFC 7662).
    #[serde(default)]
    pub introspection_endpoint: Option<String>,
    /// Where it is asked about users.
    #[serde(default)]
    pub userinfo_endpoint: Option<String>,
}

/// Discovery URLs to try in turn: public name and path, dialled at the back channel where one is configured.
pub fn candidates(issuer: &IssuerSettings) -> Vec<Url> {
    issuer.source.candidates().iter().map(|(url, _)| dialled(issuer, url)).collect()
}

/// Discovery URLs at which the realm may be when it is at none of those, dialled alike, each with the host to write into the
/// policy.
pub fn elsewhere(issuer: &IssuerSettings) -> Vec<(Url, String)> {
    issuer.source.elsewhere().into_iter().map(|(url, host)| (dialled(issuer, &url), host)).collect()
}

/// The names under which tokens are accepted before discovery was asked: the configured ones, else every URL at which
/// the realm may be. Without keys they only decide between "cannot be checked now" and "another issuer".
pub fn expected_names(issuer: &IssuerSettings) -> Vec<String> {
    if issuer.accepted_issuers.is_empty() {
        issuer.source.candidates().into_iter().map(|(_, name)| name).collect()
    } else {
        issuer.accepted_issuers.clone()
    }
}

/// The names under which tokens are accepted after discovery named `discovered`. A configured list is the whole truth:
/// with split-horizon names, discovery inside may name an issuer that no token carries. Without a list the discovered
/// issuer must be the URL that was asked for (RFC 8414 section 3.3).
///
/// # Errors
/// [`ProviderReason::IssuerMismatch`] with both values.
pub fn accepted_names(issuer: &IssuerSettings, discovered: &str) -> Result<Vec<String>, Failure> {
    let expected = expected_names(issuer);
    if !issuer.accepted_issuers.is_empty() {
        return Ok(expected);
    }
    if expected.iter().any(|name| name == discovered) {
        return Ok(vec![discovered.to_owned()]);
    }
    Err(Failure::new(ProviderReason::IssuerMismatch, issuer.issuer_mismatch(discovered)))
}

/// Where to fetch the key set: at the back channel where one is configured (Keycloak names public URLs there), else
/// where the document says, if that is encrypted or the very origin that was asked.
///
/// # Errors
/// [`ProviderReason::UnexpectedAnswer`].
pub fn jwks_url(issuer: &IssuerSettings, asked: &Url, document: &Document) -> Result<Url, Failure> {
    let refuse = || {
        let message = "The discovery document's jwks_uri is neither https nor at the host that was asked.";
        Err(Failure::new(ProviderReason::UnexpectedAnswer, message))
    };
    usable(issuer, asked, &document.jwks_uri).map_or_else(refuse, Ok)
}

/// Where to ask about tokens, by the same rule; an endpoint elsewhere counts as none.
pub fn endpoints(issuer: &IssuerSettings, asked: &Url, document: &Document) -> Endpoints {
    let at = |text: &Option<String>| usable(issuer, asked, text.as_deref()?);
    // `<realm>/.well-known/openid-configuration`
    let mut realm = asked.clone();
    if let Ok(mut path) = realm.path_segments_mut() {
        path.pop().pop();
    }
    let is_realm = matches!(issuer.source, IssuerSource::Keycloak { .. })
        || document.jwks_uri == format!("{}/protocol/openid-connect/certs", document.issuer);
    Endpoints {
        realm: is_realm.then_some(realm),
        introspection: at(&document.introspection_endpoint),
        userinfo: at(&document.userinfo_endpoint),
    }
}

fn usable(issuer: &IssuerSettings, asked: &Url, text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http"))?;
    let url = dialled(issuer, &url);
    (url.scheme() == "https" || url.origin() == asked.origin()).then_some(url)
}

fn dialled(issuer: &IssuerSettings, url: &Url) -> Url {
    issuer.backchannel.as_ref().map_or_else(|| url.clone(), |authority| authority.replace_in(url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::checks::testing::{issuer_settings, keycloak_at};

    fn with(adjust: impl FnOnce(&mut IssuerSettings)) -> IssuerSettings {
        let mut issuer = issuer_settings();
        adjust(&mut issuer);
        issuer
    }

    fn document(jwks_uri: &str) -> Document {
        Document {
            issuer: "i".into(),
            jwks_uri: jwks_uri.into(),
            introspection_endpoint: Some(jwks_uri.replace("certs", "introspect")),
            userinfo_endpoint: None,
        }
    }

    #[test]
    fn discovery_is_asked_below_every_realm_url_and_at_the_back_channel() {
        let got: Vec<String> = candidates(&issuer_settings()).iter().map(ToString::to_string).collect();
        let suffix = "realms/wiki/.well-known/openid-configuration";
        assert_eq!(
            got,
            [format!("https://sso.example.com/{suffix}"), format!("https://sso.example.com/auth/{suffix}")]
        );
        let inside = with(|issuer| {
            issuer.source = keycloak_at("https://sso.example.com/auth");
            issuer.backchannel = Some("http://kc.svc:8080".parse().unwrap());
        });
        assert_eq!(candidates(&inside)[0].as_str(), format!("http://kc.svc:8080/auth/{suffix}"));
    }

    #[test]
    fn only_realms_of_keycloak_are_asked_since_when_tokens_count() {
        let at = |issuer: &str, jwks_uri: &str| {
            let discovery = Url::parse(&format!("{issuer}/.well-known/openid-configuration")).unwrap();
            let source = IssuerSource::OpenId { issuer: issuer.into(), discovery: discovery.clone() };
            let document = Document { issuer: issuer.into(), ..document(jwks_uri) };
            endpoints(&with(|settings| settings.source = source), &discovery, &document).realm
        };
        let realm = "https://login.example.com/realms/partners";
        let certs = format!("{realm}/protocol/openid-connect/certs");
        assert_eq!(at(realm, &certs).map(String::from).as_deref(), Some(realm));
        assert_eq!(at("https://login.example.com", "https://login.example.com/keys"), None);
        assert_eq!(at("https://login.example.com", &certs), None);
    }

    #[test]
    fn the_issuer_is_what_was_asked_for_or_what_is_configured() {
        let plain = issuer_settings();
        for name in ["https://sso.example.com/realms/wiki", "https://sso.example.com/auth/realms/wiki"] {
            assert_eq!(accepted_names(&plain, name).unwrap(), [name]);
        }
        for name in [
            "https://sso.example.com/realms/other",
            "https://evil.example/realms/wiki",
            "http://sso.example.com/realms/wiki",
        ] {
            let failure = accepted_names(&plain, name).unwrap_err();
            assert_eq!(failure.reason, ProviderReason::IssuerMismatch);
            assert!(
                failure.message.contains(name)
                    && failure.message.contains("https://sso.example.com/realms/wiki")
            );
        }
        let listed = with(|issuer| issuer.accepted_issuers = vec!["a".into(), "b".into()]);
        assert_eq!(accepted_names(&listed, "http://kc.svc:8080/realms/wiki").unwrap(), ["a", "b"]);
    }

    #[test]
    fn keys_come_from_the_host_that_was_asked_or_over_https() {
        let plain = issuer_settings();
        let asked = candidates(&plain).remove(0);
        let table = [
            ("https://sso.example.com/realms/wiki/certs", Some("https://sso.example.com/realms/wiki/certs")),
            ("https://keys.example.com/certs", Some("https://keys.example.com/certs")),
            ("http://sso.example.com/realms/wiki/certs", None),
            ("file:///etc/passwd", None),
            ("/certs", None),
            ("", None),
        ];
        for (uri, want) in table {
            let got = jwks_url(&plain, &asked, &document(uri)).ok().map(String::from);
            assert_eq!(got.as_deref(), want, "{uri}");
            let got = endpoints(&plain, &asked, &document(uri));
            assert_eq!(
                got.introspection.map(String::from),
                want.map(|url| url.replace("certs", "introspect")),
                "{uri}"
            );
            assert_eq!(got.userinfo, None);
            assert_eq!(got.realm.unwrap().as_str(), "https://sso.example.com/realms/wiki");
        }
        let inside = with(|issuer| issuer.backchannel = Some("http://kc.svc:8080".parse().unwrap()));
        let asked = candidates(&inside).remove(0);
        let got =
            jwks_url(&inside, &asked, &document("https://sso.example.com/realms/wiki/certs?x")).unwrap();
        assert_eq!(got.as_str(), "http://kc.svc:8080/realms/wiki/certs?x");
        let got = endpoints(&inside, &asked, &document("https://sso.example.com/realms/wiki/certs"));
        assert_eq!(got.introspection.unwrap().as_str(), "http://kc.svc:8080/realms/wiki/introspect");
    }
}
