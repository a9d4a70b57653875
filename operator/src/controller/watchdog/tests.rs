mod round;

use std::collections::BTreeMap;

use super::*;
use crate::controller::{census::Injection, dereference::Workload, pod::PodId, sidecar::Container};

/// When the policy came into force.
const SINCE: &str = "2026-03-01T12:00:00Z";

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn set(name: &str) -> Workload {
    Workload { kind: "StatefulSet".into(), name: name.into() }
}

/// A ready pod from before the policy.
fn member(pod: &str, workload: &str, is_injected: bool) -> Member {
    Member {
        id: PodId { pod: pod.into(), uid: format!("uid-{pod}") },
        workload: set(workload),
        created: Some(at("2026-02-01T00:00:00Z")),
        is_ready: true,
        is_injected,
        injection: Injection::Unknown,
        sidecar: None,
    }
}

fn census(members: Vec<Member>, replicas: &[(&str, i32)]) -> Census {
    let mut workloads = BTreeMap::new();
    for member in &members {
        let (pods, injected): &mut (i32, i32) = workloads.entry(member.workload.clone()).or_default();
        *pods += 1;
        *injected += i32::from(member.is_injected);
    }
    let replaceable = replicas.iter().map(|(name, replicas)| (set(name), *replicas)).collect();
    Census { workloads, members, replaceable, ..Census::default() }
}

/// One pod without the sidecar, one with it.
fn one_is_left() -> Census {
    census(vec![member("wiki-0", "wiki", false), member("wiki-1", "wiki", true)], &[("wiki", 2)])
}

fn next(census: &Census) -> Option<&str> {
    plan(census, at(SINCE)).next.map(|member| member.id.pod.as_str())
}

fn left(census: &Census) -> Vec<(&str, Obstacle)> {
    let left = plan(census, at(SINCE)).left;
    left.into_iter().map(|(member, obstacle)| (member.id.pod.as_str(), obstacle)).collect()
}

#[test]
fn a_pod_from_before_the_policy_is_next_when_all_else_is_well() {
    let census = one_is_left();
    assert_eq!((next(&census), left(&census)), (Some("wiki-0"), Vec::new()));
}

/// What is done to a census in which the pod would be next, and what comes of it.
type Guard = (&'static str, fn(&mut Census), Obstacle);

#[test]
fn each_guard_alone_keeps_the_pod() {
    let others = |what: &str| Obstacle::OthersNotReady(what.into());
    let guards: [Guard; 11] = [
        (
            "it came under the policy",
            |census| census.members[0].created = Some(at("2026-03-01T12:00:11Z")),
            Obstacle::OnPurpose,
        ),
        ("nobody knows when it came", |census| census.members[0].created = None, Obstacle::OnPurpose),
        (
            "the glass was broken, by what is in force now",
            |census| _ = census.broken_glass.insert(census.members[0].id.clone()),
            Obstacle::OnPurpose,
        ),
        (
            "nobody owns it",
            |census| census.members[0].workload.kind = "Pod".into(),
            Obstacle::NobodyMakesItAgain,
        ),
        (
            "its owner's template is not known",
            |census| census.members[0].workload.kind = "ReplicaSet".into(),
            Obstacle::ReplacementUnknown,
        ),
        (
            "its owner's template is not Confluence any more",
            |census| census.replaceable.clear(),
            Obstacle::ReplacementUnknown,
        ),
        (
            "its owner's template, or a pod of it, would be refused",
            |census| _ = census.refusals.insert(set("wiki"), "hostNetwork".into()),
            Obstacle::ReplacementRefused,
        ),
        (
            "another pod of the workload is not ready",
            |census| census.members[1].is_ready = false,
            others("pod wiki-1 is not"),
        ),
        (
            "another pod of the workload is getting another sidecar",
            |census| census.members[1].sidecar = Some(Container::being_replaced()),
            others("pod wiki-1 is not"),
        ),
        (
            "another pod of the workload is missing",
            |census| _ = census.replaceable.insert(set("wiki"), 3),
            others("StatefulSet wiki has 2 of 3 pods"),
        ),
        (
            "another workload of the policy has lost its pod",
            |census| _ = census.replaceable.insert(set("blog"), 1),
            others("StatefulSet blog has 0 of 1 pods"),
        ),
    ];
    for (what, change, obstacle) in guards {
        let mut census = one_is_left();
        change(&mut census);
        assert_eq!(next(&census), None, "{what}");
        assert_eq!(left(&census), [("wiki-0", obstacle)], "{what}");
    }
}

#[test]
fn that_the_pod_itself_is_not_ready_keeps_nobody() {
    let mut census = one_is_left();
    census.members[0].is_ready = false;
    assert_eq!(next(&census), Some("wiki-0"));
}

#[test]
fn what_came_right_after_the_policy_is_from_before_its_webhook() {
    let mut census = one_is_left();
    census.members[0].created = Some(at("2026-03-01T12:00:10Z"));
    assert_eq!(next(&census), Some("wiki-0"));
}

#[test]
fn one_pod_of_a_policy_at_a_time() {
    let both = vec![member("wiki-0", "wiki", false), member("blog-0", "blog", false)];
    let census = census(both, &[("wiki", 1), ("blog", 1)]);
    assert_eq!(next(&census), Some("wiki-0"));
    assert_eq!(left(&census), [("blog-0", Obstacle::Turn)]);
}

#[test]
fn of_two_the_one_that_is_not_ready_goes_first() {
    let mut census =
        census(vec![member("wiki-0", "wiki", false), member("wiki-1", "wiki", false)], &[("wiki", 2)]);
    census.members[1].is_ready = false;
    assert_eq!(next(&census), Some("wiki-1"));
    assert_eq!(left(&census), [("wiki-0", Obstacle::OthersNotReady("pod wiki-1 is not".into()))]);
}

#[test]
fn pods_with_the_sidecar_are_none_of_its_business() {
    let census = census(vec![member("wiki-0", "wiki", true)], &[("wiki", 1)]);
    assert_eq!(plan(&census, at(SINCE)), Plan::default());
}
