//! The parts of a request's way through the sidecar, each by itself. `cargo bench --package restward-bench`.

#![allow(clippy::expect_used, missing_docs, reason = "a benchmark that cannot be set up should stop")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method, Uri};
use openssl::{hash::MessageDigest, pkey::PKey, rsa::Rsa, sign::Signer};
use restward_crds::{
    sidecar::{config::AnonymousPaths, identity::IdentitySettings, terms::Scheme},
    text::Username,
};
use restward_fuzz::token::{self, NOW, World};
use restward_sidecar::{
    auth::{self, RawToken},
    credential::Presented,
    identity::{Identity, Origin, Outgoing, strip},
    route::Route,
    target::Target,
};

fn verify(criterion: &mut Criterion) {
    let World { settings, keys } = &*token::WORLD;
    let mut group = criterion.benchmark_group("verify");
    for (name, token) in ["RS256", "ES256", "EdDSA"].into_iter().zip(token::signed()) {
        let token = RawToken::parse(token.as_bytes()).expect("a token");
        assert!(auth::authenticate(settings, keys, &token, NOW).is_ok());
        group.bench_function(name, |bencher| {
            bencher.iter(|| auth::authenticate(settings, keys, black_box(&token), NOW));
        });
    }
}

fn sign(criterion: &mut Criterion) {
    let rsa = Rsa::generate(2048).expect("a key");
    let key = PKey::from_rsa(rsa).expect("a key");
    let pem = key.private_key_to_pem_pkcs8().expect("PEM");
    let consumer = IdentitySettings::OAuth1 { consumer_key: "restward".into() };
    let identity = Identity::new(&consumer, &pem, None).expect("a signer");
    let origin =
        Origin { scheme: Scheme::Https, proxy_name: Some("wiki.example.com".into()), proxy_port: Some(443) };
    let user: Username = "alice".parse().expect("a name");
    let call = || {
        let mut outgoing =
            Outgoing::get("/rest/api/content/123456", HeaderValue::from_static("wiki.example.com"));
        outgoing.query = Some("expand=body.storage,version&limit=25".into());
        outgoing
    };
    let mut group = criterion.benchmark_group("sign");
    group.bench_function("bare RSA-2048 signature", |bencher| {
        bencher.iter(|| {
            let mut signer = Signer::new(MessageDigest::sha1(), &key).expect("a signer");
            signer.sign_oneshot_to_vec(black_box(&[7; 300])).expect("a signature")
        });
    });
    group.bench_function("asserted request", |bencher| {
        bencher.iter(|| {
            let mut outgoing = call();
            identity.assert(&origin, &user, NOW, black_box(&mut outgoing)).map(|()| outgoing)
        });
    });
}

fn headers() -> HeaderMap {
    [
        ("host", "wiki.example.com"),
        ("user-agent", "python-requests/2.32"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, deflate"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "0123456789abcdef0123456789abcdef"),
        ("authorization", token::signed().next().unwrap_or_default()),
    ]
    .into_iter()
    .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)))
    .collect()
}

fn read(criterion: &mut Criterion) {
    let anonymous = AnonymousPaths::default();
    let mut group = criterion.benchmark_group("read");
    for (name, target) in
        [("plain", "/rest/api/content/1?expand=body"), ("escaped", "/rest/api/%7Ealice/a%20b;v=1/../c")]
    {
        let uri: Uri = target.parse().expect("a target");
        group.bench_function(format!("route {name}"), |bencher| {
            bencher.iter(|| {
                Target::parse(&Method::GET, black_box(&uri))
                    .map(|target| Route::of(&Method::GET, &target, "", &anonymous))
            });
        });
    }
    let headers = headers();
    group.bench_function("credential", |bencher| {
        bencher.iter(|| Presented::of(black_box(&headers), Some("expand=body.storage"), None));
    });
    group.bench_function("strip", |bencher| {
        bencher.iter(|| {
            let mut headers = headers.clone();
            strip::for_assertion(black_box(&mut headers));
            headers
        });
    });
}

criterion_group!(parts, verify, sign, read);
criterion_main!(parts);
