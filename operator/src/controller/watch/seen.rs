//! Objects that concern several policies, by the parts that concern each: a change of one part is news to one policy. The
//! objects themselves are not kept.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher as _},
    sync::{Mutex, PoisonError},
};

/// A hash of each part, by its name.
pub(super) type Parts = BTreeMap<String, u64>;

/// The parts as they were seen last, by namespace and name of the object.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashMap<(String, String), Parts>>);

impl Seen {
    /// Names of the parts that are new, other or gone; none when the object was seen like this before, which is how one that
    /// is deleted is seen, too.
    pub(super) fn changed(&self, namespace: &str, name: &str, parts: Parts) -> BTreeSet<String> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = seen.entry((namespace.to_owned(), name.to_owned())).or_default();
        let before = std::mem::replace(now, parts);
        let names = before.keys().chain(now.keys());
        names.filter(|part| before.get(*part) != now.get(*part)).cloned().collect()
    }
}

/// The hash of a part.
pub(super) fn hash(part: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    part.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(seen: &Seen, namespace: &str, parts: &[(&str, u64)]) -> String {
        let parts = parts.iter().map(|(part, hash)| ((*part).to_owned(), *hash)).collect();
        seen.changed(namespace, "keys", parts).into_iter().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_new_other_or_gone_is_told_and_the_same_again_is_not() {
        let seen = Seen::default();
        assert_eq!(changed(&seen, "a", &[("x", 1), ("y", 1)]), "x y");
        assert_eq!(changed(&seen, "b", &[("x", 1)]), "x", "another object");
        assert_eq!(changed(&seen, "a", &[("x", 1), ("y", 1)]), "");
        assert_eq!(changed(&seen, "a", &[("x", 2), ("y", 1), ("z", 1)]), "x z");
        assert_eq!(changed(&seen, "a", &[("y", 1), ("z", 1)]), "x");
    }
}
