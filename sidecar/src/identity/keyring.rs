//! The keys of a consumer: one, and while it is being replaced the next. An application link holds one key, and when that
//! is changed nobody tells the sidecar. So it remembers which of its keys Confluence took last, and a call that is refused
//! for its signature, which Confluence has not carried out, can be signed with the other.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Signer, SignerError};

/// One of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The one from before.
    Current,
    /// The one that is to follow.
    Next,
}

/// The keys of a consumer.
pub struct Keyring {
    current: Signer,
    next: Option<Signer>,
    takes_next: AtomicBool,
}

impl Keyring {
    /// Reads the keys.
    ///
    /// # Errors
    /// One of them cannot sign.
    pub fn from_pem(current: &[u8], next: Option<&[u8]>) -> Result<Self, SignerError> {
        Ok(Self {
            current: Signer::from_pem(current)?,
            next: next.map(Signer::from_pem).transpose()?,
            takes_next: AtomicBool::new(false),
        })
    }

    /// What signs as this key.
    pub(super) fn signer(&self, key: Key) -> &Signer {
        match (key, &self.next) {
            (Key::Next, Some(next)) => next,
            _ => &self.current,
        }
    }

    /// The keys, the newest first.
    pub fn all(&self) -> &'static [Key] {
        if self.next.is_some() { &[Key::Next, Key::Current] } else { &[Key::Current] }
    }

    /// The key that Confluence took last.
    pub fn taken(&self) -> Key {
        if self.takes_next.load(Ordering::Relaxed) { Key::Next } else { Key::Current }
    }

    /// Confluence has taken this key.
    pub fn take(&self, key: Key) {
        self.takes_next.store(key == Key::Next && self.next.is_some(), Ordering::Relaxed);
    }

    /// The key that may be taken where `key` is not, while one is being replaced.
    pub fn instead_of(&self, key: Key) -> Option<Key> {
        self.next.as_ref().map(|_| match key {
            Key::Current => Key::Next,
            Key::Next => Key::Current,
        })
    }

    /// Takes over from the keys before which one Confluence takes. `false`: it is none of these.
    pub fn inherit(&self, before: &Self) -> bool {
        let taken = before.fingerprint(before.taken());
        let same = self.all().iter().find(|key| self.fingerprint(**key) == taken);
        same.is_some_and(|key| {
            self.take(*key);
            true
        })
    }

    /// A key's public half (SPKI, PEM).
    pub fn public_pem(&self, key: Key) -> Option<String> {
        self.signer(key).public_pem()
    }

    /// Fingerprint of a key's public half.
    pub fn fingerprint(&self, key: Key) -> &str {
        self.signer(key).fingerprint()
    }
}

#[cfg(test)]
mod tests {
    use openssl::{pkey::PKey, rsa::Rsa};

    use super::*;

    fn pem() -> Vec<u8> {
        PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap().private_key_to_pem_pkcs8().unwrap()
    }

    #[test]
    fn what_confluence_takes_is_known_from_configuration_to_configuration() {
        let (a, b, c) = (pem(), pem(), pem());
        let ring = |current: &[u8], next: Option<&[u8]>| Keyring::from_pem(current, next).unwrap();
        let alone = ring(&a, None);
        assert_eq!((alone.all(), alone.instead_of(Key::Current)), (&[Key::Current][..], None));
        alone.take(Key::Next);
        assert_eq!(alone.taken(), Key::Current, "there is no other");

        let both = ring(&a, Some(&b));
        assert!(both.inherit(&alone));
        assert_eq!((both.taken(), both.instead_of(both.taken())), (Key::Current, Some(Key::Next)));
        both.take(Key::Next);
        assert_eq!(both.instead_of(both.taken()), Some(Key::Current));
        let again = ring(&a, Some(&b));
        assert!(again.inherit(&both));
        assert_eq!(again.taken(), Key::Next);

        let promoted = ring(&b, None);
        assert!(promoted.inherit(&both));
        assert_eq!(promoted.fingerprint(promoted.taken()), both.fingerprint(Key::Next));
        assert!(!ring(&a, None).inherit(&both), "the key that is taken is not there any more");
        assert!(!ring(&c, None).inherit(&alone));
    }

    #[test]
    fn a_next_key_that_cannot_sign_is_an_error() {
        assert!(Keyring::from_pem(&pem(), Some(b"x")).is_err());
    }
}
