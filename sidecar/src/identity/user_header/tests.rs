//! Requests that name a user by a header, as Tomcat would read them.

use http::{Method, header};
use proptest::prelude::*;
use restward_crds::sidecar::terms::Scheme;

use super::*;
use crate::{
    identity::{Identity, Origin, query},
    time::UnixTime,
};

const NAME: &str = "X-Wiki-User";

fn identity() -> Identity {
    Identity::Header(Header::new(NAME.parse().unwrap()))
}

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    headers
}

fn assert(user: &str, mut request: Outgoing) -> Result<Outgoing, Deny> {
    let origin = Origin { scheme: Scheme::Https, proxy_name: None, proxy_port: None };
    identity().assert(&origin, &user.parse().unwrap(), UnixTime::from_secs(0), &mut request)?;
    Ok(request)
}

fn request(query: Option<&str>, list: &[(&str, &str)], form: Option<&str>) -> Outgoing {
    Outgoing {
        method: Method::POST,
        path: "/rest/api/x;jsessionid=1".into(),
        query: query.map(Into::into),
        headers: headers(list),
        form: form.map(Into::into),
    }
}

#[test]
fn the_users_name_is_the_only_thing_that_names_anybody() {
    let hostile = [
        ("Host", "wiki"),
        ("X-Wiki-User", "admin"),
        ("X-Wiki-User", "root"),
        ("x_wiki_user", "admin"),
        ("X.Wiki-User", "admin"),
        ("X-Forwarded-User", "admin"),
        ("Authorization", "Bearer x"),
        ("Cookie", "JSESSIONID=1"),
        ("X-Forwarded-Proto", "http"),
        ("Accept", "application/json"),
    ];
    let query = "os_username=admin&%6fs_password=x&oauth_token=1&xoauth_requestor_id=admin&jwt=a.b.c&cql=a+b";
    let form = "os%5Fusername=admin&t=%C3%BC";
    let sent = assert("alice", request(Some(query), &hostile, Some(form))).unwrap();
    assert_eq!(sent.path, "/rest/api/x");
    assert_eq!(sent.query.as_deref(), Some("cql=a%20b"));
    assert_eq!(sent.form.as_deref(), Some(&b"t=%C3%BC"[..]));
    let mut left: Vec<&str> = sent.headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["accept", "content-length", "content-type", "host", "x-wiki-user"]);
    let named: Vec<_> = sent.headers.get_all(NAME).iter().collect();
    assert_eq!(named, ["alice"]);
    assert!(named[0].is_sensitive());
    assert_eq!(sent.headers[header::CONTENT_LENGTH], "8");
    let without = assert("alice", request(Some("os_authType=basic"), &[], None)).unwrap();
    assert_eq!((without.query, without.form), (None, None));
}

#[test]
fn only_names_that_a_header_carries_unchanged() {
    for name in ["alice", "Alice.Smith", "a+b&c=%41;d,e\"f\\", "svc-reports@example.com", "!~"] {
        let sent = assert(name, request(None, &[], None)).unwrap();
        assert_eq!(sent.headers[NAME], name);
    }
    for name in ["jürgen", "\u{142}ukasz", "李雷", "a b", "a\u{a0}b", "j\u{75}\u{308}rgen"] {
        let refused = assert(name, request(None, &[], None)).unwrap_err();
        assert_eq!(refused.reason, Reason::UsernameUnusable, "{name}");
        assert!(refused.detail.unwrap().contains("visible ASCII"), "{name}");
    }
}

#[test]
fn what_is_not_asserted_loses_the_header_and_nothing_else() {
    let mut map = headers(&[
        ("x_WIKI_user", "admin"),
        ("X-Wiki-User", "admin"),
        ("X-Remote-User", "admin"),
        ("X-Wiki-Users", "kept"),
        ("Authorization", "Basic x"),
        ("Cookie", "JSESSIONID=1"),
    ]);
    identity().strip(&mut map);
    let mut left: Vec<&str> = map.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["authorization", "cookie", "x-wiki-users"]);
}

/// A spelling that a server may take for the header.
fn spelling() -> impl Strategy<Value = String> {
    prop::collection::vec(0_u8..6, NAME.len()).prop_map(|kinds| {
        let spelled = NAME.chars().zip(kinds).map(|(c, kind)| match (c, kind) {
            ('-', 0 | 1) => '_',
            ('-', 2 | 3) => '.',
            (c, 0..=2) => c.to_ascii_uppercase(),
            (c, 3) => c.to_ascii_lowercase(),
            (c, _) => c,
        });
        spelled.collect()
    })
}

proptest! {
    /// However often and however a client spells it, forwarded or asserted: nobody but the token's user is named.
    #[test]
    fn no_copy_survives(
        names in prop::collection::vec(spelling(), 1..6),
        parameters in "((os_|%6fs_|oauth_|x|jwt|%zz)[a-z%]{0,4}=[a-z%]{0,4}&){0,4}",
    ) {
        let list: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "admin")).collect();
        let mut map = headers(&list);
        identity().strip(&mut map);
        prop_assert!(map.is_empty(), "{:?}", map);

        let sent = assert("alice", request(Some(&parameters), &list, Some(&parameters))).unwrap();
        let taken: Vec<_> = sent.headers.iter().filter(|(name, _)| {
            name.as_str().chars().filter(char::is_ascii_alphabetic).eq("xwikiuser".chars())
        }).collect();
        prop_assert_eq!(taken.len(), 1);
        prop_assert_eq!((taken[0].0.as_str(), taken[0].1.as_bytes()), ("x-wiki-user", &b"alice"[..]));
        let rest = [sent.query.unwrap_or_default().into_bytes(), sent.form.unwrap()].join(&b'&');
        for (name, _) in query::parse(&rest) {
            prop_assert!(!name.starts_with("os_") && !name.starts_with("oauth_") && name != "jwt", "{}", name);
        }
    }
}
