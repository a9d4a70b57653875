//! What a scripted identity provider makes of a fetch.

use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::{
    auth::{
        checks::testing::{issuer_settings, keycloak_at},
        forge,
    },
    loopback::scripted::{Asked, Reply, Scripted},
};

fn install_tls() {
    // Another test may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

async fn fetched(
    reply: impl Fn(&Asked, &str) -> Reply + Send + Sync + 'static,
) -> Result<IssuerKeys, Failure> {
    install_tls();
    let provider = Scripted::start(move |asked| {
        reply(asked, &format!("http://{}", asked.headers["host"].to_str().unwrap()))
    })
    .await;
    let mut issuer = issuer_settings();
    issuer.source = keycloak_at(&format!("http://127.0.0.1:{}", provider.port()));
    Fetcher::new(None).unwrap().keys_of(&issuer).await
}

fn ok(body: &serde_json::Value) -> Reply {
    (200, vec![], body.to_string())
}

fn discovery(base: &str, issuer: &str, jwks: &str) -> Reply {
    ok(&json!({"issuer": format!("{base}{issuer}"), "jwks_uri": format!("{base}{jwks}")}))
}

const PLAIN: &str = "/realms/wiki/.well-known/openid-configuration";
const BELOW_AUTH: &str = "/auth/realms/wiki/.well-known/openid-configuration";

fn jwks() -> Reply {
    ok(
        &json!({"keys": [forge::rsa_key().jwk("k1"), {"kty": "RSA", "use": "enc", "n": "AQ", "e": "AQAB", "kid": "e1"}]}),
    )
}

#[tokio::test]
async fn keys_are_found_at_the_root_and_below_auth() {
    for (path, realm) in [(PLAIN, "/realms/wiki"), (BELOW_AUTH, "/auth/realms/wiki")] {
        let keys = fetched(move |asked, base| match asked.target.as_str() {
            target if target == path => discovery(base, realm, "/certs"),
            "/certs" => jwks(),
            _ => (404, vec![], String::new()),
        })
        .await
        .unwrap();
        assert_eq!(keys.keys.len(), 1);
        assert!(keys.names[0].ends_with(realm), "{:?}", keys.names);
    }
}

#[tokio::test]
async fn each_failure_has_its_reason() {
    use ProviderReason as P;
    type Answer = fn(&Asked, &str) -> Reply;
    fn with_jwks(asked: &Asked, base: &str, jwks: Reply) -> Reply {
        if asked.target == "/certs" { jwks } else { discovery(base, "/realms/wiki", "/certs") }
    }
    let table: &[(&str, Answer, P)] = &[
        ("no realm", |_, _| (404, vec![], "Realm does not exist".into()), P::RealmNotFound),
        ("down", |_, _| (503, vec![], String::new()), P::Unreachable),
        ("forbidden", |_, _| (403, vec![], String::new()), P::UnexpectedAnswer),
        (
            "redirect",
            |_, _| (302, vec![("location", "http://127.0.0.1:1/")], String::new()),
            P::UnexpectedAnswer,
        ),
        ("a page", |_, _| (200, vec![], "<html>".into()), P::UnexpectedAnswer),
        ("no members", |_, _| ok(&json!({})), P::UnexpectedAnswer),
        (
            "huge",
            |_, _| (200, vec![], format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_ANSWER))),
            P::UnexpectedAnswer,
        ),
        ("another issuer", |_, base| discovery(base, "/realms/other", "/certs"), P::IssuerMismatch),
        (
            "keys elsewhere",
            |_, base| {
                ok(&json!({"issuer": format!("{base}/realms/wiki"), "jwks_uri": "http://127.0.0.2:1/certs"}))
            },
            P::UnexpectedAnswer,
        ),
        (
            "keys at the metadata service",
            |_, base| {
                ok(
                    &json!({"issuer": format!("{base}/realms/wiki"), "jwks_uri": "https://169.254.169.254/certs"}),
                )
            },
            P::Unreachable,
        ),
        ("no keys", |asked, base| with_jwks(asked, base, ok(&json!({"keys": []}))), P::NoUsableKeys),
        ("no key set", |asked, base| with_jwks(asked, base, ok(&json!({"key": []}))), P::UnexpectedAnswer),
        (
            "keys twice",
            |asked, base| with_jwks(asked, base, (200, vec![], r#"{"keys":[],"keys":[]}"#.into())),
            P::UnexpectedAnswer,
        ),
    ];
    for (name, answer, want) in table {
        let failure = fetched(*answer).await.err().unwrap();
        assert_eq!(failure.reason, *want, "{name}: {}", failure.message);
        assert!(!failure.message.contains("Realm does not exist"), "an answer's text is not repeated");
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    install_tls();
    let mut issuer = issuer_settings();
    issuer.source = keycloak_at("http://127.0.0.1:1");
    let failure = Fetcher::new(None).unwrap().keys_of(&issuer).await.err().unwrap();
    assert_eq!(failure.reason, ProviderReason::Unreachable);
    issuer.source = keycloak_at("http://169.254.169.254");
    let failure = Fetcher::new(None).unwrap().keys_of(&issuer).await.err().unwrap();
    assert!(failure.message.contains("may not be asked"), "{}", failure.message);
}

/// Each of several addresses could take the whole time, and what was said of the first would be lost.
#[tokio::test]
async fn of_addresses_that_do_not_answer_one_is_named_and_all_together_have_one_deadline() {
    install_tls();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut issuer = issuer_settings();
    issuer.source = keycloak_at(&format!("http://{}", silent.local_addr().unwrap()));
    let asked = discovery::candidates(&issuer);
    assert!(asked.len() > 1, "{asked:?}");
    let question = tokio::spawn(async move { Fetcher::new(None).unwrap().keys_of(&issuer).await });
    let _open = silent.accept().await.unwrap();
    let failure = tokio::select! {
        answer = question => answer.unwrap().err().unwrap(),
        _ = silent.accept() => panic!("another address was asked after the deadline"),
    };
    assert_eq!(failure.reason, ProviderReason::Unreachable);
    assert!(failure.message.starts_with(&format!("{} did not answer", asked[0])), "{}", failure.message);
}

#[test]
fn what_is_said_of_a_slow_address_is_the_time_that_it_had() {
    for (left, says) in [
        (DEADLINE, "did not answer within 5 s"),
        (Duration::from_millis(4980), "did not answer within 5 s"),
        (Duration::from_millis(230), "within the 0.2 s that the addresses before it left"),
        (Duration::ZERO, "was not asked"),
    ] {
        assert!(too_slow(left).contains(says), "{left:?}: {}", too_slow(left));
    }
}

#[test]
fn a_ca_bundle_must_be_one() {
    install_tls();
    for bad in [&b""[..], b"not PEM", b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"] {
        assert!(Fetcher::new(Some(bad)).is_err(), "{}", String::from_utf8_lossy(bad));
    }
}

/// Certificates, and a TLS server that answers 404 to everything.
pub(crate) mod tls {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
    };

    use openssl::{
        asn1::Asn1Time,
        bn::BigNum,
        hash::MessageDigest,
        pkey::{PKey, Private},
        rsa::Rsa,
        ssl::{SslAcceptor, SslMethod},
        x509::{
            X509, X509Builder, X509NameBuilder,
            extension::{BasicConstraints, SubjectAlternativeName},
        },
    };

    pub(crate) struct Authority {
        key: PKey<Private>,
        certificate: X509,
    }

    fn builder(name: &str, key: &PKey<Private>) -> X509Builder {
        let mut subject = X509NameBuilder::new().unwrap();
        subject.append_entry_by_text("CN", name).unwrap();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_serial_number(&BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap()).unwrap();
        builder.set_subject_name(&subject.build()).unwrap();
        builder.set_pubkey(key).unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
        builder
    }

    fn key() -> PKey<Private> {
        PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
    }

    impl Authority {
        pub(crate) fn new() -> Self {
            let key = key();
            let mut ca = builder("test authority", &key);
            let name = X509NameBuilder::new().map(|mut name| {
                name.append_entry_by_text("CN", "test authority").unwrap();
                name.build()
            });
            ca.set_issuer_name(&name.unwrap()).unwrap();
            ca.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
            ca.sign(&key, MessageDigest::sha256()).unwrap();
            Self { certificate: ca.build(), key }
        }

        pub(crate) fn pem(&self) -> Vec<u8> {
            self.certificate.to_pem().unwrap()
        }

        /// Port of a server with a certificate for this address.
        pub(crate) fn serve(&self, address: &str) -> u16 {
            let key = key();
            let mut leaf = builder("server", &key);
            leaf.set_issuer_name(self.certificate.subject_name()).unwrap();
            let names = SubjectAlternativeName::new()
                .ip(address)
                .build(&leaf.x509v3_context(Some(&self.certificate), None))
                .unwrap();
            leaf.append_extension(names).unwrap();
            leaf.sign(&self.key, MessageDigest::sha256()).unwrap();
            let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
            acceptor.set_private_key(&key).unwrap();
            acceptor.set_certificate(&leaf.build()).unwrap();
            let acceptor = acceptor.build();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    if let Ok(mut tls) = acceptor.accept(stream) {
                        let _ = tls.read(&mut [0; 4096]);
                        let _ = tls
                            .write_all(b"HTTP/1.1 404 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                    }
                }
            });
            port
        }
    }
}

#[tokio::test]
async fn certificates_are_checked_against_the_configured_authorities() {
    install_tls();
    let (ours, theirs) = (tls::Authority::new(), tls::Authority::new());
    // "No realm here" is what the server says to whom it could talk.
    let table = [
        ("trusted", ours.pem(), ours.serve("127.0.0.1"), ProviderReason::RealmNotFound),
        ("another authority", theirs.pem(), ours.serve("127.0.0.1"), ProviderReason::TlsUntrusted),
        ("another name", ours.pem(), ours.serve("127.0.0.2"), ProviderReason::TlsUntrusted),
    ];
    for (name, ca, port, want) in table {
        let mut issuer = issuer_settings();
        issuer.source = keycloak_at(&format!("https://127.0.0.1:{port}"));
        let failure = Fetcher::new(Some(&ca)).unwrap().keys_of(&issuer).await.err().unwrap();
        assert_eq!(failure.reason, want, "{name}: {}", failure.message);
    }
    // Without own authorities, those of the system, which do not know ours.
    let mut issuer = issuer_settings();
    issuer.source = keycloak_at(&format!("https://127.0.0.1:{}", ours.serve("127.0.0.1")));
    let failure = Fetcher::new(None).unwrap().keys_of(&issuer).await.err().unwrap();
    assert_eq!(failure.reason, ProviderReason::TlsUntrusted, "{}", failure.message);
}
