//! The secrets of a policy: the RSA key pair of its OAuth 1 consumer and the key of its sidecars' status answers; while they are
//! being replaced the consumer's next key, and the status key from before.

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
    previous_status_key_hex: Option<String>,
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
            previous_status_key_hex: None,
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
            previous_status_key_hex: None,
            answered: None,
        })
    }

    /// The same with what the Secret says of a rotation: the consumer's next key, the status key from before, and the request
    /// that was answered last.
    ///
    /// # Errors
    /// A key is not what this operator writes.
    pub fn in_rotation(
        self,
        next_pem: Option<&str>,
        previous_status_key_hex: Option<&str>,
        answered: Option<String>,
    ) -> Result<Self, KeyError> {
        let next = next_pem.map(ConsumerKey::from_pem).transpose()?;
        let previous = previous_status_key_hex.map(|hex| hex.trim().to_owned());
        if previous.as_ref().is_some_and(|hex| decode_status_key(hex).is_none()) {
            return Err(KeyError::StatusKey);
        }
        Ok(Self { next, previous_status_key_hex: previous, answered, ..self })
    }

    /// The same with new keys, as this request asks: a status key in the place of the one in use, which counts until no sidecar
    /// has it any more, and, where there is a link, a key of the consumer that is to follow. One that is to follow already stays,
    /// as it may be in the link.
    ///
    /// # Errors
    /// The library failed.
    pub fn rotating(self, request: String, has_link: bool) -> Result<Self, KeyError> {
        let next = match self.next {
            None if has_link => Some(ConsumerKey::generate()?),
            next => next,
        };
        Ok(Self {
            next,
            previous_status_key_hex: Some(self.status_key_hex),
            status_key_hex: random_hex::<32>()?,
            answered: Some(request),
            consumer: self.consumer,
        })
    }

    /// Whether a request for new keys has been answered in part.
    pub const fn is_rotating(&self) -> bool {
        self.next.is_some() || self.previous_status_key_hex.is_some()
    }

    /// The same without the status key from before.
    #[must_use]
    pub fn without_previous_status_key(self) -> Self {
        Self { previous_status_key_hex: None, ..self }
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

    /// The status key from before, for the Secret only.
    pub fn previous_status_key_hex(&self) -> Option<&str> {
        self.previous_status_key_hex.as_deref()
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

    /// By which status key `mac` (hexadecimal) proves that `body` answers `nonce`; `None` when by neither. Compared in constant
    /// time.
    pub fn proof(&self, nonce: &str, body: &[u8], mac: &str) -> Option<Proof> {
        let mac = decode_hex(mac)?;
        let input = status::mac_input(nonce, body);
        let is_by = |key: &str| {
            let key = decode_status_key(key).map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key));
            key.is_some_and(|key| hmac::verify(&key, &input, &mac).is_ok())
        };
        if is_by(&self.status_key_hex) {
            return Some(Proof::ByKey);
        }
        self.previous_status_key_hex().is_some_and(is_by).then_some(Proof::ByPreviousKey)
    }
}

/// How a sidecar has shown that it is the policy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// By the status key.
    ByKey,
    /// By the one from before: the new one has not reached it yet.
    ByPreviousKey,
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
mod tests;
