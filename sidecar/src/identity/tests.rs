//! Asserted requests seen from Tomcat's side: a second, independent reading of them (`url`'s form parser, its own
//! encoder, the public key) decides who the user is and whether the signature holds.

use std::{fmt::Write as _, sync::LazyLock};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use openssl::{
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    sign::Verifier,
};
use proptest::prelude::*;
use restward_crds::{reason::Reason, sidecar::terms::Scheme};
use url::form_urlencoded;

use super::*;

static KEY: LazyLock<PKey<Private>> = LazyLock::new(|| PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap());
const NOW: UnixTime = UnixTime::from_secs(1_764_000_000);

fn identity() -> Identity {
    let settings = IdentitySettings::OAuth1 { consumer_key: "restward".into() };
    Identity::new(&settings, &KEY.private_key_to_pem_pkcs8().unwrap(), None).unwrap()
}

fn origin() -> Origin {
    Origin { scheme: Scheme::Https, proxy_name: None, proxy_port: None }
}

fn request(method: Method, path: &str, query: Option<&str>, form: Option<&[u8]>) -> Outgoing {
    let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("Wiki.example.com:8443"))]);
    Outgoing { method, path: path.into(), query: query.map(Into::into), headers, form: form.map(Into::into) }
}

fn asserted(user: &str, mut request: Outgoing) -> Outgoing {
    identity().assert(&origin(), &user.parse().unwrap(), NOW, &mut request).unwrap();
    request
}

/// What Tomcat and the OAuth library make of a request: all parameters, and whether the signature is good.
struct Seen {
    parameters: Vec<(String, String)>,
    signature_is_good: bool,
}

impl Seen {
    /// `getParameter`: the first one.
    fn first(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

fn see(request: &Outgoing) -> Seen {
    fn pct(text: &str) -> String {
        text.bytes().fold(String::new(), |mut out, b| {
            if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
                out.push(b as char);
            } else {
                write!(out, "%{b:02X}").unwrap();
            }
            out
        })
    }
    let form = request.form.clone().unwrap_or_default();
    let parameters: Vec<(String, String)> =
        form_urlencoded::parse(request.query.as_deref().unwrap_or("").as_bytes())
            .chain(form_urlencoded::parse(&form))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
    let header = request.headers[header::AUTHORIZATION].to_str().unwrap();
    let fields: Vec<(String, String)> = header
        .strip_prefix("OAuth ")
        .unwrap()
        .split(", ")
        .map(|field| {
            let (name, value) = field.split_once('=').unwrap();
            let value = value.trim_matches('"');
            let value = percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into_owned();
            (name.to_owned(), value)
        })
        .collect();
    let signature = fields.iter().find(|(name, _)| name == "oauth_signature").unwrap().1.clone();
    let mut signed: Vec<String> = fields
        .iter()
        .filter(|(name, _)| name != "realm" && name != "oauth_signature")
        .chain(&parameters)
        .map(|(name, value)| format!("{}\u{1}{}", pct(name), pct(value)))
        .collect();
    signed.sort();
    let normalised = signed.join("&").replace('\u{1}', "=");
    let host = request.headers[header::HOST].to_str().unwrap().to_lowercase();
    let url = format!("https://{host}{}", request.path);
    let base_string = [request.method.as_str(), &pct(&url), &pct(&normalised)].join("&");
    let mut verifier = Verifier::new(MessageDigest::sha1(), &KEY).unwrap();
    verifier.update(base_string.as_bytes()).unwrap();
    let signature_is_good = verifier.verify(&BASE64_STANDARD.decode(signature).unwrap()).unwrap();
    Seen { parameters, signature_is_good }
}

/// Written down a second time, so that the list under test does not judge itself.
fn could_name_a_user(name: &str) -> bool {
    const PREFIXES: [&str; 2] = ["oauth_", "os_"];
    name == "xoauth_requestor_id" || name == "jwt" || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[test]
fn a_minimal_request_has_the_wire_format_that_confluence_takes() {
    let request = asserted("alice", request(Method::GET, "/confluence/rest/api/user/current", None, None));
    assert_eq!(request.query.as_deref(), Some("xoauth_requestor_id=alice"));
    let value = request.headers[header::AUTHORIZATION].to_str().unwrap();
    assert!(
        value.starts_with("OAuth realm=\"\", oauth_consumer_key=\"restward\", oauth_token=\"\", "),
        "{value}"
    );
    assert!(
        value.contains(
            ", oauth_signature_method=\"RSA-SHA1\", oauth_timestamp=\"1764000000\", oauth_nonce=\""
        )
    );
    assert!(request.headers[header::AUTHORIZATION].is_sensitive());
    assert!(see(&request).signature_is_good);
}

#[test]
fn hostile_requests_stay_the_tokens_users() {
    let form = |text: &'static str| Some(text.as_bytes());
    let table: &[(&str, Option<&[u8]>)] = &[
        ("xoauth_requestor_id=admin", None),
        ("%78oauth_requestor_id=admin", None),
        ("xoauth%5Frequestor%5fid=admin", None),
        ("a=%zz&xoauth_requestor_id=admin&b=%", None),
        ("xoauth_requestor_id", None),
        ("oauth_nonce=1&oauth_token=x&oauth%5Fsignature=y", None),
        ("os_username=admin&os_password=x&os_authType=none&%6Fs_cookie=1", None),
        ("jwt=x", None),
        ("", form("xoauth_requestor_id=admin&x=1")),
        ("", form("%78oauth_requestor_id=admin")),
        ("a=1", form("&&=x&os_password=y&a=2")),
        ("q=a+b%20c&q=%2B&z=%C3%BC;x=1&e=&=v", form("a=b&a=%C3%BC+~*")),
    ];
    for (query, form) in table {
        let request =
            asserted("alice", request(Method::POST, "/rest/api/x;jsessionid=1", Some(query), *form));
        let seen = see(&request);
        assert!(seen.signature_is_good, "{query}");
        assert_eq!(seen.first("xoauth_requestor_id"), Some("alice"), "{query}");
        let named: Vec<_> = seen.parameters.iter().filter(|(name, _)| could_name_a_user(name)).collect();
        assert_eq!(named.len(), 1, "{query}: {named:?}");
        assert_eq!(request.path, "/rest/api/x");
    }
}

#[test]
fn what_the_client_asked_is_kept() {
    let request = asserted(
        "jürgen.ł李+&%",
        request(
            Method::POST,
            "/rest/api/%7Ex",
            Some("cql=a+%26+b&expand=x&expand=y&user_id=7&_=1"),
            Some(b"t=%C3%BC&t=2"),
        ),
    );
    let seen = see(&request);
    assert!(seen.signature_is_good);
    let want = [
        ("xoauth_requestor_id", "jürgen.ł李+&%"),
        ("cql", "a & b"),
        ("expand", "x"),
        ("expand", "y"),
        ("user_id", "7"),
        ("_", "1"),
        ("t", "ü"),
        ("t", "2"),
    ];
    assert_eq!(seen.parameters, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let form = request.form.unwrap();
    assert_eq!(request.headers[header::CONTENT_LENGTH], form.len().to_string());
    assert_eq!(request.headers[header::CONTENT_TYPE], "application/x-www-form-urlencoded;charset=UTF-8");
}

#[test]
fn a_request_without_a_usable_host_is_not_signed() {
    for host in [None, Some(""), Some("a:b")] {
        let mut request = request(Method::GET, "/", None, None);
        request.headers.remove(header::HOST);
        if let Some(host) = host {
            request.headers.insert(header::HOST, host.parse().unwrap());
        }
        let got = identity().assert(&origin(), &"alice".parse().unwrap(), NOW, &mut request);
        assert_eq!(got, Err(Reason::MalformedRequest.into()), "{host:?}");
        assert!(!request.headers.contains_key(header::AUTHORIZATION));
    }
}

#[test]
fn nonces_are_never_used_twice() {
    let values: std::collections::HashSet<String> = (0..50)
        .map(|_| asserted("alice", request(Method::GET, "/", None, None)))
        .map(|request| {
            let value = request.headers[header::AUTHORIZATION].to_str().unwrap().to_owned();
            value.split("oauth_nonce=\"").nth(1).unwrap()[..32].to_owned()
        })
        .collect();
    assert_eq!(values.len(), 50);
}

#[test]
fn a_damaged_assertion_has_a_bad_signature_and_nothing_else_changed() {
    for _ in 0..30 {
        let good = asserted("alice", request(Method::GET, "/", None, None));
        let mut bad = good.clone();
        oauth1::damage(&mut bad.headers).unwrap();
        assert!(see(&good).signature_is_good && !see(&bad).signature_is_good);
        let start = |r: &Outgoing| {
            r.headers[header::AUTHORIZATION]
                .to_str()
                .unwrap()
                .split("oauth_signature=\"")
                .next()
                .unwrap()
                .to_owned()
        };
        assert_eq!(start(&good), start(&bad));
    }
}

/// A spelling of `name` in which any character may be percent-encoded.
fn spelled(name: &'static str) -> impl Strategy<Value = String> {
    prop::collection::vec(0_u8..4, name.len()).prop_map(move |kinds| {
        name.bytes().zip(kinds).fold(String::new(), |out, (byte, kind)| match kind {
            0 => out + &format!("%{byte:02X}"),
            1 => out + &format!("%{byte:02x}"),
            _ => out + &char::from(byte).to_string(),
        })
    })
}

fn pair() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        spelled("xoauth_requestor_id"),
        spelled("oauth_token"),
        spelled("oauth_consumer_key"),
        spelled("os_username"),
        spelled("os_authType"),
        "[a-z%+;]{0,6}",
        "\\PC{0,6}".prop_map(|text| text.replace(['#', '&'], "")),
    ];
    let value = prop_oneof![Just("admin".to_owned()), "[a-z0-9%+;=]{0,8}", "(%[0-9a-fA-F]{2}){0,6}"];
    (name, prop_oneof![Just("="), Just("")], value)
        .prop_map(|(name, sign, value)| format!("{name}{sign}{value}"))
}

fn parameters() -> impl Strategy<Value = String> {
    prop::collection::vec(pair(), 0..8).prop_map(|pairs| pairs.join("&"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever parameters a client sends, in query and form, in whatever spelling: the token's user is the only one
    /// that is named, and the signature is good.
    #[test]
    fn nobody_else_can_be_named(
        query in parameters(),
        form in prop::option::of(parameters()),
        path in "(/[a-zA-Z0-9.~;=%\\[\\]|-]{0,8}){1,4}",
        user in "[a-z][\\PC&&[^\\s]]{0,10}",
    ) {
        prop_assume!(user.parse::<Username>().is_ok());
        let seen = see(&asserted(&user, request(Method::POST, &path, Some(&query), form.as_deref().map(str::as_bytes))));
        prop_assert!(seen.signature_is_good);
        prop_assert_eq!(seen.first("xoauth_requestor_id"), Some(user.as_str()));
        let named = seen.parameters.iter().filter(|(name, _)| could_name_a_user(name)).count();
        prop_assert_eq!(named, 1);
    }
}
