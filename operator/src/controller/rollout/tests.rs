mod property;
mod round;

use serde_json::json;

use super::*;
use crate::testing;

fn remembered(hash: Option<&str>, policy: &str) -> RolloutStatus {
    RolloutStatus { hash: hash.map(Into::into), policy: policy.into() }
}

fn put(template: &mut Template, mark: &str) {
    template.raw["metadata"]["annotations"] = json!({names::ANNOTATION_INJECTION_HASH: mark});
}

/// A workload with pod `wiki-0` that has what was injected before the policy changed from `p1` to `p2`.
fn standing(template: &Template) -> Standing<'_> {
    Standing {
        template,
        aim: Aim::Injected { hash: "new", policy: "p2" },
        behind: vec!["wiki-0"],
        lacks_sidecar: false,
        on_purpose: None,
        unready: None,
        memory: remembered(Some("old"), "p1"),
    }
}

type Row = (&'static str, fn(&mut Template), fn(&mut Standing<'_>), Step);

fn check<const N: usize>(rows: [Row; N]) {
    for (what, template_is, standing_is, step) in rows {
        let mut template = testing::template("wiki", json!({}), "confluence");
        template_is(&mut template);
        let mut standing = standing(&template);
        standing_is(&mut standing);
        assert_eq!(plan(&[standing]), [step], "{what}");
    }
}

fn wait(obstacle: Obstacle) -> Step {
    Step::Wait(obstacle)
}

fn pods() -> Vec<String> {
    vec!["wiki-0".into()]
}

#[test]
fn a_change_of_the_policy_begins_a_rollout_unless_something_speaks_against_it() {
    let start = || Step::Start(Some("new".into()));
    let not_whole = |what: &str| wait(Obstacle::NotWhole(what.into()));
    check([
        ("the policy changed", |_| {}, |_| {}, start()),
        ("it was rolled out before", |it| put(it, "old"), |_| {}, start()),
        ("nothing is remembered", |_| {}, |it| it.memory = RolloutStatus::default(), start()),
        ("all pods are current", |_| {}, |it| it.behind.clear(), Step::Done),
        (
            "all pods are current, and somebody else rolls them out",
            |it| it.unsettled = Some("u".into()),
            |it| it.behind.clear(),
            Step::Done,
        ),
        (
            "a pod is not ready",
            |_| {},
            |it| it.unready = Some("wiki-1"),
            not_whole("pod wiki-1 is not ready"),
        ),
        ("its controller is busy", |it| it.unsettled = Some("u".into()), |_| {}, not_whole("u")),
        ("OnDelete", |it| it.update = Update::OnDelete, |_| {}, wait(Obstacle::OnDelete(pods()))),
        ("Paused", |it| it.update = Update::Paused, |_| {}, wait(Obstacle::Paused)),
        ("a partition leaves some", |it| it.update = Update::Partition(1), |_| {}, start()),
        (
            "a pod is there on purpose",
            |_| {},
            |it| (it.lacks_sidecar, it.on_purpose) = (true, Some("wiki-0")),
            wait(Obstacle::OnPurpose("wiki-0".into())),
        ),
    ]);
}

#[test]
fn an_upgrade_of_the_operator_restarts_nothing_that_has_the_sidecar() {
    let same_policy: fn(&mut Standing<'_>) = |it| it.memory.policy = "p2".into();
    check([
        ("only the operator changed", |_| {}, same_policy, wait(Obstacle::OperatorChanged)),
        ("after a rollout", |it| put(it, "old"), same_policy, wait(Obstacle::OperatorChanged)),
        (
            "a pod lacks the sidecar",
            |_| {},
            |it| (it.memory.policy, it.lacks_sidecar) = ("p2".into(), true),
            Step::Start(Some("new".into())),
        ),
    ]);
}

#[test]
fn what_was_begun_is_followed_to_its_end_and_never_begun_again() {
    let in_progress = |what: &str| wait(Obstacle::InProgress(what.into()));
    let unsettled: fn(&mut Template) = |it| {
        put(it, "new");
        it.unsettled = Some("u".into());
    };
    let partition: fn(&mut Template) = |it| {
        put(it, "new");
        it.update = Update::Partition(1);
    };
    check([
        ("its controller is busy", unsettled, |_| {}, in_progress("u")),
        ("so it is, and pods are current", unsettled, |it| it.behind.clear(), in_progress("u")),
        (
            "the pod is named",
            unsettled,
            |it| it.unready = Some("wiki-1"),
            in_progress("pod wiki-1 is not ready"),
        ),
        ("all is done", |it| put(it, "new"), |it| it.behind.clear(), Step::Done),
        ("pods differ all the same", |it| put(it, "new"), |_| {}, wait(Obstacle::Drift(pods()))),
        ("a partition keeps them", partition, |_| {}, wait(Obstacle::Partition(1, pods()))),
        (
            "somebody took it away",
            |_| {},
            |it| it.memory = remembered(Some("new"), "p1"),
            wait(Obstacle::Reverted),
        ),
        (
            "somebody put back what was there",
            |it| put(it, "old"),
            |it| it.memory = remembered(Some("new"), "p2"),
            wait(Obstacle::Reverted),
        ),
        (
            "somebody took it away, and a pod lacks the sidecar",
            |it| it.unsettled = Some("u".into()),
            |it| (it.memory, it.lacks_sidecar) = (remembered(Some("new"), "p2"), true),
            wait(Obstacle::Reverted),
        ),
    ]);
}

#[test]
fn pods_lose_the_sidecar_in_the_same_way() {
    let plain: fn(&mut Standing<'_>) = |it| it.aim = Aim::Plain;
    let begun: fn(&mut Standing<'_>) =
        |it| (it.aim, it.memory) = (Aim::Plain, remembered(Some(names::NOTHING_INJECTED), "p1"));
    check([
        ("the annotation goes", |it| put(it, "old"), plain, Step::Start(None)),
        ("there is none", |_| {}, plain, Step::Start(Some(names::NOTHING_INJECTED.into()))),
        (
            "whatever the policy said before",
            |_| {},
            |it| (it.aim, it.memory.policy) = (Aim::Plain, "p2".into()),
            Step::Start(Some(names::NOTHING_INJECTED.into())),
        ),
        ("it went", |it| it.unsettled = Some("u".into()), begun, wait(Obstacle::InProgress("u".into()))),
        ("it went, and pods have the sidecar all the same", |_| {}, begun, wait(Obstacle::Drift(pods()))),
        ("it says so", |it| put(it, names::NOTHING_INJECTED), begun, wait(Obstacle::Drift(pods()))),
        ("somebody put it back", |it| put(it, "old"), begun, wait(Obstacle::Reverted)),
        ("a pod is not ready", |_| {}, |it| (it.aim, it.unready) = (Aim::Plain, Some("wiki-0")), {
            wait(Obstacle::NotWhole("pod wiki-0 is not ready".into()))
        }),
        ("OnDelete", |it| it.update = Update::OnDelete, plain, wait(Obstacle::OnDelete(pods()))),
    ]);
}

#[test]
fn one_workload_at_a_time_and_none_while_another_is_not_whole() {
    let [a, b, c] = ["a", "b", "c"].map(|name| testing::template(name, json!({}), "confluence"));
    let start = || Step::Start(Some("new".into()));
    let turn = || wait(Obstacle::Turn);
    assert_eq!(plan(&[standing(&a), standing(&b), standing(&c)]), [start(), turn(), turn()]);

    let mut busy = b.clone();
    put(&mut busy, "new");
    busy.unsettled = Some("u".into());
    let in_progress = wait(Obstacle::InProgress("u".into()));
    assert_eq!(plan(&[standing(&a), standing(&busy), standing(&c)]), [turn(), in_progress, turn()]);

    let mut done = standing(&b);
    done.behind.clear();
    done.unready = Some("b-0");
    let not_whole = || wait(Obstacle::NotWhole("StatefulSet b: pod b-0 is not ready".into()));
    assert_eq!(plan(&[standing(&a), done, standing(&c)]), [not_whole(), Step::Done, not_whole()]);
}

#[test]
fn what_is_remembered_is_what_was_put_there_and_what_the_policy_said_then() {
    let template = testing::template("wiki", json!({}), "confluence");
    let mut begun = template.clone();
    put(&mut begun, "new");
    let (fresh, begun) = (standing(&template), standing(&begun));
    let blocked = || wait(Obstacle::Paused);
    assert_eq!(fresh.remember(&Step::Done), remembered(Some("old"), "p2"));
    assert_eq!(fresh.remember(&Step::Start(Some("new".into()))), remembered(Some("new"), "p2"));
    assert_eq!(fresh.remember(&blocked()), remembered(Some("old"), "p1"));
    assert_eq!(begun.remember(&blocked()), remembered(Some("new"), "p2"), "status was lost meanwhile");
    let plain = Standing { aim: Aim::Plain, ..standing(&template) };
    assert_eq!(plain.remember(&Step::Start(None)), remembered(Some(names::NOTHING_INJECTED), "p1"));
}

#[test]
fn what_is_told_says_what_to_do() {
    let workload =
        crate::controller::dereference::Workload { kind: "StatefulSet".into(), name: "wiki".into() };
    let said = |obstacle: Obstacle| obstacle.describe(&workload, "atlassian");
    let delete = "kubectl delete pod -n atlassian wiki-0";
    for obstacle in [Obstacle::OnDelete(pods()), Obstacle::Partition(2, pods()), Obstacle::Drift(pods())] {
        assert!(said(obstacle.clone()).ends_with(delete), "{obstacle:?}");
    }
    let reverted = said(Obstacle::Reverted);
    assert!(
        reverted.contains(
            "ignoreDifferences: [{group: apps, kind: StatefulSet, name: wiki, jsonPointers: \
             [/spec/template/metadata/annotations/restward.io~1injection-hash]}]"
        ),
        "{reverted}"
    );
    assert!(said(Obstacle::Paused).ends_with("kubectl rollout resume statefulset/wiki -n atlassian"));
}
