//! One JSON Web Key (RFC 7517), and whether it can verify tokens. A key that cannot is skipped alone: Keycloak
//! publishes an encryption key beside its signing keys.

use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    EcdsaVerificationAlgorithm, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use restward_crds::sidecar::tokens::Algorithm;
use serde::Deserialize;
use serde_json::Value;

use super::roca;
use crate::{auth::json::JsonObject, digest::sha256};

/// Sizes of RSA keys that are used, in bits. Longer ones would make every check expensive.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A public key with the one algorithm it may be used with (RFC 8725 section 3.1).
#[derive(Clone)]
pub struct VerifyKey {
    /// Key id.
    pub kid: Option<String>,
    /// The algorithm.
    pub algorithm: Algorithm,
    key: Arc<ParsedPublicKey>,
}

/// The members of a JWK that decide. Anything of a wrong type makes the key unusable.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// Private part: a key that is published with it is everybody's.
    d: Option<Value>,
    /// Symmetric key, likewise.
    k: Option<Value>,
}

impl VerifyKey {
    /// The key, if it is a public key that can verify signatures with an algorithm of ours.
    pub fn from_jwk(member: &Value) -> Option<Self> {
        let jwk = Jwk::deserialize(member).ok()?;
        let is_for_signatures = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
            && jwk.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !is_for_signatures || jwk.d.is_some() || jwk.k.is_some() {
            return None;
        }
        let algorithm = jwk.algorithm()?;
        Some(Self { key: Arc::new(jwk.key(algorithm)?), kid: jwk.kid, algorithm })
    }

    /// Whether `signature` (base64url) over `message` is good.
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        decode(signature).is_some_and(|signature| self.key.verify_sig(message, &signature).is_ok())
    }
}

impl Jwk {
    /// The algorithm that type and curve allow and `alg`, where it is given, names. An RSA key without `alg` is for
    /// RS256, the default of OpenID Connect: one key, one algorithm.
    fn algorithm(&self) -> Option<Algorithm> {
        use Algorithm::{EdDsa, Es256, Es384, Es512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        let possible: &[Algorithm] = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", None) => &[Rs256, Rs384, Rs512, Ps256, Ps384, Ps512],
            ("EC", Some("P-256")) => &[Es256],
            ("EC", Some("P-384")) => &[Es384],
            ("EC", Some("P-521")) => &[Es512],
            ("OKP", Some("Ed25519")) => &[EdDsa],
            _ => &[],
        };
        match self.alg.as_deref() {
            None => possible.first().copied(),
            Some(name) => possible.iter().copied().find(|algorithm| algorithm.name() == name),
        }
    }

    fn key(&self, algorithm: Algorithm) -> Option<ParsedPublicKey> {
        match algorithm {
            Algorithm::Rs256 => self.rsa_key(&RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs384 => self.rsa_key(&RSA_PKCS1_2048_8192_SHA384),
            Algorithm::Rs512 => self.rsa_key(&RSA_PKCS1_2048_8192_SHA512),
            Algorithm::Ps256 => self.rsa_key(&RSA_PSS_2048_8192_SHA256),
            Algorithm::Ps384 => self.rsa_key(&RSA_PSS_2048_8192_SHA384),
            Algorithm::Ps512 => self.rsa_key(&RSA_PSS_2048_8192_SHA512),
            Algorithm::Es256 => self.ec_key(&ECDSA_P256_SHA256_FIXED),
            Algorithm::Es384 => self.ec_key(&ECDSA_P384_SHA384_FIXED),
            Algorithm::Es512 => self.ec_key(&ECDSA_P521_SHA512_FIXED),
            Algorithm::EdDsa => ParsedPublicKey::new(&ED25519, decode(self.x.as_deref()?)?).ok(),
        }
    }

    fn rsa_key(&self, rules: &'static RsaParameters) -> Option<ParsedPublicKey> {
        let modulus = without_leading_zeros(decode(self.n.as_deref()?)?);
        let exponent = without_leading_zeros(decode(self.e.as_deref()?)?);
        let bits = modulus.len() * 8 - usize::try_from(modulus.first()?.leading_zeros()).ok()?;
        let is_sane_exponent = (1..=4).contains(&exponent.len())
            && exponent.last().is_some_and(|last| last % 2 == 1)
            && exponent != [1];
        if !RSA_BITS.contains(&bits) || !is_sane_exponent || roca::is_marked(&modulus) {
            return None;
        }
        RsaPublicKeyComponents { n: modulus, e: exponent }.to_parsed_public_key(rules).ok()
    }

    /// The public point; none that is not on the curve.
    fn ec_key(&self, rules: &'static EcdsaVerificationAlgorithm) -> Option<ParsedPublicKey> {
        let (x, y) = (decode(self.x.as_deref()?)?, decode(self.y.as_deref()?)?);
        ParsedPublicKey::new(rules, [&[4], x.as_slice(), y.as_slice()].concat()).ok()
    }
}

/// The name of a key by its content (RFC 7638): SHA-256 over its required members, in base64url.
pub fn thumbprint(jwk: &JsonObject) -> Option<String> {
    let members: &[&str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let pairs: Option<Vec<String>> = members
        .iter()
        .map(|name| Some(format!("{}:{}", Value::from(*name), Value::from(jwk.get(*name)?.as_str()?))))
        .collect();
    Some(BASE64_URL_SAFE_NO_PAD.encode(sha256(format!("{{{}}}", pairs?.join(",")).as_bytes())))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

fn without_leading_zeros(mut number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.drain(..zeros);
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::forge;
    use serde_json::json;

    fn rsa(changes: Value) -> Value {
        forge::laid_over(forge::rsa_key().jwk("k1"), changes)
    }

    #[test]
    fn fit_keys_are_taken_with_their_one_algorithm() {
        let table = [
            (rsa(json!({})), Algorithm::Rs256),
            (rsa(json!({"alg": null})), Algorithm::Rs256),
            (rsa(json!({"alg": "PS512"})), Algorithm::Ps512),
            (rsa(json!({"use": null, "key_ops": ["verify"]})), Algorithm::Rs256),
            (forge::ec_key().jwk("k1"), Algorithm::Es256),
            (forge::p521_key().jwk("k1"), Algorithm::Es512),
            (forge::ed_key().jwk("k1"), Algorithm::EdDsa),
        ];
        for (jwk, want) in table {
            assert_eq!(VerifyKey::from_jwk(&jwk).map(|key| key.algorithm), Some(want), "{jwk}");
        }
    }

    #[test]
    fn the_thumbprint_is_that_of_the_rfc() {
        // RFC 7638 section 3.1.
        let jwk = json!({
            "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs\
                  tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        });
        let got = thumbprint(jwk.as_object().unwrap());
        assert_eq!(got.as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
        assert_eq!(thumbprint(json!({"kty": "oct", "k": "x"}).as_object().unwrap()), None);
        assert_eq!(thumbprint(json!({"kty": "EC", "crv": "P-256", "x": "x"}).as_object().unwrap()), None);
    }

    #[test]
    fn unfit_keys_are_skipped() {
        let ec = |changes| forge::laid_over(forge::ec_key().jwk("k1"), changes);
        let p521 = |changes| forge::laid_over(forge::p521_key().jwk("k1"), changes);
        let ed = |changes| forge::laid_over(forge::ed_key().jwk("k1"), changes);
        let bits = |bits: usize| BASE64_URL_SAFE_NO_PAD.encode(vec![0xff; bits / 8]);
        let modulus_2047 = {
            let mut number = vec![0xff; 256];
            number[0] = 0x7f;
            BASE64_URL_SAFE_NO_PAD.encode(number)
        };
        for jwk in [
            rsa(json!({"use": "enc"})),
            rsa(json!({"use": "SIG"})),
            rsa(json!({"key_ops": ["sign"]})),
            rsa(json!({"key_ops": []})),
            rsa(json!({"alg": "RSA-OAEP"})),
            rsa(json!({"alg": "ES256"})),
            rsa(json!({"alg": "HS256"})),
            rsa(json!({"alg": "none"})),
            rsa(json!({"kid": 1})),
            rsa(json!({"kty": "oct", "k": "c2VjcmV0"})),
            rsa(json!({"d": "c2VjcmV0"})),
            rsa(json!({"n": bits(1024)})),
            rsa(json!({"n": modulus_2047})),
            rsa(json!({"n": bits(16384)})),
            rsa(json!({"n": ""})),
            rsa(json!({"n": "+/=="})),
            rsa(json!({"e": "AQ"})),
            rsa(json!({"e": "AA"})),
            rsa(json!({"e": "Ag"})),
            rsa(json!({"e": "AQAAAAE"})),
            rsa(json!({"n": null})),
            ec(json!({"crv": "P-384"})),
            ec(json!({"crv": "P-521"})),
            ec(json!({"crv": "secp256k1"})),
            ec(json!({"alg": "ES384"})),
            ec(json!({"alg": "ES512"})),
            p521(json!({"alg": "ES256"})),
            p521(json!({"crv": "P-256"})),
            p521(json!({"x": BASE64_URL_SAFE_NO_PAD.encode([1_u8; 66])})),
            ec(json!({"x": BASE64_URL_SAFE_NO_PAD.encode([1_u8; 32])})),
            ec(json!({"y": null})),
            ed(json!({"crv": "X25519"})),
            ed(json!({"crv": "Ed448"})),
            ed(json!({"x": "AAAA"})),
            json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "k1"}),
            json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}),
            json!({}),
            json!(null),
            json!("key"),
        ] {
            assert!(VerifyKey::from_jwk(&jwk).is_none(), "{jwk}");
        }
    }
}
