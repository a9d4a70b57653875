//! The parts of a request's way through the sidecar, each by itself. `cargo bench --package restward-bench`.

#![allow(clippy::expect_used, missing_docs, reason = "a benchmark that cannot be set up should stop")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Method, Uri};
use openssl::{hash::MessageDigest, pkey::PKey, rsa::Rsa, sign::Signer};
use restward_crds::{
    sidecar::{config::AnonymousPaths, identity::IdentitySettings, parse, terms::Scheme},
    text::Username,
};
use restward_sidecar::{
    auth::{self, RawToken},
    credential::Presented,
    identity::{Identity, Origin, Outgoing, strip},
    keys::{IssuerKeys, Snapshot, snapshot::usable_keys},
    route::Route,
    target::Target,
    time::UnixTime,
};
use serde_json::json;

const JWKS: &str = include_str!("../../sidecar/fuzz/src/token/jwks.json");
const SIGNED: &str = include_str!("../../sidecar/fuzz/src/token/signed.txt");
const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn verify(criterion: &mut Criterion) {
    let config = json!({
        "version": 1,
        "policy": {"namespace": "atlassian", "name": "wiki", "uid": "u", "generation": 1},
        "mode": "Enforce",
        "issuers": [{"host": "https://sso.example.com", "realm": "wiki"}],
        "usernameAttribute": "preferred_username",
        "serviceAccounts": [],
        "basicAuth": "Deny",
        "credentials": {},
        "upstream": {"identity": {"oauth1": {"consumerKey": "restward"}}}
    });
    let settings = parse::from_json(config.to_string().as_bytes()).expect("a good configuration");
    let keys = usable_keys(&serde_json::from_str(JWKS).expect("a key set")).expect("keys");
    let names = vec!["https://sso.example.com/realms/wiki".to_owned()];
    let keys = Snapshot::new(vec![IssuerKeys { names, keys, ..IssuerKeys::default() }]);
    let mut group = criterion.benchmark_group("verify");
    for (name, token) in ["RS256", "ES256", "EdDSA"].into_iter().zip(SIGNED.lines()) {
        let token = RawToken::parse(token.as_bytes()).expect("a token");
        assert!(auth::authenticate(&settings, &keys, &token, NOW).is_ok());
        group.bench_function(name, |bencher| {
            bencher.iter(|| auth::authenticate(&settings, &keys, black_box(&token), NOW));
        });
    }
}

fn sign(criterion: &mut Criterion) {
    let rsa = Rsa::generate(2048).expect("a key");
    let key = PKey::from_rsa(rsa).expect("a key");
    let pem = key.private_key_to_pem_pkcs8().expect("PEM");
    let consumer = IdentitySettings::OAuth1 { consumer_key: "restward".into() };
    let identity = Identity::new(&consumer, &pem).expect("a signer");
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
        ("authorization", SIGNED.lines().next().unwrap_or_default()),
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
