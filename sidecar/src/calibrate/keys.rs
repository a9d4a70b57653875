//! Which of the consumer's keys Confluence takes, and how its application link is kept.

use http::HeaderMap;
use restward_crds::sidecar::status::{ConsumerKeys, LinkReport};

use super::{Calibration, Signature, verdict};
use crate::{
    identity::{Key, Keyring},
    link::Keeper,
};

impl Calibration {
    pub(super) fn keyring(&self) -> Option<&Keyring> {
        self.shared.identity.keyring()
    }

    /// Whether the consumer's key is being replaced.
    pub fn has_two_keys(&self) -> bool {
        self.keyring().is_some_and(|keyring| keyring.all().len() > 1)
    }

    /// The key to sign with instead, when an answer to what `key` signed refuses its signature.
    pub fn key_instead(&self, key: Key, answer: &HeaderMap) -> Option<Key> {
        self.keyring()?.instead_of(key).filter(|_| verdict::refuses_signature(answer))
    }

    /// Takes in the answer to what `key` signed instead of the other.
    pub fn judged(&self, key: Key, answer: &HeaderMap) {
        if let Some(keyring) = self.keyring()
            && !verdict::refuses_signature(answer)
        {
            keyring.take(key);
        }
        self.poke();
    }

    /// Asks which key Confluence takes at this moment, for a call that cannot be repeated.
    pub async fn settle_key(&self) {
        let (Ok(origin), Some(keyring)) = (self.origin(), self.keyring()) else { return };
        let key = keyring.taken();
        let Some(answer) = self.ask(&origin, key, Signature::Good).await else { return };
        let Some(other) = self.key_instead(key, &answer.headers) else { return };
        if let Some(answer) = self.ask(&origin, other, Signature::Good).await {
            self.judged(other, &answer.headers);
        }
    }

    /// For status: how the application link is kept, where it is.
    pub fn kept(&self) -> Option<LinkReport> {
        self.shared.keeper.as_ref().map(Keeper::report)
    }

    /// For status: the keys, and which of them Confluence takes.
    pub fn consumer_keys(&self) -> Option<ConsumerKeys> {
        let keyring = self.keyring()?;
        let fingerprint = |key: Key| keyring.fingerprint(key).to_owned();
        Some(ConsumerKeys {
            held: keyring.all().iter().map(|key| fingerprint(*key)).collect(),
            taken: self.is_trusted().then(|| fingerprint(keyring.taken())),
        })
    }

    /// Goes on from what was known before, when Confluence takes one of the keys that are there now. `false`: it does not.
    #[must_use]
    pub fn inherit(&self, before: &Self) -> bool {
        let (Some(now), Some(then)) = (self.keyring(), before.keyring()) else { return false };
        let is_same = now.inherit(then);
        if is_same {
            self.shared.state.store(before.shared.state.load_full());
        }
        is_same
    }
}
