//! What sidecars said when they last did, so that one lost answer takes nothing back. Pure.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use restward_crds::sidecar::status::SidecarStatus;

/// How long a sidecar that does not answer any more is believed what it said last: a restart of the sidecar takes seconds.
const MOMENT: Duration = Duration::from_mins(2);
/// A pod that nobody asked about for so long is gone; with very many policies there are minutes between two looks at one.
const GONE: Duration = Duration::from_hours(1);

/// A pod of a policy: policy UID, name and address.
type Key = (String, String, String);

/// What was heard.
#[derive(Debug, Default)]
pub(super) struct Heard(HashMap<Key, Last>);

#[derive(Debug)]
struct Last {
    said: SidecarStatus,
    at: Instant,
    /// Since when it has not answered.
    silent: Option<Instant>,
}

impl Heard {
    /// Remembers what a sidecar says.
    pub(super) fn note(&mut self, key: Key, said: &SidecarStatus, now: Instant) {
        self.0.retain(|_, last| now.duration_since(last.at) <= GONE);
        self.0.insert(key, Last { said: said.clone(), at: now, silent: None });
    }

    /// What a sidecar that does not answer now said last, when it has been silent for a moment only. The moment begins with the
    /// first question that it did not answer: how often it is asked depends on how many there are.
    pub(super) fn last(&mut self, key: &Key, now: Instant) -> Option<SidecarStatus> {
        let last = self.0.get_mut(key)?;
        let silent = *last.silent.get_or_insert(now);
        (now.duration_since(silent) <= MOMENT).then(|| last.said.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::assess::ack_for_tests;

    #[test]
    fn a_sidecar_is_believed_for_a_moment_of_silence_and_by_its_own_address() {
        let key = |ip: &str| ("u-1".to_owned(), "wiki-0".to_owned(), ip.to_owned());
        let said = ack_for_tests().status.unwrap();
        let (begin, mut heard) = (Instant::now(), Heard::default());
        assert_eq!(heard.last(&key("10.0.0.1"), begin), None);
        heard.note(key("10.0.0.1"), &said, begin);
        let asked = begin + MOMENT * 3;
        assert_eq!(heard.last(&key("10.0.0.1"), asked), Some(said.clone()), "it was not asked earlier");
        assert_eq!(heard.last(&key("10.0.0.1"), asked + MOMENT), Some(said.clone()));
        assert_eq!(heard.last(&key("10.0.0.1"), asked + MOMENT * 2), None);
        assert_eq!(heard.last(&key("10.0.0.2"), asked), None, "a new pod of that name");
        heard.note(key("10.0.0.1"), &said, asked + MOMENT * 2);
        assert_eq!(heard.last(&key("10.0.0.1"), asked + MOMENT * 4), Some(said.clone()), "it spoke again");
        heard.note(key("10.0.0.3"), &said, asked + MOMENT * 2 + GONE * 2);
        assert_eq!(heard.0.len(), 1, "what is old is forgotten");
    }
}
