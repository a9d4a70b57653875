//! What the operator asks a sidecar for people, and the answer, on their way through the pod network: encrypted, and by nobody else
//! (AES-256-GCM, keys by HKDF from the policy's status key, which only operator and sidecars have).
//!
//! A question may be a token, which is a password for as long as it lives; the admin port has no certificate of its own, and
//! whoever is on the way could read it. An answer belongs to the very question that it was sealed for. A question that is sent
//! again by somebody else is answered again, to whom cannot read the answer.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    error::Unspecified,
    hkdf::{HKDF_SHA256, Salt},
    rand,
};

const KEY_LEN: usize = 32;

/// A key that seals: what it sealed only it opens, unchanged and together with what it was bound to.
pub struct Key(RandomizedNonceKey);

impl Key {
    /// A new one.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn random() -> Result<Self, Unspecified> {
        let mut bytes = [0; KEY_LEN];
        rand::fill(&mut bytes)?;
        RandomizedNonceKey::new(&AES_256_GCM, &bytes).map(Self)
    }

    fn derived(secret: &[u8], purpose: &[u8]) -> Result<Self, Unspecified> {
        let mut bytes = [0; KEY_LEN];
        Salt::new(HKDF_SHA256, &[]).extract(secret).expand(&[purpose], &AES_256_GCM)?.fill(&mut bytes)?;
        RandomizedNonceKey::new(&AES_256_GCM, &bytes).map(Self)
    }

    /// Seals `plain` and binds it to `bound`.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn seal(&self, plain: &[u8], bound: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let mut text = plain.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(bound), &mut text)?;
        Ok([nonce.as_ref().as_slice(), &text].concat())
    }

    /// What was sealed; `None` when it was not, or not by this key, or bound to something else.
    pub fn open(&self, sealed: &[u8], bound: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let mut text = text.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        self.0.open_in_place(nonce, Aad::from(bound), &mut text).ok().map(|plain| plain.to_vec())
    }
}

/// The keys of a policy's questions and answers.
pub struct Seal {
    question: Key,
    answer: Key,
}

impl Seal {
    /// Those that belong to a status key.
    ///
    /// # Errors
    /// The library refuses to derive keys.
    pub fn new(status_key: &[u8]) -> Result<Self, Unspecified> {
        Ok(Self {
            question: Key::derived(status_key, b"restward-ask-v1 question")?,
            answer: Key::derived(status_key, b"restward-ask-v1 answer")?,
        })
    }

    /// For the operator: seals a question.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn seal_question(&self, question: &[u8]) -> Result<Vec<u8>, Unspecified> {
        self.question.seal(question, b"")
    }

    /// For the sidecar: the question, if the operator sealed it.
    pub fn open_question(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        self.question.open(sealed, b"")
    }

    /// For the sidecar: seals the answer to this sealed question.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn seal_answer(&self, answer: &[u8], sealed_question: &[u8]) -> Result<Vec<u8>, Unspecified> {
        self.answer.seal(answer, sealed_question)
    }

    /// For the operator: the answer, if a sidecar sealed it for this sealed question.
    pub fn open_answer(&self, sealed: &[u8], sealed_question: &[u8]) -> Option<Vec<u8>> {
        self.answer.open(sealed, sealed_question)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_other_side_reads_it_and_only_unchanged() {
        let (seal, other) = (Seal::new(&[1; 32]).unwrap(), Seal::new(&[2; 32]).unwrap());
        let sealed = seal.seal_question(b"a token").unwrap();
        assert!(!sealed.windows(7).any(|part| part == b"a token"));
        assert_eq!(seal.open_question(&sealed).unwrap(), b"a token");
        assert_eq!(other.open_question(&sealed), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(seal.open_question(&changed), None, "{at}");
            assert_eq!(seal.open_question(&sealed[..at]), None, "{at}");
        }
        assert_ne!(seal.seal_question(b"a token").unwrap(), sealed, "the same is not seen to be the same");
    }

    #[test]
    fn an_answer_is_that_of_its_question_and_no_question() {
        let seal = Seal::new(&[1; 32]).unwrap();
        let (one, two) = (seal.seal_question(b"1").unwrap(), seal.seal_question(b"1").unwrap());
        let answer = seal.seal_answer(b"yes", &one).unwrap();
        assert_eq!(seal.open_answer(&answer, &one).unwrap(), b"yes");
        assert_eq!(seal.open_answer(&answer, &two), None);
        assert_eq!(seal.open_answer(&one, b""), None, "a question sent back is no answer");
        assert_eq!(seal.open_question(&answer), None);
    }
}
