//! For tests: keys, and tokens signed (or not) with them in every wrong way.

use std::sync::LazyLock;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as B64};
use openssl::{
    bn::BigNumContext,
    ec::{EcGroup, EcKey},
    ecdsa::EcdsaSig,
    hash::MessageDigest,
    nid::Nid,
    pkey::{Id, PKey, Private},
    rsa::{Padding, Rsa},
    sign::{RsaPssSaltlen, Signer},
};
use restward_crds::sidecar::{Settings, tokens::Algorithm};
use serde_json::{Value, json};

use super::{RawToken, checks::testing};
use crate::keys::{IssuerKeys, Snapshot, snapshot::usable_keys};

/// A private key.
pub(crate) struct ForgeKey {
    pub(crate) pkey: PKey<Private>,
    /// The algorithm of its JWK.
    algorithm: Algorithm,
}

static RSA: LazyLock<PKey<Private>> = LazyLock::new(|| PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap());
static OTHER_RSA: LazyLock<PKey<Private>> =
    LazyLock::new(|| PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap());

/// The RSA key of the good issuer.
pub(crate) fn rsa_key() -> ForgeKey {
    ForgeKey { pkey: RSA.clone(), algorithm: Algorithm::Rs256 }
}

/// Somebody else's RSA key.
pub(crate) fn other_rsa_key() -> ForgeKey {
    ForgeKey { pkey: OTHER_RSA.clone(), algorithm: Algorithm::Rs256 }
}

/// A P-256 key.
pub(crate) fn ec_key() -> ForgeKey {
    on_curve(Nid::X9_62_PRIME256V1, Algorithm::Es256)
}

/// A P-384 key.
pub(crate) fn p384_key() -> ForgeKey {
    on_curve(Nid::SECP384R1, Algorithm::Es384)
}

/// A P-521 key.
pub(crate) fn p521_key() -> ForgeKey {
    on_curve(Nid::SECP521R1, Algorithm::Es512)
}

fn on_curve(curve: Nid, algorithm: Algorithm) -> ForgeKey {
    let group = EcGroup::from_curve_name(curve).unwrap();
    ForgeKey { pkey: PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap(), algorithm }
}

/// An Ed25519 key.
pub(crate) fn ed_key() -> ForgeKey {
    ForgeKey { pkey: PKey::generate_ed25519().unwrap(), algorithm: Algorithm::EdDsa }
}

/// `value` with `changes` laid over it; a `null` removes a member.
pub(crate) fn laid_over(mut value: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("changes must be an object") };
    let members = value.as_object_mut().unwrap();
    for (name, change) in changes {
        if change.is_null() {
            members.remove(&name)
        } else {
            members.insert(name, change)
        };
    }
    value
}

impl ForgeKey {
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let mut jwk = json!({"kid": kid, "use": "sig", "alg": self.algorithm.name()});
        let members = match self.pkey.id() {
            Id::RSA => {
                let rsa = self.pkey.rsa().unwrap();
                json!({"kty": "RSA", "n": B64.encode(rsa.n().to_vec()), "e": B64.encode(rsa.e().to_vec())})
            }
            Id::EC => {
                let key = self.pkey.ec_key().unwrap();
                let mut context = BigNumContext::new().unwrap();
                let point = key
                    .public_key()
                    .to_bytes(key.group(), openssl::ec::PointConversionForm::UNCOMPRESSED, &mut context)
                    .unwrap();
                let (x, y) = point[1..].split_at(self.coordinate());
                let curve = match self.algorithm {
                    Algorithm::Es256 => "P-256",
                    Algorithm::Es384 => "P-384",
                    _ => "P-521",
                };
                json!({"kty": "EC", "crv": curve, "x": B64.encode(x), "y": B64.encode(y)})
            }
            _ => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": B64.encode(self.pkey.raw_public_key().unwrap())})
            }
        };
        for (name, value) in members.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    }

    /// Bytes of one coordinate of an EC key.
    fn coordinate(&self) -> usize {
        self.pkey.bits().div_ceil(8) as usize
    }

    /// Signs as `alg` says, whether or not the key is meant for it.
    pub(crate) fn sign(&self, alg: &str, input: &[u8]) -> Vec<u8> {
        let digest = match &alg[2..] {
            "256" => MessageDigest::sha256(),
            "384" => MessageDigest::sha384(),
            _ => MessageDigest::sha512(),
        };
        match &alg[..2] {
            "Ed" => Signer::new_without_digest(&self.pkey).unwrap().sign_oneshot_to_vec(input).unwrap(),
            "ES" => {
                let der = Signer::new(digest, &self.pkey).unwrap().sign_oneshot_to_vec(input).unwrap();
                let sig = EcdsaSig::from_der(&der).unwrap();
                let length = i32::try_from(self.coordinate()).unwrap();
                [sig.r().to_vec_padded(length).unwrap(), sig.s().to_vec_padded(length).unwrap()].concat()
            }
            kind => {
                let mut signer = Signer::new(digest, &self.pkey).unwrap();
                if kind == "PS" {
                    signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
                    signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
                }
                signer.sign_oneshot_to_vec(input).unwrap()
            }
        }
    }

    /// A token with this header and these claims, as JSON text.
    pub(crate) fn token(&self, header: &str, claims: &str) -> RawToken {
        let alg =
            serde_json::from_str::<Value>(header).unwrap()["alg"].as_str().unwrap_or("RS256").to_owned();
        let input = format!("{}.{}", B64.encode(header), B64.encode(claims));
        raw(&format!("{input}.{}", B64.encode(self.sign(&alg, input.as_bytes()))))
    }
}

pub(crate) fn raw(token: &str) -> RawToken {
    RawToken::parse(token.as_bytes()).unwrap()
}

/// A token "signed" by HMAC with `secret`, as an attacker does who hopes that a public key is taken as the secret.
pub(crate) fn hmac_token(alg: &str, kid: &str, claims: &str, secret: &[u8]) -> RawToken {
    let header = json!({"alg": alg, "kid": kid}).to_string();
    let input = format!("{}.{}", B64.encode(header), B64.encode(claims));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    let mac = aws_lc_rs::hmac::sign(&key, input.as_bytes());
    raw(&format!("{input}.{}", B64.encode(mac.as_ref())))
}

/// The header of a token of the good issuer.
pub(crate) fn header() -> String {
    json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}).to_string()
}

/// Claims that pass every check, with changes.
pub(crate) fn claims(changes: Value) -> String {
    testing::claims_json(changes).to_string()
}

/// A good token.
pub(crate) fn good_token() -> RawToken {
    rsa_key().token(&header(), &claims(json!({})))
}

/// Settings with one issuer, `https://sso.example.com/realms/wiki`, and changes to the configuration file.
pub(crate) fn settings(changes: Value) -> Settings {
    let config = laid_over(
        json!({
            "version": 1,
            "policy": {"namespace": "atlassian", "name": "wiki", "uid": "u", "generation": 1},
            "mode": "Enforce",
            "usernameAttribute": "preferred_username",
            "basicAuth": "Allow",
            "credentials": {},
            "issuers": [{"host": "https://sso.example.com", "realm": "wiki"}],
            "upstream": {"identity": {"oauth1": {"consumerKey": "restward"}}},
        }),
        changes,
    );
    match restward_crds::sidecar::parse::from_json(config.to_string().as_bytes()) {
        Ok(settings) => settings,
        Err(errors) => panic!("{errors:?}"),
    }
}

/// The good issuer's keys: the RSA key as `k1`.
pub(crate) fn issuer_keys() -> IssuerKeys {
    let keys = usable_keys(&json!({"keys": [rsa_key().jwk("k1")]})).unwrap();
    IssuerKeys {
        names: vec!["https://sso.example.com/realms/wiki".into()],
        keys,
        endpoints: None,
        fetched: None,
        until: None,
    }
}

/// The same as a snapshot.
pub(crate) fn snapshot() -> Snapshot {
    Snapshot::new(vec![issuer_keys()])
}
