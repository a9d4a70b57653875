//! The signer against an implementation that is not ours: net.oauth on real Tomcat. Run by `cargo test -p
//! restward-sidecar --test standin`; not part of the plain test run, because it needs a JDK and starts Tomcats.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::similar_names,
    reason = "a test program: its helpers are not inside #[test] functions, but fail a test all the same"
)]

mod access_log;
mod managed;
mod matrix;
mod paths;
#[path = "../suite/support/port.rs"]
mod port;
mod relay;
mod rotation;
mod socket;
mod support;
mod tunnel;
mod user_header;
mod verify;
mod wiki;

use std::env;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use proptest::{
    prelude::*,
    test_runner::{Config as Proptest, RngSeed, TestRunner},
};
use restward_crds::{condition::UpstreamReason, reason::Reason};
use restward_sidecar::{
    calibrate::oauth_problem,
    identity::{Origin, Outgoing, oauth1::damage, query},
    refusal::Deny,
};
use serde_json::{Value, json};
use wiki::{Sidecar, Wiki};

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// The same `cases` in each run, so that a change is judged by what it changes; `make fuzz` sets proptest's own variables
/// (`PROPTEST_CASES`, `PROPTEST_RNG_SEED`) and looks further.
fn explorer(cases: u32) -> TestRunner {
    let asked = Proptest::default();
    TestRunner::new(Proptest {
        cases: if env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { cases },
        rng_seed: if env::var_os("PROPTEST_RNG_SEED").is_some() { asked.rng_seed } else { RngSeed::Fixed(1) },
        failure_persistence: None,
        max_shrink_time: 20_000,
        ..asked
    })
}

/// What the test path of the stand-in says about a request.
async fn echo(wiki: &Wiki, request: Outgoing) -> Value {
    let shown = format!("{} {} {:?}", request.method, request.path, request.query);
    let answer = wiki.send(request).await;
    assert_eq!(answer.status, 200, "{shown}: {:?}", oauth_problem(&answer.headers));
    serde_json::from_slice(&answer.body).unwrap()
}

fn form(wiki: &Wiki, path: &str, query: Option<&str>, body: &[u8]) -> Outgoing {
    let mut request = wiki.request(Method::POST, path, query);
    request.headers.insert(header::CONTENT_TYPE, FORM);
    request.form = Some(body.to_vec());
    request
}

async fn linked(variables: &[(&str, &str)], pod: &Value) -> (Wiki, Sidecar, Origin) {
    let wiki = Wiki::start(variables);
    let id = wiki.make_link().await;
    wiki.allow_impersonation(&id).await;
    let sidecar = wiki.sidecar(&wiki.key_pem, pod);
    let origin = sidecar.trusted().await;
    (wiki, sidecar, origin)
}

#[tokio::test]
async fn calibration_says_what_is_missing() {
    let wiki = Wiki::start(&[]);
    let sidecar = wiki.sidecar(&wiki.key_pem, &json!({}));
    let reason = async || {
        sidecar.calibration.calibrate().await;
        sidecar.calibration.report().reason
    };
    assert_eq!(reason().await, UpstreamReason::LinkMissing);
    assert_eq!(sidecar.calibration.origin(), Err(Reason::LinkMissing.into()));
    let id = wiki.make_link().await;
    assert_eq!(reason().await, UpstreamReason::ImpersonationOff);
    wiki.allow_impersonation(&id).await;
    assert_eq!(reason().await, UpstreamReason::Trusted);

    let other_key = openssl::pkey::PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
    let stranger = wiki.sidecar(&other_key.private_key_to_pem_pkcs8().unwrap(), &json!({}));
    stranger.calibration.calibrate().await;
    assert_eq!(stranger.calibration.report().reason, UpstreamReason::SignatureInvalid);
    assert_eq!(stranger.calibration.origin(), Err(Reason::UpstreamRejected.into()));
}

#[tokio::test]
async fn users_are_confirmed_and_requests_run_as_them() {
    let (wiki, sidecar, origin) = linked(&[("STANDIN_ANONYMOUS", "true")], &json!({})).await;
    let odd = ["carol@example.test", "dan+ops", "eve smith", "50%", "x%41", "a&b=c"];
    for user in ["alice", "ALICE", "Alice.Smith", "alice.smith", "jürgen", "łukasz"].iter().chain(&odd) {
        assert_eq!(sidecar.users.confirm_user(&user.parse().unwrap()).await, Ok(()), "{user}");
        let request = wiki.request(Method::GET, "/rest/standin/1.0/echo", None);
        let seen = echo(&wiki, sidecar.assert(&origin, user, request)).await;
        assert_eq!(seen["user"].as_str().unwrap().to_lowercase(), user.to_lowercase());
    }
    for user in ["mallory-unknown", "dora", "a+b", "xA", "dan ops", "eve+smith", "50%25", "a"] {
        let answer = sidecar.users.confirm_user(&user.parse().unwrap()).await;
        assert_eq!(answer, Err(Reason::UserUnknown.into()), "{user}");
    }
}

#[tokio::test]
async fn tokens_of_the_wikis_own_are_told_from_invented_ones() {
    let (wiki, sidecar, origin) = linked(&[("STANDIN_ANONYMOUS", "true")], &json!({})).await;
    let request = wiki.request(Method::GET, "/rest/standin/1.0/oauth2-token", None);
    let token = echo(&wiki, sidecar.assert(&origin, "alice", request)).await["access_token"].clone();
    let oauth2 = format!("Bearer {}", token.as_str().unwrap());
    let no = Err(Deny::from(Reason::CredentialNotAccepted));
    let table = [
        ("Bearer MDAwMDAwMDAwMDAxOnJlc3R3YXJkLXN0YW5kaW4tcGF0", Ok(())),
        ("Bearer MDAwMDAwMDAwMDAxOnJlc3R3YXJkLXN0YW5kaW4tcGFX", no.clone()),
        (&oauth2, Ok(())),
        (&format!("{oauth2}x"), no),
    ];
    for (authorization, want) in table {
        assert_eq!(
            sidecar.users.confirm_bearer(&authorization.parse().unwrap()).await,
            want,
            "{authorization}"
        );
    }
}

/// Requests that try to be somebody else, or that two parsers could read differently.
#[tokio::test]
async fn hostile_requests_run_as_the_tokens_user() {
    let (wiki, sidecar, origin) = linked(&[], &json!({})).await;
    let path = "/rest/standin/1.0/echo";
    for query in [
        "xoauth_requestor_id=admin",
        "%78oauth_requestor_id=admin&a=1",
        "oauth_token=x&oauth_nonce=1&oauth%5Fconsumer_key=y",
        "os_username=admin&os_password=admin-password",
        "%6fs_username=admin&os%5Fpassword=admin-password&os_authType=basic",
        "a=%zz&=v&&b&c=1;d=2&e=%FF%C0%AF&f=%ED%A0%80&g=%00",
        "q=a+b%20c%2Bd&z=%C3%BC&u=\u{fc}&~=-._~*'()!",
        "user_id=admin&jwt=x.y.z",
    ] {
        for request in [
            wiki.request(Method::GET, path, Some(query)),
            wiki.request(Method::DELETE, path, Some(query)),
            form(&wiki, path, None, query.as_bytes()),
            form(&wiki, path, Some(query), query.as_bytes()),
        ] {
            let seen = echo(&wiki, sidecar.assert(&origin, "alice", request)).await;
            assert_eq!(seen["user"], "alice", "{query}");
            let parameters = seen["parameters"].as_object().unwrap();
            assert_eq!(parameters["xoauth_requestor_id"], json!(["alice"]), "{query}");
            for name in parameters.keys() {
                let named = ["oauth_", "os_", "jwt"].iter().any(|start| name.starts_with(start));
                assert!(!named, "{query}: {name}");
            }
        }
    }
}

#[tokio::test]
async fn paths_and_headers_do_not_break_the_signature() {
    let (wiki, sidecar, origin) =
        linked(&[("ATL_TOMCAT_PROXY_INTERNAL_IPS", "127\\.0\\.0\\.1")], &json!({})).await;
    for path in [
        "/~x",
        "/%7Ex",
        "/a%20b",
        "/%C3%BC",
        "/%c3%bc",
        "/a;jsessionid=1/b;v=1",
        "/a//b",
        "/a/./b",
        "/[x]|{y}",
        "/a:@$,=+b",
    ] {
        let mut request =
            wiki.request(Method::GET, &format!("/rest/standin/1.0/echo{path}"), Some("b=2&a=1&a=0"));
        for (name, value) in [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-port", "1"),
            ("x-forwarded-for", "192.0.2.7"),
            ("forwarded", "proto=https;host=evil.example"),
            ("user-agent", "WebDAVFS/3.0.0 Darwin"),
            ("cookie", "JSESSIONID=0123456789ABCDEF"),
            ("authorization", "Basic YWRtaW46YWRtaW4tcGFzc3dvcmQ="),
        ] {
            request.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let seen = echo(&wiki, sidecar.assert(&origin, "alice", request)).await;
        assert_eq!(seen["user"], "alice", "{path}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_form_is_not_signed_and_a_replay_is_refused() {
    let (wiki, sidecar, origin) = linked(&[], &json!({})).await;
    let mut request = wiki.request(Method::POST, "/rest/standin/1.0/echo", None);
    request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut signed = sidecar.assert(&origin, "alice", request);
    signed.form = Some(b"{\"xoauth_requestor_id\": \"admin\"}".to_vec());
    let seen = echo(&wiki, signed.clone()).await;
    assert_eq!((&seen["user"], &seen["bodyLength"]), (&json!("alice"), &json!(32)));
    assert_eq!(oauth_problem(&wiki.send(signed).await.headers).as_deref(), Some("nonce_used"));
}

/// The connectors of real deployments, and that each is found.
#[tokio::test]
async fn every_connector_is_found() {
    type Variables = &'static [(&'static str, &'static str)];
    const HTTPS: Variables = &[("ATL_TOMCAT_SCHEME", "https"), ("ATL_TOMCAT_SECURE", "true")];
    const PROXY: Variables = &[
        ("ATL_TOMCAT_SCHEME", "https"),
        ("ATL_TOMCAT_SECURE", "true"),
        ("ATL_PROXY_NAME", "Wiki.Example.com"),
        ("ATL_PROXY_PORT", "443"),
    ];
    const ODD_PORT: Variables = &[("ATL_PROXY_NAME", "wiki.example.com"), ("ATL_PROXY_PORT", "8443")];
    let pod = json!({"scheme": "https", "proxyName": "Wiki.Example.com", "proxyPort": 443});
    let table = [
        ("the chart's default, the pod says so", HTTPS, json!({"scheme": "https"}), "https://<Host header>"),
        ("the chart's default, nobody says so", HTTPS, json!({}), "https://<Host header>"),
        ("behind an ingress", PROXY, pod.clone(), "https://Wiki.Example.com:443"),
        ("the pod is wrong about everything", &[], pod, "http://<Host header>"),
        (
            "an odd port",
            ODD_PORT,
            json!({"proxyName": "wiki.example.com", "proxyPort": 8443}),
            "http://wiki.example.com:8443",
        ),
    ];
    for (name, variables, pod, want) in table {
        let (wiki, sidecar, origin) = linked(variables, &pod).await;
        assert_eq!(origin.describe(), want, "{name}");
        // A client's Host takes part in the signature where no proxyName is set.
        for host in ["wiki.example.com", "WIKI.example.com:443", "wiki.example.com:80", "[::1]:8090", "a.b."]
        {
            let mut request = wiki.request(Method::GET, "/rest/standin/1.0/echo", None);
            request.headers.insert(header::HOST, HeaderValue::from_static(host));
            let seen = echo(&wiki, sidecar.assert(&origin, "alice", request)).await;
            assert_eq!(seen["user"], "alice", "{name} as {host}");
        }
    }
}

/// Whatever parameters are sent, in query and form, net.oauth takes the signature, and Tomcat sees the parameters that
/// our own reading predicts.
#[test]
fn tomcat_reads_parameters_as_we_do() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (wiki, sidecar, origin) = runtime.block_on(linked(&[], &json!({})));
    let text = || {
        let part = prop_oneof![
            "[a-z0-9%+;=*~'()!,.:@/?-]{0,8}",
            "(%[0-9a-fA-F]{2}){1,5}",
            Just("xoauth_requestor_id".to_owned()),
            Just("%78oauth_requestor_id".to_owned()),
            Just("os_username".to_owned()),
            Just("ü".to_owned()),
        ];
        prop::collection::vec((part.clone(), prop_oneof![Just("="), Just("")], part), 0..6).prop_map(
            |pairs| {
                pairs
                    .into_iter()
                    .map(|(name, sign, value)| format!("{name}{sign}{value}"))
                    .collect::<Vec<_>>()
                    .join("&")
            },
        )
    };
    let mut runner = explorer(300);
    let outcome = runner.run(&(text(), prop::option::of(text())), |(query, body)| {
        let path = "/rest/standin/1.0/echo";
        let request = match &body {
            Some(body) => form(&wiki, path, Some(&query), body.as_bytes()),
            None => wiki.request(Method::GET, path, Some(&query)),
        };
        let seen = runtime.block_on(echo(&wiki, sidecar.assert(&origin, "alice", request)));
        prop_assert_eq!(&seen["user"], "alice");
        let mut want = serde_json::Map::from_iter([("xoauth_requestor_id".to_owned(), json!(["alice"]))]);
        let read =
            [query::parse(query.as_bytes()), query::parse(body.unwrap_or_default().as_bytes())].concat();
        for (name, value) in read.into_iter().filter(|(name, _)| !query::names_a_user(name)) {
            want.entry(name).or_insert_with(|| json!([])).as_array_mut().unwrap().push(json!(value));
        }
        prop_assert_eq!(&seen["parameters"], &Value::Object(want));
        Ok(())
    });
    outcome.unwrap();
}

/// The same bytes unsigned and uncleaned, to Tomcat itself: our reading of a query is Tomcat's, not only a reading that
/// survives our own writing.
#[test]
fn tomcat_reads_raw_queries_as_we_do() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let wiki = Wiki::start(&[("STANDIN_ANONYMOUS", "true")]);
    let mut runner = explorer(300);
    let outcome = runner.run(&"([a-z]{1,3}|[%+;=&]|%[2-7][0-9a-f]|%C3%BC|=v|%zz|%){0,10}", |text| {
        let body = form(&wiki, "/rest/standin/1.0/echo", None, text.as_bytes());
        let seen = runtime.block_on(echo(&wiki, body));
        let mut want = serde_json::Map::new();
        for (name, value) in query::parse(text.as_bytes()) {
            want.entry(name).or_insert_with(|| json!([])).as_array_mut().unwrap().push(json!(value));
        }
        prop_assert_eq!(&seen["parameters"], &Value::Object(want));
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn without_the_assertion_the_same_request_is_nobodys() {
    let (wiki, sidecar, origin) = linked(&[], &json!({})).await;
    let signed = sidecar.assert(&origin, "alice", wiki.request(Method::GET, "/rest/standin/1.0/echo", None));
    let mut unsigned = signed.clone();
    unsigned.headers = HeaderMap::from_iter([(header::HOST, signed.headers[header::HOST].clone())]);
    assert_eq!(echo(&wiki, unsigned).await["user"], Value::Null);
    let mut damaged = signed;
    damage(&mut damaged.headers).unwrap();
    let answer = wiki.send(damaged).await;
    assert_eq!(oauth_problem(&answer.headers).as_deref(), Some("signature_invalid"));
}

/// Confluence takes a pair without quotes for none, misses a parameter, and goes on as anonymous: 200. Through the
/// sidecar it is 401.
#[tokio::test]
async fn an_oauth_pair_without_quotes_makes_nobody_anonymous() {
    let wiki = Wiki::start(&[("STANDIN_ANONYMOUS", "true")]);
    let sidecar = wiki.whole_sidecar().await;
    let path = "/confluence/rest/standin/1.0/echo";
    let asked = |nonce: &str| {
        let mut request = wiki.request(Method::GET, "", None);
        let header = format!(
            "OAuth oauth_consumer_key=\"partner\", oauth_token=\"\", oauth_signature_method=\"RSA-SHA1\", \
             oauth_signature=\"x\", oauth_timestamp=\"1\", {nonce}"
        );
        request.headers.insert(header::AUTHORIZATION, HeaderValue::try_from(header).unwrap());
        path.clone_into(&mut request.path);
        request
    };
    let answer = wiki.send(asked("oauth_nonce=n")).await;
    let seen: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        (answer.status.as_u16(), &seen["user"]),
        (200, &Value::Null),
        "Confluence lets it pass as nobody"
    );
    let answer = wiki.through(sidecar.data, asked("oauth_nonce=n"), path).await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status.as_u16(), &body["reason"]), (401, &json!("oauth1_incomplete")));
    // With quotes it is a request of a partner, and Confluence judges it.
    let answer = wiki.through(sidecar.data, asked("oauth_nonce=\"n\""), path).await;
    assert_eq!(oauth_problem(&answer.headers).as_deref(), Some("consumer_key_unknown"));
}
