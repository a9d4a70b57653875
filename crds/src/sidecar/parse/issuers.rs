//! Issuers: realms of Keycloak, and OpenID Connect issuers of any make.

use url::Url;

use super::{
    super::{
        config::{Issuer, OpenIdIssuer, OwnClient},
        settings::{IssuerSettings, IssuerSource, discovery_below},
    },
    Errors, parse_accounts, parse_username_attribute,
};
use crate::text::{Authority, KeycloakBase, Username};

pub(super) fn keycloak(
    index: usize,
    issuer: Issuer,
    accounts: &[(String, Username)],
    errors: &mut Errors,
) -> Option<IssuerSettings> {
    let at = |name: &str| format!("issuers[{index}].{name}");
    let Issuer {
        host,
        realm,
        backchannel_url,
        accepted_issuers,
        audiences,
        authorized_parties,
        own_ca,
        own_client,
        last_known,
    } = issuer;
    let base: Option<KeycloakBase> = errors.text(at("host"), &host);
    let backchannel = backchannel(at("backchannelURL"), backchannel_url, errors);
    let realm_ok = !realm.is_empty()
        && realm.len() <= 255
        && realm != "."
        && realm != ".."
        && !realm.chars().any(char::is_control);
    errors.require(realm_ok, &at("realm"), "must be the realm's name, 1 to 255 characters");
    for (name, list) in [
        ("acceptedIssuers", &accepted_issuers),
        ("audiences", &audiences),
        ("authorizedParties", &authorized_parties),
    ] {
        no_empty_entry(&at(name), list, errors);
    }
    if let Some(OwnClient::Assertion(client)) = &own_client {
        errors.require(!client.is_empty(), &at("ownClient"), "must name a client");
    }
    Some(IssuerSettings {
        source: IssuerSource::Keycloak { base: base?, realm },
        username: None,
        service_accounts: accounts.to_vec(),
        backchannel,
        accepted_issuers,
        audiences,
        authorized_parties,
        own_ca,
        own_client,
        last_known,
    })
}

pub(super) fn open_id(
    index: usize,
    issuer: OpenIdIssuer,
    others: &[IssuerSettings],
    errors: &mut Errors,
) -> Option<IssuerSettings> {
    let at = |name: &str| format!("openIdIssuers[{index}].{name}");
    let OpenIdIssuer {
        issuer: name,
        discovery_url,
        backchannel_url,
        audiences,
        authorized_parties,
        username_attribute,
        service_accounts,
        own_ca,
    } = issuer;
    let url = plain_url(at("issuer"), &name, errors);
    let discovery = match discovery_url {
        Some(text) => plain_url(at("discoveryURL"), &text, errors),
        None => url.as_ref().map(discovery_below),
    };
    let backchannel = backchannel(at("backchannelURL"), backchannel_url, errors);
    // Whose key must have signed is decided by this name: it must not mean two.
    errors.require(!others.iter().any(|other| answers_to(other, &name)), &at("issuer"), "is listed twice");
    errors.require(
        !audiences.is_empty(),
        &at("audiences"),
        "needs at least one: else every client of this issuer may call, and its ID tokens count",
    );
    no_empty_entry(&at("audiences"), &audiences, errors);
    no_empty_entry(&at("authorizedParties"), &authorized_parties, errors);
    let username = match username_attribute {
        Some(attribute) => Some(parse_username_attribute(&at("usernameAttribute"), attribute, errors)?),
        None => None,
    };
    let service_accounts = parse_accounts(&at("serviceAccounts"), service_accounts, errors);
    url?;
    Some(IssuerSettings {
        source: IssuerSource::OpenId { issuer: name, discovery: discovery? },
        username,
        service_accounts,
        backchannel,
        accepted_issuers: Vec::new(),
        audiences,
        authorized_parties,
        own_ca,
        own_client: None,
        last_known: None,
    })
}

fn answers_to(other: &IssuerSettings, name: &str) -> bool {
    other.accepted_issuers.iter().any(|accepted| accepted == name)
        || other.source.candidates().iter().any(|(_, expected)| expected == name)
}

fn no_empty_entry(field: &str, list: &[String], errors: &mut Errors) {
    errors.require(list.iter().all(|entry| !entry.is_empty()), field, "has an empty entry");
}

/// None when there is none; also when it is wrong, which `errors` then holds.
fn backchannel(field: String, url: Option<String>, errors: &mut Errors) -> Option<Authority> {
    url.and_then(|text| errors.text(field, &text))
}

/// An http or https URL without user name, query or fragment.
fn plain_url(field: String, text: &str, errors: &mut Errors) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if url.is_none() {
        errors.add(
            field,
            "must be a URL such as https://login.example.com, without user name, query or fragment",
        );
    }
    url
}
