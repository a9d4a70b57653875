//! Calls that take no credential of anybody's: without any, or with one that nobody has.

use http::{HeaderName, Method, header};
use k8s_openapi::jiff::Timestamp;
use restward_crds::{reason::Reason, sidecar::terms::AnonymousPreset};
use serde_json::json;

use super::{CONTENT, CURRENT_USER, Case, FEED, Means, PAGE, WEBDAV, case, given, lack};
use crate::verify::{
    ask::Ask,
    expected::Expected,
    forged::{self, NOBODY, NOWHERE},
    terms::{Login, Terms},
};

const XML_RPC: &str = "/rpc/xmlrpc";
const SOAP: &str = "/rpc/soap-axis/confluenceservice-v2";
const JSON_RPC: &str = "/rpc/json-rpc/confluenceservice-v2";
/// Longer than the longest head that a sidecar reads.
const LONG: usize = 33 * 1024;

pub(super) fn cases(terms: &Terms<'_>, means: &Means, now: Timestamp) -> Vec<Case> {
    let parts = [
        for_everybody(terms, means),
        without_login(terms),
        odd_calls(terms),
        tokens(terms, means),
        passwords(terms, now),
    ];
    parts.into_iter().flatten().collect()
}

fn for_everybody(terms: &Terms<'_>, means: &Means) -> Vec<Case> {
    let origin = means.origin.clone();
    let preflight = Ask::new(Method::OPTIONS, CONTENT)
        .with(header::ORIGIN, origin.clone().unwrap_or_else(|| NOWHERE.to_owned()))
        .with(header::ACCESS_CONTROL_REQUEST_METHOD, "GET")
        .with(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization");
    let about = "/.well-known/oauth-protected-resource names the realm";
    vec![
        case(
            "status",
            "/status, for probes and load balancers",
            Ask::get("/status"),
            Expected::Says("RUNNING".into()),
        ),
        case("login-page", "the login page", Ask::get("/login.action"), Expected::Page),
        case(
            "no-credential",
            "a call of the REST API without a credential",
            Ask::get(CONTENT),
            terms.anonymous(CONTENT),
        ),
        given("discovery", about, terms.takes_tokens().then_some(()).ok_or(lack::ENFORCEMENT), |()| {
            (
                Ask::get("/.well-known/oauth-protected-resource"),
                Expected::Says(format!("/realms/{}", terms.realm())),
            )
        }),
        case(
            "cors-preflight",
            "a web page of another origin asks whether it may call (CORS)",
            preflight,
            origin.map_or(Expected::Passed, Expected::Granted),
        ),
        case(
            "synchrony",
            "editing together: Synchrony behind Confluence",
            Ask::get("/synchrony-proxy/healthcheck"),
            Expected::Passed,
        ),
        case("websocket", "the same by WebSocket", websocket(), Expected::Passed),
    ]
}

/// As a browser opens one (RFC 6455 section 4.1).
fn websocket() -> Ask {
    Ask::get("/synchrony-proxy/v1/bayeux-sync1")
        .with(header::CONNECTION, "Upgrade")
        .with(header::UPGRADE, "websocket")
        .with(header::SEC_WEBSOCKET_VERSION, "13")
        .with(header::SEC_WEBSOCKET_KEY, "cmVzdHdhcmQtdmVyaWZ5IQ==")
}

/// What is called before anybody has logged in.
fn without_login(terms: &Terms<'_>) -> Vec<Case> {
    use AnonymousPreset::{ApplicationLinks, CalendarFeeds, Companion, ConfluenceLogin, Gadgets, MobileApp};
    let mut cases: Vec<Case> = [
        (
            "login-options",
            "the login page asks which buttons to show",
            ConfluenceLogin,
            "/rest/authconfig/1.0/login-options",
        ),
        (
            "link-manifest",
            "a linked application reads whom it talks to",
            ApplicationLinks,
            "/rest/applinks/1.0/manifest",
        ),
        (
            "private-calendar",
            "a subscribed calendar with the secret in its path",
            CalendarFeeds,
            "/rest/calendar-services/1.0/calendar/export/subcalendar/private/restward-verify",
        ),
        (
            "gadget",
            "the description of a gadget, for a linked application",
            Gadgets,
            "/rest/gadgets/1.0/g/restward-verify",
        ),
        ("mobile-app", "the mobile app's first question", MobileApp, "/rest/nativemobile/1.0/info"),
    ]
    .map(|(name, about, preset, path)| case(name, about, Ask::get(path), terms.preset(preset, path)))
    .into();
    let companion = if terms.has(Companion) {
        terms.switched(terms.credentials().application_link, Reason::ApplicationLinkDenied, Expected::Passed)
    } else {
        terms.refused(Reason::SchemeUnsupported)
    };
    let ask = Ask::get("/rest/token-auth/api/restward-verify").authorized("JWT a.b.c");
    cases.push(case("companion-app", "the Companion app's JWT on its own path", ask, companion));
    cases
}

fn odd_calls(terms: &Terms<'_>) -> Vec<Case> {
    let twice = Ask::get(CONTENT).bearer("a").bearer("b");
    vec![
        case(
            "other-scheme",
            "Authorization: Negotiate",
            Ask::get(CONTENT).authorized("Negotiate YQ=="),
            terms.refused(Reason::SchemeUnsupported),
        ),
        case(
            "odd-path",
            "a path that two servers could read in two ways (%2F)",
            Ask::get("/rest%2Fapi/content"),
            terms.enforced(Expected::BadRequest),
        ),
        case("two-credentials", "two Authorization headers", twice, terms.enforced(Expected::BadRequest)),
        case(
            "large-head",
            "a head of more than 32 KiB",
            Ask::get("/status").with(HeaderName::from_static("x-restward-verify"), "x".repeat(LONG)),
            Expected::HeadTooLong,
        ),
        case(
            "forwarded-user",
            "a call without a credential that names a user by X-Forwarded-User",
            Ask::get(CURRENT_USER).with(HeaderName::from_static("x-forwarded-user"), "admin"),
            terms.claimed(CURRENT_USER),
        ),
        case(
            "made-up-session",
            "a session cookie that is none",
            Ask::get(CONTENT).with(header::COOKIE, "JSESSIONID=0123456789ABCDEF0123456789ABCDEF"),
            terms.made_up_session(),
        ),
    ]
}

fn tokens(terms: &Terms<'_>, means: &Means) -> Vec<Case> {
    let claims = means.token.as_deref().and_then(forged::claims_of).unwrap_or_else(forged::claims);
    let personal = terms.refused(Reason::CredentialNotAccepted);
    let credentials = terms.credentials();
    let ask = |token: &str| Ask::get(CONTENT).bearer(token);
    vec![
        case("garbage-token", "a token that is none", ask("garbage"), terms.enforced(Expected::RefusedToken)),
        case(
            "garbage-token-on-page",
            "a token that is none, on a page",
            Ask::get(PAGE).bearer("garbage"),
            terms.token_on_page(),
        ),
        case(
            "unsigned-token",
            "a token without a signature (alg: none)",
            ask(&forged::unsigned(&claims)),
            terms.refused(Reason::AlgorithmNotAllowed),
        ),
        case(
            "foreign-token",
            "a token of another issuer",
            ask(&forged::foreign()),
            terms.refused(Reason::IssuerMismatch),
        ),
        case(
            "made-up-personal-token",
            "a personal access token that nobody has",
            ask(&forged::personal_access_token()),
            terms.switched(
                credentials.personal_access_token,
                Reason::PersonalAccessTokenDenied,
                personal.clone(),
            ),
        ),
        case(
            "made-up-oauth2-token",
            "a token of Confluence's own OAuth 2 provider that nobody has",
            ask(&forged::confluence_oauth2()),
            terms.switched(credentials.confluence_oauth2, Reason::OAuth2Denied, personal),
        ),
    ]
}

/// By a user who does not exist: whether passwords are looked at, not whether one is right.
fn passwords(terms: &Terms<'_>, at: Timestamp) -> Vec<Case> {
    let basic = |ask: Ask| ask.authorized(forged::basic(NOBODY, "none"));
    let rejected = terms.enforced(Expected::RejectedByConfluence);
    let parameters = format!("{CONTENT}?os_username={NOBODY}&os_password=none");
    let xml = format!(
        "<methodCall><methodName>confluence2.login</methodName><params><param><value>{NOBODY}</value></param><param><value>none</value>\
         </param></params></methodCall>"
    );
    let rpc = Ask::new(Method::POST, XML_RPC).saying("text/xml", xml);
    let soap = format!(
        "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body><login \
         xmlns=\"http://soap.rpc.confluence.atlassian.com\"><in0>{NOBODY}</in0><in1>none</in1></login></soapenv:Body></soapenv:Envelope>"
    );
    let soap = Ask::new(Method::POST, SOAP)
        .saying("text/xml", soap)
        .with(HeaderName::from_static("soapaction"), "\"\"");
    let json = json!({"jsonrpc": "2.0", "method": "login", "params": [NOBODY, "none"], "id": 1});
    let json = Ask::new(Method::POST, JSON_RPC).saying("application/json", json.to_string());
    let asks = Ask::get(format!("{CONTENT}?os_authType=basic"));
    let challenge = terms.challenge(Login { path: CONTENT, user: None, at });
    let challenge = given(
        "basic-challenge",
        "a client that waits to be asked for the password (os_authType=basic)",
        challenge.ok_or(lack::ADDRESS),
        |expected| (asks, expected),
    );
    let by_password = [
        ("made-up-password", "Basic", CONTENT, Some(NOBODY), basic(Ask::get(CONTENT)), rejected.clone()),
        (
            "made-up-parameters",
            "os_username and os_password",
            CONTENT,
            Some(NOBODY),
            Ask::get(parameters),
            rejected,
        ),
        ("xml-rpc-login", "a login by XML-RPC", XML_RPC, None, rpc, Expected::Passed),
        ("soap-login", "a login by SOAP", SOAP, None, soap, Expected::SoapAnswer),
        ("json-rpc-login", "a login by JSON-RPC", JSON_RPC, None, json, Expected::Passed),
        ("webdav", "WebDAV by password", WEBDAV, Some(NOBODY), basic(Ask::get(WEBDAV)), Expected::Passed),
        ("feed", "an RSS feed by password", FEED, Some(NOBODY), basic(Ask::get(FEED)), Expected::Passed),
    ]
    .map(|(name, about, path, user, ask, allowed)| {
        let expected = terms.password(Login { path, user, at }, allowed);
        given(name, about, expected.ok_or(lack::ADDRESS), |expected| (ask, expected))
    });
    by_password.into_iter().chain([challenge]).collect()
}
