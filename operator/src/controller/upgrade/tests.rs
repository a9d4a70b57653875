mod property;
mod round;

use serde_json::json;

use super::*;
use crate::{
    controller::{dereference::Workload, pod::PodId},
    testing,
};

const OLD: &str = "example.com/sidecar:1";
const NEW: &str = "example.com/sidecar:2";

fn set(name: &str) -> Workload {
    Workload { kind: "StatefulSet".into(), name: name.into() }
}

/// A pod that is well with the image of before.
fn member(pod: &str, workload: &str) -> Member {
    Member {
        id: PodId { pod: pod.into(), uid: format!("uid-{pod}") },
        workload: set(workload),
        created: None,
        is_ready: true,
        is_injected: true,
        injection: Injection::Current,
        sidecar: Some(Container {
            image: OLD.into(),
            id: Some(format!("{pod}-old")),
            state: State::Up,
            replaces: None,
        }),
    }
}

struct Case {
    census: Census,
    templates: Vec<Template>,
    answering: BTreeSet<&'static str>,
    strategy: SidecarUpdateStrategy,
}

impl Case {
    /// Two pods of one workload and one of another, all well with the image of before.
    fn new() -> Self {
        let members = vec![member("wiki-0", "wiki"), member("wiki-1", "wiki"), member("blog-0", "blog")];
        let mut templates =
            vec![testing::template("wiki", json!({}), "c"), testing::template("blog", json!({}), "c")];
        templates[0].replicas = 2;
        Self {
            census: Census { members, image: NEW.into(), ..Census::default() },
            templates,
            answering: ["wiki-0", "wiki-1", "blog-0"].into(),
            strategy: SidecarUpdateStrategy::InPlace,
        }
    }

    fn sidecar(&mut self, pod: usize) -> &mut Container {
        self.census.members[pod].sidecar.as_mut().unwrap()
    }

    /// What the operator does to the pod.
    fn replace(&mut self, pod: usize) {
        let sidecar = self.sidecar(pod);
        (sidecar.replaces, sidecar.image) = (Some(sidecar.to_be_replaced()), NEW.into());
    }

    /// What the kubelet does then.
    fn restart(&mut self, pod: usize, state: State) {
        self.census.members[pod].is_ready = state == State::Up;
        let sidecar = self.sidecar(pod);
        (sidecar.id, sidecar.state) = (Some(format!("{pod}-new")), state);
    }

    fn upgraded(&mut self, pod: usize) {
        self.replace(pod);
        self.restart(pod, State::Up);
        self.sidecar(pod).replaces = None;
    }

    fn plan(&self) -> Plan<'_> {
        plan(&Situation {
            census: &self.census,
            templates: &self.templates,
            answering: &self.answering,
            strategy: self.strategy,
        })
    }

    fn next(&self) -> Option<&str> {
        self.plan().next.map(|member| member.id.pod.as_str())
    }

    /// What the pod waits for.
    fn obstacle(&self, pod: &str) -> Option<Obstacle> {
        self.plan().left.into_iter().find(|(member, _)| member.id.pod == pod).map(|(_, obstacle)| obstacle)
    }
}

fn failing(reason: &str) -> State {
    State::Failing(reason.into())
}

#[test]
fn one_pod_after_the_other_gets_the_image() {
    let mut case = Case::new();
    for (number, pod) in ["wiki-0", "wiki-1", "blog-0"].into_iter().enumerate() {
        assert_eq!(case.next(), Some(pod));
        assert!(case.plan().left.iter().all(|(_, obstacle)| *obstacle == Obstacle::Turn));
        case.replace(number);
        assert_eq!((case.next(), case.plan().under_way.len()), (None, 1));
        case.restart(number, State::Up);
        assert_eq!(case.plan().arrived.len(), 1);
        case.sidecar(number).replaces = None;
    }
    assert_eq!(case.plan(), Plan::default());
}

/// What happens to the pod that is getting the image, and what is missing then.
type Row = (&'static str, fn(&mut Case), &'static str);

#[test]
fn the_next_waits_until_the_one_before_is_well_with_it() {
    let rows: [Row; 5] = [
        ("the old container still runs, and is ready", |_| {}, "kubelet has not replaced the container yet"),
        ("the new one starts", |case| case.restart(0, State::Running), "its sidecar is not ready yet"),
        ("it does not run yet", |case| case.restart(0, State::Down), "its sidecar is not ready yet"),
        (
            "Confluence is not ready",
            |case| {
                case.restart(0, State::Up);
                case.census.members[0].is_ready = false;
            },
            "the pod is not yet",
        ),
        (
            "it has not said what it runs",
            |case| {
                case.restart(0, State::Up);
                case.answering.remove("wiki-0");
            },
            "has not said yet",
        ),
    ];
    for (what, happens, missing) in rows {
        let mut case = Case::new();
        case.replace(0);
        happens(&mut case);
        let plan = case.plan();
        assert!(plan.next.is_none() && plan.failing.is_empty() && plan.arrived.is_empty(), "{what}");
        assert!(plan.under_way[0].1.contains(missing), "{what}: {:?}", plan.under_way);
        assert_eq!(case.obstacle("wiki-1"), Some(Obstacle::Turn), "{what}");
        assert_eq!(case.obstacle("blog-0"), Some(Obstacle::Turn), "{what}");
    }
}

/// What happens to the pods, and what `wiki-0` waits for then.
type Guard = (&'static str, fn(&mut Case), Obstacle);

#[test]
fn each_guard_alone_keeps_a_pod_as_it_is() {
    let rollout = |what: &str| Obstacle::Rollout(what.into());
    let guards: [Guard; 9] = [
        ("the policy says so", |case| case.strategy = SidecarUpdateStrategy::OnDelete, Obstacle::OnDelete),
        (
            "more than the image differs",
            |case| case.census.members[0].injection = Injection::Outdated,
            Obstacle::MoreThanTheImage,
        ),
        (
            "it would be refused",
            |case| case.census.members[0].injection = Injection::Unknown,
            Obstacle::Unknown,
        ),
        ("it is not ready", |case| case.census.members[0].is_ready = false, Obstacle::NotReady),
        (
            "another pod is not ready",
            |case| case.census.members[1].is_ready = false,
            Obstacle::OthersNotReady("wiki-1".into()),
        ),
        (
            "another pod, without the sidecar, is not ready",
            |case| {
                let member = &mut case.census.members[1];
                (member.is_ready, member.is_injected, member.sidecar) = (false, false, None);
            },
            Obstacle::OthersNotReady("wiki-1".into()),
        ),
        ("its workload is rolled out", |case| case.templates[0].unsettled = Some("u".into()), rollout("u")),
        ("a pod is missing", |case| case.templates[0].replicas = 3, rollout("it has 2 of 3 pods")),
        (
            "another pod is well with it, and that is not noted yet",
            |case| {
                case.replace(1);
                case.restart(1, State::Up);
            },
            Obstacle::OthersNotReady("wiki-1".into()),
        ),
    ];
    for (what, happens, obstacle) in guards {
        let mut case = Case::new();
        happens(&mut case);
        assert_ne!(case.next(), Some("wiki-0"), "{what}");
        assert_eq!(case.obstacle("wiki-0"), Some(obstacle), "{what}");
    }
}

#[test]
fn what_keeps_one_workload_keeps_no_other() {
    let mut case = Case::new();
    case.census.members[1].is_ready = false;
    assert_eq!(case.next(), Some("blog-0"));
}

#[test]
fn a_pod_that_does_not_come_up_stops_all_others() {
    let mut case = Case::new();
    case.replace(0);
    case.restart(0, failing("ImagePullBackOff"));
    assert_eq!(case.next(), None);
    let plan = case.plan();
    assert_eq!((plan.failing[0].0.id.pod.as_str(), plan.failing[0].1), ("wiki-0", "ImagePullBackOff"));
    assert_eq!(case.obstacle("wiki-1"), Some(Obstacle::Stopped));
    assert_eq!(case.obstacle("blog-0"), Some(Obstacle::Stopped));

    let mut fresh = Case::new();
    fresh.upgraded(0);
    fresh.restart(0, failing("ErrImagePull"));
    assert_eq!(fresh.plan().failing.len(), 1, "one that was made with the image is as good a proof");
    assert_eq!(fresh.obstacle("blog-0"), Some(Obstacle::Stopped));
    fresh.upgraded(1);
    fresh.upgraded(2);
    assert!(fresh.plan().failing.is_empty(), "nobody waits for it");
}

#[test]
fn an_image_is_taken_back_where_it_did_not_come_up_and_where_it_is_on_its_way() {
    for state in [failing("ImagePullBackOff"), failing("CrashLoopBackOff"), State::Running, State::Down] {
        let mut case = Case::new();
        case.replace(0);
        case.restart(0, state.clone());
        case.census.image = OLD.into();
        assert_eq!(case.next(), Some("wiki-0"), "{state:?}");
        assert!(case.plan().failing.is_empty(), "{state:?}");
    }
    let mut at_once = Case::new();
    at_once.replace(0);
    at_once.census.image = OLD.into();
    assert_eq!(at_once.next(), Some("wiki-0"));
    let sidecar = at_once.sidecar(0);
    (sidecar.replaces, sidecar.image) = (Some(sidecar.to_be_replaced()), OLD.into());
    assert_eq!(at_once.plan().arrived.len(), 1, "its kubelet had not seen it, and replaces nothing");
}

#[test]
fn pods_that_were_made_with_an_image_that_does_not_come_up_are_helped_one_by_one() {
    let mut case = Case::new();
    for pod in [0, 1] {
        case.upgraded(pod);
        case.restart(pod, failing("ImagePullBackOff"));
    }
    case.templates[0].unsettled = Some("a rollout waits for them".into());
    case.census.image = OLD.into();
    assert_eq!(case.next(), Some("wiki-0"));
    case.sidecar(0).replaces = Some(case.sidecar(0).to_be_replaced());
    case.sidecar(0).image = OLD.into();
    case.sidecar(0).state = State::Running;
    assert_eq!((case.next(), case.obstacle("wiki-1")), (None, Some(Obstacle::Turn)));
    case.sidecar(0).replaces = None;
    case.restart(0, State::Up);
    assert_eq!(case.next(), Some("wiki-1"));
}

#[test]
fn a_pod_that_cannot_be_helped_in_place_is_told() {
    let mut case = Case::new();
    case.replace(0);
    case.restart(0, failing("ImagePullBackOff"));
    case.census.image = "example.com/sidecar:3".into();
    case.census.members[0].injection = Injection::Outdated;
    assert_eq!((case.next(), case.plan().failing.len()), (None, 1));
    assert_eq!(case.obstacle("wiki-0"), Some(Obstacle::MoreThanTheImage));
}
