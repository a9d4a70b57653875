//! What sidecars said a moment ago, so that one lost answer takes nothing back. Pure.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use restward_crds::sidecar::status::SidecarStatus;

/// How long a sidecar that does not answer is believed what it said last: a restart of the sidecar takes seconds, and sidecars
/// with which all is well are asked once a minute.
const MOMENT: Duration = Duration::from_mins(2);

/// A pod of a policy: policy UID, name and address.
type Key = (String, String, String);

/// What was heard.
#[derive(Debug, Default)]
pub(super) struct Heard(HashMap<Key, (Instant, SidecarStatus)>);

impl Heard {
    /// Remembers what a sidecar says.
    pub(super) fn note(&mut self, key: Key, said: &SidecarStatus, now: Instant) {
        self.0.retain(|_, (at, _)| now.duration_since(*at) <= MOMENT);
        self.0.insert(key, (now, said.clone()));
    }

    /// What a sidecar said last, when that was a moment ago.
    pub(super) fn last(&self, key: &Key, now: Instant) -> Option<SidecarStatus> {
        let (at, said) = self.0.get(key)?;
        (now.duration_since(*at) <= MOMENT).then(|| said.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::assess::ack_for_tests;

    #[test]
    fn a_sidecar_is_believed_for_a_moment_and_by_its_own_address() {
        let key = |ip: &str| ("u-1".to_owned(), "wiki-0".to_owned(), ip.to_owned());
        let said = ack_for_tests().status.unwrap();
        let (begin, mut heard) = (Instant::now(), Heard::default());
        assert_eq!(heard.last(&key("10.0.0.1"), begin), None);
        heard.note(key("10.0.0.1"), &said, begin);
        assert_eq!(heard.last(&key("10.0.0.1"), begin + MOMENT), Some(said.clone()));
        assert_eq!(heard.last(&key("10.0.0.1"), begin + MOMENT * 2), None);
        assert_eq!(heard.last(&key("10.0.0.2"), begin), None, "a new pod of that name");
        heard.note(key("10.0.0.3"), &said, begin + MOMENT * 2);
        assert_eq!(heard.0.len(), 1, "what is old is forgotten");
    }
}
