//! The sidecar's container of a pod, as its specification and the kubelet tell. Pure.

use std::fmt;

use restward_crds::names;
use serde_json::Value;

use super::dereference::ObservedPod;

/// Reasons of the kubelet that say nothing but that a container is on its way.
const ON_ITS_WAY: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// The sidecar's container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The image that the pod asks for.
    pub image: String,
    /// Which container it is, or was: each start makes another. It tells whether a container is from before a change of
    /// the image: what the kubelet says of the image does not, as the runtime names any of the names of one content.
    pub id: Option<String>,
    /// How it is.
    pub state: State,
    /// The container in whose place this one comes, as long as the pod is not well with it.
    pub replaces: Option<Replaced>,
}

/// A container that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// Which one it is.
    pub id: String,
    /// The image that it was made of.
    pub image: String,
}

impl Replaced {
    fn parse(note: &str) -> Self {
        let (id, image) = note.split_once(' ').unwrap_or((note, ""));
        Self { id: id.to_owned(), image: image.to_owned() }
    }
}

impl fmt::Display for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.image)
    }
}

/// How a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It runs, has started and is ready.
    Up,
    /// It runs.
    Running,
    /// It does not run.
    Down,
    /// The kubelet cannot have it run, or it has ended since it came in place of another, by the kubelet's word for it, such as
    /// `ImagePullBackOff`.
    Failing(String),
}

impl Container {
    /// Whether the container is still the one that is to be replaced. It is not, and stays, when its image is asked for again
    /// before the kubelet had seen the other.
    pub fn is_old(&self) -> bool {
        self.replaces.as_ref().is_some_and(|old| old.id == self.id() && old.image != self.image)
    }

    /// What is to be replaced when the pod gets another image now.
    pub fn to_be_replaced(&self) -> Replaced {
        let noted = self.replaces.clone().filter(|old| old.id == self.id());
        noted.unwrap_or_else(|| Replaced { id: self.id().to_owned(), image: self.image.clone() })
    }

    fn id(&self) -> &str {
        self.id.as_deref().unwrap_or(names::NO_CONTAINER)
    }

    /// Whether a container of this image runs.
    pub fn runs(&self, image: &str) -> bool {
        self.image == image && !self.is_old() && matches!(self.state, State::Up | State::Running)
    }
}

impl ObservedPod {
    /// Its sidecar, when it has a container of the name.
    pub fn sidecar(&self) -> Option<Container> {
        let container = of_the_name(&self.raw, "/spec/initContainers")?;
        let status = of_the_name(&self.raw, "/status/initContainerStatuses").unwrap_or(&Value::Null);
        let id = status["containerID"].as_str().filter(|id| !id.is_empty());
        let replaces = self.annotations.get(names::ANNOTATION_REPLACED_CONTAINER);
        let replaces = replaces.map(|note| Replaced::parse(note));
        Some(Container {
            image: container["image"].as_str().unwrap_or_default().to_owned(),
            id: id.map(Into::into),
            state: state(status, replaces.as_ref().map(|old| old.id.as_str())),
            replaces,
        })
    }
}

fn of_the_name<'a>(pod: &'a Value, list: &str) -> Option<&'a Value> {
    let list = pod.pointer(list)?.as_array()?;
    list.iter().find(|container| container["name"] == names::SIDECAR_CONTAINER)
}

fn state(status: &Value, replaces: Option<&str>) -> State {
    let waits_for = status.pointer("/state/waiting/reason").and_then(Value::as_str);
    let fails = waits_for.filter(|reason| !ON_ITS_WAY.contains(reason)).map(ToOwned::to_owned);
    let is_running = status.pointer("/state/running").is_some();
    if is_running && status["started"] == true && status["ready"] == true {
        return State::Up;
    }
    match fails.or_else(|| ended_since(status, replaces?)) {
        Some(reason) => State::Failing(reason),
        None if is_running => State::Running,
        None => State::Down,
    }
}

/// How the container that came in place of `old` ended. It is started again and again, and does not run well for that.
fn ended_since(status: &Value, old: &str) -> Option<String> {
    let ends = ["/state/terminated", "/lastState/terminated"];
    let end = ends.iter().filter_map(|end| status.pointer(end)).find(|end| end["containerID"] != old)?;
    Some(end["reason"].as_str().unwrap_or("Error").to_owned())
}

#[cfg(test)]
impl Container {
    /// One that is up, and is to go.
    pub(crate) fn being_replaced() -> Self {
        let old = Replaced { id: "a".into(), image: "example.com/sidecar:0".into() };
        Self {
            image: "example.com/sidecar:1".into(),
            id: Some("a".into()),
            state: State::Up,
            replaces: Some(old),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{injected, pod};

    fn of(status: &Value) -> Container {
        let mut pod = injected(pod("wiki-0", json!({})), "u");
        let other = json!({"name": "init", "image": "i", "containerID": "x", "state": {"waiting": {"reason": "Bad"}}});
        let mut own = json!({"name": names::SIDECAR_CONTAINER});
        own.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
        pod.raw["status"]["initContainerStatuses"] = json!([other, own]);
        pod.sidecar().unwrap()
    }

    #[test]
    fn its_state_is_what_the_kubelet_says() {
        let running = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
        let waits = |reason: &str| json!({"state": {"waiting": {"reason": reason}}});
        let failing = |reason: &str| State::Failing(reason.into());
        for (status, state) in [
            (json!({"state": running, "started": true, "ready": true}), State::Up),
            (json!({"state": running, "started": true, "ready": false}), State::Running),
            (json!({"state": running, "started": false, "ready": false}), State::Running),
            (
                json!({"state": {"terminated": {"exitCode": 1}}, "started": false, "ready": false}),
                State::Down,
            ),
            (json!({}), State::Down),
            (waits("PodInitializing"), State::Down),
            (waits("ContainerCreating"), State::Down),
            (waits("ErrImagePull"), failing("ErrImagePull")),
            (waits("CrashLoopBackOff"), failing("CrashLoopBackOff")),
            (waits("a word of a kubelet to come"), failing("a word of a kubelet to come")),
        ] {
            assert_eq!(of(&status).state, state, "{status}");
        }
        assert_eq!(pod("wiki-0", json!({})).sidecar(), None);
    }

    #[test]
    fn one_that_ends_after_it_came_in_place_of_another_does_not_come_up() {
        let ended = |id: &str| json!({"terminated": {"exitCode": 1, "reason": "Error", "containerID": id}});
        let running = json!({"running": {}});
        let of = |status: Value| state(&status, Some("old"));
        let failing = State::Failing("Error".into());
        assert_eq!(of(json!({"state": ended("old")})), State::Down, "it was replaced");
        assert_eq!(of(json!({"state": running, "lastState": ended("old")})), State::Running);
        assert_eq!(of(json!({"state": ended("new"), "lastState": ended("old")})), failing);
        assert_eq!(of(json!({"state": running, "lastState": ended("new")})), failing);
        let up = json!({"state": running, "started": true, "ready": true, "lastState": ended("new")});
        assert_eq!(of(up), State::Up);
        assert_eq!(state(&json!({"state": running, "lastState": ended("x")}), None), State::Running);
    }

    #[test]
    fn a_container_is_replaced_when_another_one_runs_or_it_is_asked_for_again() {
        let mut sidecar = of(&json!({"containerID": "containerd://a", "state": {"running": {}}}));
        let (one, two) = ("example.com/sidecar:1", "example.com/sidecar:2");
        assert!(!sidecar.is_old() && sidecar.runs(one) && !sidecar.runs(two));
        let old = sidecar.to_be_replaced();
        assert_eq!(old.to_string(), format!("containerd://a {one}"));
        assert_eq!(Replaced::parse(&old.to_string()), old);
        (sidecar.image, sidecar.replaces) = (two.into(), Some(old.clone()));
        assert!(sidecar.is_old() && !sidecar.runs(two));
        assert_eq!(sidecar.to_be_replaced(), old, "it is of the image of before still");
        sidecar.image = one.into();
        assert!(!sidecar.is_old() && sidecar.runs(one), "the kubelet leaves it");
        (sidecar.image, sidecar.id) = (two.into(), Some("containerd://b".into()));
        assert!(!sidecar.is_old() && sidecar.runs(two));
        assert_eq!(sidecar.to_be_replaced().to_string(), format!("containerd://b {two}"));
        sidecar.id = None;
        assert_eq!(sidecar.to_be_replaced().to_string(), format!("{} {two}", names::NO_CONTAINER));
    }
}
