//! RSA-SHA1 signatures: the one place that uses OpenSSL. Confluence accepts no other method, and neither aws-lc-rs nor
//! ring signs with SHA-1; see `docs/adr/0001-rsa-sha1.md`. RSA blinding is on in OpenSSL by default.

use openssl::{
    hash::MessageDigest,
    pkey::{PKey, Private, Public},
};

use crate::digest;

/// Smallest key, in bits.
const MIN_BITS: u32 = 2048;

/// How often a signature is made that turns out to be faulty.
const ATTEMPTS: usize = 3;

/// Why a key cannot sign. Says nothing of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// Not an unencrypted PEM private key.
    #[error("the consumer key is not an unencrypted PEM private key")]
    NotPem,
    /// Another kind of key, or too short.
    #[error("the consumer key is not an RSA key of at least 2048 bits")]
    NotRsa2048,
    /// OpenSSL refused to sign.
    #[error("signing failed")]
    Failed,
}

/// A private key. Shows nothing of itself but the fingerprint.
pub struct Signer {
    key: PKey<Private>,
    public: PKey<Public>,
    fingerprint: String,
}

impl Signer {
    /// Reads a PKCS#8 or PKCS#1 key.
    ///
    /// # Errors
    /// It is not an RSA key that is long enough.
    pub fn from_pem(pem: &[u8]) -> Result<Self, SignerError> {
        // The callback answers for an encrypted key: without it OpenSSL would ask at the terminal.
        let key = PKey::private_key_from_pem_callback(pem, |_| Ok(0)).map_err(|_| SignerError::NotPem)?;
        if key.rsa().is_err() || key.bits() < MIN_BITS {
            return Err(SignerError::NotRsa2048);
        }
        let spki = key.public_key_to_der().map_err(|_| SignerError::NotPem)?;
        let public = PKey::public_key_from_der(&spki).map_err(|_| SignerError::NotPem)?;
        Ok(Self { key, public, fingerprint: digest::hex(&digest::sha256(&spki)) })
    }

    /// SHA-256 of the public key (SPKI, DER), lower-case hexadecimal.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The public key (SPKI, PEM).
    pub fn public_pem(&self) -> Option<String> {
        String::from_utf8(self.key.public_key_to_pem().ok()?).ok()
    }

    /// Signature of `message`: RSASSA-PKCS1-v1_5 with SHA-1 (RFC 5849 section 3.4.3). It is verified before it leaves, as a
    /// faulty one would fail a call, and could give the key away (Boneh, DeMillo, Lipton 1997).
    ///
    /// # Errors
    /// OpenSSL refused, or was wrong each time.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        for _ in 0..ATTEMPTS {
            let signature = openssl::sign::Signer::new(MessageDigest::sha1(), &self.key)
                .and_then(|mut signer| signer.sign_oneshot_to_vec(message))
                .map_err(|_| SignerError::Failed)?;
            if self.is_right(&signature, message) {
                return Ok(signature);
            }
            tracing::error!("a signature of the consumer's key was faulty; it was not used");
        }
        Err(SignerError::Failed)
    }

    fn is_right(&self, signature: &[u8], message: &[u8]) -> bool {
        openssl::sign::Verifier::new(MessageDigest::sha1(), &self.public)
            .and_then(|mut verifier| verifier.verify_oneshot(signature, message))
            .unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::{rsa::Rsa, symm::Cipher};

    fn pem(bits: u32) -> Vec<u8> {
        PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap().private_key_to_pem_pkcs8().unwrap()
    }

    #[test]
    fn only_long_rsa_keys_sign() {
        assert!(Signer::from_pem(&pem(2048)).is_ok());
        let pkcs1 = Rsa::generate(2048).unwrap().private_key_to_pem().unwrap();
        assert!(Signer::from_pem(&pkcs1).is_ok());
        let ed25519 = PKey::generate_ed25519().unwrap().private_key_to_pem_pkcs8().unwrap();
        let locked =
            Rsa::generate(2048).unwrap().private_key_to_pem_passphrase(Cipher::aes_128_cbc(), b"x").unwrap();
        let table = [
            (pem(1024), SignerError::NotRsa2048),
            (ed25519, SignerError::NotRsa2048),
            (locked, SignerError::NotPem),
            (b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----".to_vec(), SignerError::NotPem),
            (Vec::new(), SignerError::NotPem),
        ];
        for (pem, want) in table {
            assert_eq!(Signer::from_pem(&pem).err(), Some(want), "{}", String::from_utf8_lossy(&pem));
        }
    }

    #[test]
    fn a_signature_is_released_only_when_the_public_key_confirms_it() {
        let mut signer = Signer::from_pem(&pem(2048)).unwrap();
        let signature = signer.sign(b"message").unwrap();
        assert!(signer.is_right(&signature, b"message") && !signer.is_right(&signature, b"another"));
        // As if each signature were faulty.
        signer.public = Signer::from_pem(&pem(2048)).unwrap().public;
        assert_eq!(signer.sign(b"message"), Err(SignerError::Failed));
    }

    /// Fails with an OpenSSL that was built without threads (build.rs).
    #[test]
    fn threads_sign_at_the_same_time_with_one_key_and_with_their_own() {
        let pem = pem(2048);
        let shared = Signer::from_pem(&pem).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let own = Signer::from_pem(&pem).unwrap();
                        assert_eq!(own.sign(b"message"), shared.sign(b"message"));
                    }
                });
            }
        });
    }
}
