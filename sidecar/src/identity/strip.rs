//! Headers of a client that could name a user to Confluence, or make Tomcat believe another URL.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use restward_crds::text::{folds_to, folds_to_start};

/// What asserted requests say of their client instead of a User-Agent that Confluence's OAuth filter skips.
pub const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("restward-sidecar/", env!("CARGO_PKG_VERSION")));

/// Names (folded, see [`folds_to`]) of headers in which authenticators of this world look for a user, and of Seraph's
/// trusted applications. No client has a reason to send them to Confluence.
const USER_HEADERS: &[&str] = &[
    "remote-user",
    "x-remote-user",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-forwarded-access-token",
    "x-auth-request-user",
    "x-auth-request-email",
    "x-auth-request-preferred-username",
    "x-auth-request-groups",
    "x-auth-request-access-token",
    "x-authenticated-user",
    "x-authenticated-userid",
    "x-authenticated-groups",
    "x-user",
    "x-username",
    "x-user-name",
    "x-ausername",
    "x-webauth-user",
    "x-proxy-user",
    "x-sso-user",
    "x-ssl-client-dn",
    "x-ssl-client-s-dn",
    "ssl-client-s-dn",
    "x-client-dn",
    "x-client-cert",
    "x-forwarded-client-cert",
    "oidc-claim-preferred-username",
    "oidc-claim-sub",
    "oidc-claim-email",
    "x-restward-user",
];

/// Families of such headers.
const USER_HEADER_PREFIXES: &[&str] = &["x-seraph-trusted-app-", "oidc-", "x-forwarded-user-"];

/// Removed from asserted requests only: other credentials, and what Tomcat's RemoteIpValve would take the URL from,
/// which then would not be the signed one.
const ASSERTED: &[&str] = &[
    "authorization",
    "dpop",
    "proxy-authorization",
    "cookie",
    "cookie2",
    "forwarded",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-host",
    "x-forwarded-ssl",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-prefix",
];

/// Parts of the User-Agents that Confluence's OAuth filter skips, which would make the request anonymous: WebDAV
/// clients of macOS and Windows. Compared without case, so that nothing hides.
const SKIPPED_USER_AGENTS: &[&str] = &["webdav", "microsoft data access internet publishing provider"];

/// Removes headers that name users in some installation or other.
pub fn identity_headers(headers: &mut HeaderMap) {
    remove_if(headers, names_a_user);
}

/// Removes everything that an asserted request must not carry, and replaces a User-Agent that Confluence would skip.
pub fn for_assertion(headers: &mut HeaderMap) {
    remove_if(headers, |name| names_a_user(name) || is_one_of(name, ASSERTED));
    if is_skipped_by_oauth(headers) {
        headers.insert(header::USER_AGENT, USER_AGENT);
    }
}

/// Whether Confluence's OAuth filter may skip a request with these headers, which would make it anonymous.
pub fn is_skipped_by_oauth(headers: &HeaderMap) -> bool {
    let agents: Vec<&HeaderValue> = headers.get_all(header::USER_AGENT).iter().collect();
    agents.len() > 1 || agents.iter().any(|agent| is_skipped(agent))
}

/// Removes the headers whose name, in lower case, is one of these.
pub(super) fn remove_if(headers: &mut HeaderMap, is_out: impl Fn(&str) -> bool) {
    let out: Vec<HeaderName> = headers.keys().filter(|name| is_out(name.as_str())).cloned().collect();
    for name in out {
        headers.remove(name);
    }
}

fn names_a_user(name: &str) -> bool {
    is_one_of(name, USER_HEADERS) || USER_HEADER_PREFIXES.iter().any(|prefix| folds_to_start(name, prefix))
}

fn is_one_of(name: &str, list: &[&str]) -> bool {
    list.iter().any(|wanted| folds_to(name, wanted))
}

fn is_skipped(agent: &HeaderValue) -> bool {
    let agent = String::from_utf8_lossy(agent.as_bytes()).to_ascii_lowercase();
    SKIPPED_USER_AGENTS.iter().any(|part| agent.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn users_named_by_clients_go_and_the_rest_stays() {
        let mut map = headers(&[
            ("X-Forwarded-User", "a"),
            ("x_forwarded_user", "a"),
            ("X.Forwarded_User", "a"),
            ("X~Forwarded%User", "a"),
            ("REMOTE_USER", "a"),
            ("X-Seraph-Trusted-App-Cert", "a"),
            ("OIDC_CLAIM_sub", "a"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-For", "192.0.2.1"),
            ("X-Atlassian-Token", "no-check"),
            ("Cookie", "a=b"),
        ]);
        identity_headers(&mut map);
        assert_eq!(names(&map), ["cookie", "x-atlassian-token", "x-forwarded-for", "x-forwarded-proto"]);
    }

    #[test]
    fn asserted_requests_carry_no_other_credential_and_no_other_url() {
        let mut map = headers(&[
            ("Authorization", "Bearer x"),
            ("Authorization", "Basic x"),
            ("Proxy-Authorization", "Basic x"),
            ("Cookie", "JSESSIONID=1"),
            ("Cookie", "seraph.confluence=1"),
            ("X-Forwarded-Proto", "http"),
            ("X_Forwarded_Proto", "http"),
            ("X-Forwarded-Host", "evil"),
            ("X-Forwarded-Port", "1"),
            ("Forwarded", "proto=http"),
            ("Origin", "https://app.example"),
            ("X-Forwarded-For", "192.0.2.1"),
        ]);
        for_assertion(&mut map);
        assert_eq!(names(&map), ["origin", "x-forwarded-for"]);
    }

    #[test]
    fn user_agents_that_skip_oauth_are_replaced() {
        for agent in [
            "WebDAVFS/3.0.0 (03008000) Darwin/21.6.0",
            "WebDAVLib/1.3",
            "Microsoft-WebDAV-MiniRedir/10.0.19043",
            "Microsoft Data Access Internet Publishing Provider DAV 1.1",
            "curl microsoft-webdav-miniredir",
        ] {
            let mut map = headers(&[("User-Agent", agent)]);
            for_assertion(&mut map);
            assert_eq!(map[header::USER_AGENT], USER_AGENT, "{agent}");
        }
        let mut map = headers(&[("User-Agent", "curl/8.1")]);
        for_assertion(&mut map);
        assert_eq!(map[header::USER_AGENT], "curl/8.1");
        let mut two = headers(&[("User-Agent", "curl/8.1"), ("User-Agent", "WebDAVFS")]);
        for_assertion(&mut two);
        assert_eq!(two.get_all(header::USER_AGENT).iter().count(), 1);
    }

    proptest! {
        /// However a header that names a user is spelled, it does not survive.
        #[test]
        fn no_spelling_survives(which in 0..USER_HEADERS.len(), seed in prop::collection::vec(0_u8..6, 40)) {
            let name: String = USER_HEADERS[which].chars().zip(seed.iter().cycle()).map(|(c, kind)| match (c, kind) {
                ('-', 0 | 1) => '_',
                ('-', 2) => '.',
                (c, 3 | 4) => c.to_ascii_uppercase(),
                (c, _) => c,
            }).collect();
            let mut map = headers(&[(&name, "admin")]);
            identity_headers(&mut map);
            prop_assert!(map.is_empty(), "{}", name);
        }
    }
}
