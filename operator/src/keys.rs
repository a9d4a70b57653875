//! The secrets of a policy: the RSA key pair of its OAuth 1 consumer, while that is being replaced the next one, and the key
//! of its sidecars' status answers.

use std::fmt::Write as _;

use std::fmt;

use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    hmac, rand,
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use restward_crds::{seal::Seal, sidecar::status};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};

/// Secrets of one policy. `Debug` shows none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct PolicyKeys {
    consumer: ConsumerKey,
    next: Option<ConsumerKey>,
    status_key_hex: String,
    answered: Option<String>,
}

/// The key pair of a consumer.
#[derive(Clone, PartialEq, Eq)]
struct ConsumerKey {
    pem: String,
    public: PublicKey,
}

impl ConsumerKey {
    /// RSA-2048, as the key of an application link has to work with every release of Confluence.
    fn generate() -> Result<Self, KeyError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Generate)?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::Generate)?;
        Self::from_pem(&pem("PRIVATE KEY", der.as_ref()))
    }

    fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let public = public_key(pem).ok_or(KeyError::ConsumerKey)?;
        Ok(Self { pem: pem.to_owned(), public })
    }
}

/// Public half of the consumer's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// SPKI, PEM.
    pub pem: String,
    /// SHA-256 of the SPKI DER, lower-case hexadecimal.
    pub fingerprint: String,
}

/// Why stored keys cannot be used. Says nothing about their content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The library refused to make a key.
    #[error("a key could not be generated")]
    Generate,
    /// The private key is not an RSA key in PKCS#8 PEM.
    #[error("the stored consumer key is not an RSA key in PKCS#8 PEM")]
    ConsumerKey,
    /// The status key is not 64 hexadecimal digits.
    #[error("the stored status key is not 64 hexadecimal digits")]
    StatusKey,
}

impl fmt::Debug for PolicyKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyKeys")
            .field("public_key", &self.public_key().fingerprint)
            .finish_non_exhaustive()
    }
}

impl PolicyKeys {
    /// New secrets, that answer this request for a new key as well.
    ///
    /// # Errors
    /// The library failed.
    pub fn generate(request: Option<String>) -> Result<Self, KeyError> {
        Ok(Self {
            consumer: ConsumerKey::generate()?,
            next: None,
            status_key_hex: random_hex::<32>()?,
            answered: request,
        })
    }

    /// Secrets as read from the Secret.
    ///
    /// # Errors
    /// They are not what this operator writes.
    pub fn from_stored(consumer_key_pem: &str, status_key_hex: &str) -> Result<Self, KeyError> {
        if decode_status_key(status_key_hex).is_none() {
            return Err(KeyError::StatusKey);
        }
        Ok(Self {
            consumer: ConsumerKey::from_pem(consumer_key_pem)?,
            next: None,
            status_key_hex: status_key_hex.trim().to_owned(),
            answered: None,
        })
    }

    /// The same with what the Secret says of a rotation: the next key, and the request that was answered last.
    ///
    /// # Errors
    /// The next key is not what this operator writes.
    pub fn in_rotation(self, next_pem: Option<&str>, answered: Option<String>) -> Result<Self, KeyError> {
        Ok(Self { next: next_pem.map(ConsumerKey::from_pem).transpose()?, answered, ..self })
    }

    /// The same with a new key that is to follow, as this request asks.
    ///
    /// # Errors
    /// The library failed.
    pub fn rotating(self, request: String) -> Result<Self, KeyError> {
        Ok(Self { next: Some(ConsumerKey::generate()?), answered: Some(request), ..self })
    }

    /// The same with the next key in the place of the one from before.
    #[must_use]
    pub fn promoted(self) -> Self {
        match self.next {
            Some(next) => Self { consumer: next, next: None, ..self },
            None => self,
        }
    }

    /// The private key, for the Secret only.
    pub fn consumer_key_pem(&self) -> &str {
        &self.consumer.pem
    }

    /// The private key that is to follow, for the Secret only.
    pub fn next_consumer_key_pem(&self) -> Option<&str> {
        self.next.as_ref().map(|next| next.pem.as_str())
    }

    /// The status key, for the Secret only.
    pub fn status_key_hex(&self) -> &str {
        &self.status_key_hex
    }

    /// The request for a new key that was answered last.
    pub fn answered(&self) -> Option<&str> {
        self.answered.as_deref()
    }

    /// What the administrator of Confluence enters.
    pub const fn public_key(&self) -> &PublicKey {
        &self.consumer.public
    }

    /// What they enter instead while the key is being replaced.
    pub fn next_public_key(&self) -> Option<&PublicKey> {
        self.next.as_ref().map(|next| &next.public)
    }

    /// Whether `mac` (hexadecimal) proves that `body` answers `nonce`, compared in constant time.
    pub fn proves(&self, nonce: &str, body: &[u8], mac: &str) -> bool {
        let (Some(key), Some(mac)) = (decode_status_key(&self.status_key_hex), decode_hex(mac)) else {
            return false;
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        hmac::verify(&key, &status::mac_input(nonce, body), &mac).is_ok()
    }
}

/// What questions to the sidecars are sealed with that have this status key (hexadecimal); `None` when it is none.
pub fn seal(status_key_hex: &str) -> Option<Seal> {
    Seal::new(&decode_status_key(status_key_hex)?).ok()
}

/// A number that is used once, for the status endpoint.
///
/// # Errors
/// The system has no random numbers.
pub fn nonce() -> Result<String, KeyError> {
    random_hex::<16>()
}

/// Lower-case hexadecimal SHA-256.
pub fn sha256_hex(bytes: &[u8]) -> String {
    to_hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn random_hex<const LENGTH: usize>() -> Result<String, KeyError> {
    let mut bytes = [0; LENGTH];
    rand::fill(&mut bytes).map_err(|_| KeyError::Generate)?;
    Ok(to_hex(&bytes))
}

fn public_key(consumer_key_pem: &str) -> Option<PublicKey> {
    let pkcs8 = PrivatePkcs8KeyDer::from_pem_slice(consumer_key_pem.as_bytes()).ok()?;
    let pair = KeyPair::from_pkcs8(pkcs8.secret_pkcs8_der()).ok()?;
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
    Some(PublicKey { pem: pem("PUBLIC KEY", spki.as_ref()), fingerprint: sha256_hex(spki.as_ref()) })
}

/// RFC 7468: 64 characters a line.
fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> =
        (0..text.len()).step_by(64).filter_map(|at| text.get(at..text.len().min(at + 64))).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn decode_status_key(hex: &str) -> Option<Vec<u8>> {
    decode_hex(hex.trim()).filter(|key| key.len() == 32)
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_keys_survive_the_secret_and_stay_out_of_debug() {
        let keys = PolicyKeys::generate(None).unwrap();
        let stored = PolicyKeys::from_stored(keys.consumer_key_pem(), keys.status_key_hex()).unwrap();
        assert_eq!(stored, keys);
        assert!(keys.consumer_key_pem().starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert!(keys.public_key().pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
        let shown = format!("{keys:?}");
        assert!(!shown.contains("PRIVATE") && !shown.contains(keys.status_key_hex()));
        assert_ne!(PolicyKeys::generate(None).unwrap(), keys);
    }

    #[test]
    fn the_next_key_comes_beside_the_first_and_then_takes_its_place() {
        let keys = PolicyKeys::generate(Some("1".into())).unwrap();
        assert_eq!((keys.answered(), keys.next_public_key()), (Some("1"), None));
        assert_eq!(keys.clone().promoted(), keys, "there is nothing to promote");
        let rotating = keys.clone().rotating("2".into()).unwrap();
        assert_eq!((rotating.public_key(), rotating.answered()), (keys.public_key(), Some("2")));
        let next = rotating.next_public_key().unwrap().clone();
        assert_ne!(&next, keys.public_key());
        let stored = PolicyKeys::from_stored(rotating.consumer_key_pem(), rotating.status_key_hex())
            .unwrap()
            .in_rotation(rotating.next_consumer_key_pem(), Some("2".into()));
        assert_eq!(stored.unwrap(), rotating);
        assert!(!format!("{rotating:?}").contains("PRIVATE"));
        let promoted = rotating.promoted();
        assert_eq!((promoted.public_key(), promoted.next_public_key()), (&next, None));
        assert_eq!(promoted.status_key_hex(), keys.status_key_hex(), "sidecars are still heard");
        assert!(keys.in_rotation(Some("x"), None).is_err());
    }

    #[test]
    fn foreign_content_is_refused() {
        let keys = PolicyKeys::generate(None).unwrap();
        let key = keys.consumer_key_pem();
        assert_eq!(PolicyKeys::from_stored("", keys.status_key_hex()), Err(KeyError::ConsumerKey));
        assert_eq!(
            PolicyKeys::from_stored(&keys.public_key().pem, keys.status_key_hex()),
            Err(KeyError::ConsumerKey)
        );
        for status in ["", "00", &"zz".repeat(32), &"é".repeat(32)] {
            assert_eq!(PolicyKeys::from_stored(key, status), Err(KeyError::StatusKey), "{status}");
        }
    }

    #[test]
    fn only_the_right_key_nonce_and_body_prove() {
        let keys = PolicyKeys::generate(None).unwrap();
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &decode_hex(keys.status_key_hex()).unwrap());
        let mac = to_hex(hmac::sign(&secret, &status::mac_input("aa", b"{}")).as_ref());
        assert!(keys.proves("aa", b"{}", &mac));
        assert!(!keys.proves("ab", b"{}", &mac) && !keys.proves("aa", b"{ }", &mac));
        assert!(!keys.proves("aa", b"{}", "") && !keys.proves("aa", b"{}", "é"));
        assert!(!PolicyKeys::generate(None).unwrap().proves("aa", b"{}", &mac));
    }
}
