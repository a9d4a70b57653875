//! Keys of the realm and of the application link, and tokens in every wrong way.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as B64};
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    hash::MessageDigest,
    pkey::{PKey, Private, Public},
    rsa::Rsa,
    sign::Signer,
    x509::{X509, X509Name, extension::BasicConstraints},
};
use serde_json::{Value, json};

pub(crate) type Key = PKey<Private>;

fn generate() -> Key {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

static REALM: LazyLock<Key> = LazyLock::new(generate);
static OTHER: LazyLock<Key> = LazyLock::new(generate);
static CONSUMER: LazyLock<Key> = LazyLock::new(generate);
static NEXT_CONSUMER: LazyLock<Key> = LazyLock::new(generate);

/// The realm's signing key.
pub(crate) fn realm() -> &'static Key {
    &REALM
}

/// A key that the realm did not publish at first.
pub(crate) fn other() -> &'static Key {
    &OTHER
}

/// The consumer's key.
pub(crate) fn consumer() -> &'static Key {
    &CONSUMER
}

/// The one that follows it.
pub(crate) fn next_consumer() -> &'static Key {
    &NEXT_CONSUMER
}

pub(crate) fn pem(key: &Key) -> Vec<u8> {
    key.private_key_to_pem_pkcs8().unwrap()
}

pub(crate) fn public(key: &Key) -> PKey<Public> {
    PKey::public_key_from_pem(&key.public_key_to_pem().unwrap()).unwrap()
}

/// As status names a key: `openssl pkey -pubout -outform DER | sha256sum`.
pub(crate) fn fingerprint(key: &Key) -> String {
    let hash = openssl::sha::sha256(&key.public_key_to_der().unwrap());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn jwk(key: &Key, kid: &str) -> Value {
    let rsa = key.rsa().unwrap();
    json!({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256",
           "n": B64.encode(rsa.n().to_vec()), "e": B64.encode(rsa.e().to_vec())})
}

pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// A self-signed certificate of this key, in DER.
pub(crate) fn certificate(key: &Key) -> Vec<u8> {
    let mut builder = X509::builder().unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder.sign(key, MessageDigest::sha256()).unwrap();
    builder.build().to_der().unwrap()
}

/// A certificate authority of this name, in PEM.
pub(crate) fn authority(name: &str) -> String {
    let key = generate();
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(&subject).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    String::from_utf8(builder.build().to_pem().unwrap()).unwrap()
}

/// The name of a key by its content (RFC 7638).
pub(crate) fn thumbprint(key: &Key) -> String {
    let jwk = jwk(key, "");
    let text = format!(r#"{{"e":{},"kty":"RSA","n":{}}}"#, jwk["e"], jwk["n"]);
    B64.encode(openssl::sha::sha256(text.as_bytes()))
}

/// A DPoP proof (RFC 9449), each with an id of its own.
pub(crate) fn proof(key: &Key, method: &str, url: &str, token: Option<&str>) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let id = format!("proof-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut claims = json!({"htm": method, "htu": url, "iat": now(), "jti": id});
    if let Some(token) = token {
        claims["ath"] = json!(B64.encode(openssl::sha::sha256(token.as_bytes())));
    }
    let mut jwk = jwk(key, "");
    jwk.as_object_mut().unwrap().retain(|name, _| matches!(name.as_str(), "kty" | "n" | "e"));
    sign_with(key, &json!({"alg": "RS256", "typ": "dpop+jwt", "jwk": jwk}), &claims)
}

/// A signed token of these claims.
pub(crate) fn sign(key: &Key, kid: &str, claims: &Value) -> String {
    sign_with(key, &json!({"alg": "RS256", "typ": "JWT", "kid": kid}), claims)
}

/// The first part of such a token.
pub(crate) fn header(kid: &str) -> String {
    B64.encode(json!({"alg": "RS256", "typ": "JWT", "kid": kid}).to_string())
}

fn sign_with(key: &Key, header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
    let mut signer = Signer::new(MessageDigest::sha256(), key).unwrap();
    let signature = signer.sign_oneshot_to_vec(signed.as_bytes()).unwrap();
    format!("{signed}.{}", B64.encode(signature))
}
