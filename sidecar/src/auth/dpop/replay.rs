//! Which proofs were used (RFC 9449 section 11.1). Each pod remembers its own.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use restward_crds::{reason::Reason, sidecar::settings::TokenSettings};

use super::{LIFETIME, Proof};
use crate::{digest::sha256, time::UnixTime};

/// How long after its `iat` a proof is remembered: the longest that any configuration would accept it.
const MEMORY: Duration = LIFETIME.saturating_add(TokenSettings::MAX_CLOCK_SKEW);
/// Proofs that are remembered: with the longest lifetime, some 500 new ones a second. Beyond it new ones are refused rather
/// than old ones forgotten, as a forgotten one could be used again.
const MOST: usize = 65_536;

/// Used proofs, by hash of key and id, with the second until which each could be used again.
#[derive(Default)]
pub struct Used(Mutex<HashMap<[u8; 32], i64>>);

impl Used {
    /// Notes that a proof is used, for the first time. To be asked only once the token is found good, so that nobody without
    /// one fills the memory.
    ///
    /// # Errors
    /// [`Reason::ProofReplayed`]; or [`Reason::ValidationUnavailable`] when there are too many to remember.
    pub fn first(&self, proof: &Proof, now: UnixTime) -> Result<(), Reason> {
        self.first_of(proof, now, MOST)
    }

    /// Number of proofs that are remembered.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    #[expect(clippy::cast_possible_truncation, reason = "the check of iat bounds it")]
    fn first_of(&self, proof: &Proof, now: UnixTime, most: usize) -> Result<(), Reason> {
        let until = proof.issued.ceil() as i64 + MEMORY.as_secs().cast_signed();
        let hash = sha256(format!("{}\n{}", proof.key, proof.id).as_bytes());
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.get(&hash).is_some_and(|until| now.secs() <= *until) {
            return Err(Reason::ProofReplayed);
        }
        if used.len() >= most {
            used.retain(|_, until| now.secs() <= *until);
        }
        if used.len() >= most {
            return Err(Reason::ValidationUnavailable);
        }
        used.insert(hash, until);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::checks::testing::NOW;

    fn proof(key: &str, id: &str) -> Proof {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let issued = NOW.secs() as f64;
        Proof { key: key.into(), id: id.into(), issued }
    }

    #[test]
    fn a_proof_counts_once_while_it_lives() {
        let used = Used::default();
        assert_eq!(used.first(&proof("k", "1"), NOW), Ok(()));
        assert_eq!(used.first(&proof("k", "1"), NOW), Err(Reason::ProofReplayed));
        assert_eq!(used.first(&proof("k", "2"), NOW), Ok(()));
        assert_eq!(used.first(&proof("l", "1"), NOW), Ok(()), "ids are each client's own");
        let last = UnixTime::from_secs(NOW.secs() + 120);
        assert_eq!(used.first(&proof("k", "1"), last), Err(Reason::ProofReplayed));
    }

    #[test]
    fn memory_is_bounded_and_nothing_that_lives_is_forgotten() {
        let used = Used::default();
        let first = |id: &str, now: UnixTime| used.first_of(&proof("k", id), now, 2);
        assert_eq!((first("1", NOW), first("2", NOW)), (Ok(()), Ok(())));
        assert_eq!(first("3", NOW), Err(Reason::ValidationUnavailable));
        assert_eq!(first("1", NOW), Err(Reason::ProofReplayed));
        let later = UnixTime::from_secs(NOW.secs() + 121);
        assert_eq!(first("3", later), Ok(()), "the others are over");
    }
}
