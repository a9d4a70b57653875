//! Which of several policies a pod belongs to.

use std::collections::BTreeMap;

use restward_operator::{inject::choose, policy_source::Candidate};

use crate::support::policy;

fn named(name: &str, created: &str, label: &str) -> Candidate {
    let mut candidate = policy();
    candidate.name = name.into();
    candidate.uid = format!("uid-{name}");
    candidate.created = created.parse().unwrap();
    candidate.selector.match_labels = Some(BTreeMap::from([("app".to_owned(), label.to_owned())]));
    candidate
}

#[test]
fn the_oldest_policy_wins_then_the_name() {
    let old = named("z-old", "2026-01-01T00:00:00Z", "wiki");
    let new = named("a-new", "2026-02-01T00:00:00Z", "wiki");
    let twin = named("b-new", "2026-02-01T00:00:00Z", "wiki");
    let other = named("other", "2025-01-01T00:00:00Z", "elsewhere");
    let labels = BTreeMap::from([("app".to_owned(), "wiki".to_owned())]);
    for called in ["uid-z-old", "uid-a-new"] {
        let candidates = [new.clone(), old.clone(), other.clone()];
        assert_eq!(choose(&candidates, Some(called), &labels).unwrap().name, "z-old", "{called}");
    }
    assert_eq!(choose(&[twin, new, other.clone()], Some("uid-b-new"), &labels).unwrap().name, "a-new");
    assert_eq!(choose(&[other], Some("uid-gone"), &labels), None);
}

/// Else an edit of the selector, between the API server's look at it and ours, would let a pod through.
#[test]
fn the_called_policy_counts_even_when_its_selector_was_edited_since() {
    let edited = named("wiki", "2026-01-01T00:00:00Z", "elsewhere");
    let labels = BTreeMap::from([("app".to_owned(), "wiki".to_owned())]);
    assert_eq!(choose(&[edited], Some("uid-wiki"), &labels).unwrap().name, "wiki");
}
