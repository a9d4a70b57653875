//! What a probing pod's status says. Pure.

use k8s_openapi::api::core::v1::{ContainerState, Pod, PodStatus};

use super::pod::CONTAINER;

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::preflight) enum Outcome {
    /// The image came and the identity provider answers.
    Answers,
    /// The image came, and the sidecar says what is wrong.
    Says(String),
    /// The image is of a release that cannot probe.
    TooOld,
    /// The image did not come, in the kubelet's words.
    NotPulled(String),
    /// Nothing was found out.
    Unknown(String),
}

/// What clap ends with where it does not know a command.
const USAGE: i32 = 2;

/// `None`: not yet.
pub(super) fn outcome(pod: &Pod) -> Option<Outcome> {
    let status = pod.status.as_ref()?;
    if let Some(ended) = state(status).and_then(|state| state.terminated.as_ref()) {
        let message = ended.message.clone().unwrap_or_default().trim().to_owned();
        return Some(match ended.exit_code {
            0 => Outcome::Answers,
            1 if !message.is_empty() => Outcome::Says(message),
            USAGE => Outcome::TooOld,
            code => Outcome::Unknown(format!(
                "the container ended with {code}: {} {message}",
                ended.reason.as_deref().unwrap_or_default()
            )),
        });
    }
    if let Some(waiting) = state(status).and_then(|state| state.waiting.as_ref()) {
        let reason = waiting.reason.clone().unwrap_or_default();
        let told = || format!("{reason}: {}", waiting.message.as_deref().unwrap_or_default());
        if ["Image", "Registry", "Signature"].iter().any(|word| reason.contains(word)) {
            return Some(Outcome::NotPulled(told()));
        }
        if reason.starts_with("Create") || reason.ends_with("Error") {
            return Some(Outcome::Unknown(told()));
        }
    }
    let is_over = status.phase.as_deref() == Some("Failed");
    is_over.then(|| {
        let told = |text: &Option<String>| text.clone().unwrap_or_default();
        Outcome::Unknown(format!("{}: {}", told(&status.reason), told(&status.message)))
    })
}

/// What it still waits for at the deadline.
pub(super) fn waits_for(pod: &Pod) -> Outcome {
    let status = pod.status.clone().unwrap_or_default();
    let unscheduled =
        status.conditions.iter().flatten().find(|it| it.type_ == "PodScheduled" && it.status == "False");
    if let Some(message) = unscheduled.and_then(|it| it.message.as_ref()) {
        return Outcome::Unknown(format!("it is not scheduled: {message}"));
    }
    let waiting = state(&status).and_then(|state| state.waiting.as_ref()?.reason.clone());
    let phase = waiting.or(status.phase).unwrap_or_else(|| "nothing is known of it".into());
    Outcome::Unknown(format!("it did not end in time: {phase}; kubectl describe says more of such a pod"))
}

fn state(status: &PodStatus) -> Option<&ContainerState> {
    status.container_statuses.iter().flatten().find(|it| it.name == CONTAINER)?.state.as_ref()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(state: &Value, rest: &Value) -> Pod {
        let mut status = json!({"containerStatuses": [
            {"name": "istio-proxy", "state": {"running": {}}, "ready": true, "restartCount": 0, "image": "", "imageID": ""},
            {"name": CONTAINER, "state": state, "ready": false, "restartCount": 0, "image": "", "imageID": ""}]});
        status.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        serde_json::from_value(json!({"status": status})).unwrap()
    }

    #[test]
    fn each_end_is_told_from_the_others() {
        let ended = |code: i32, message: &str| json!({"terminated": {"exitCode": code, "message": message, "reason": "Error"}});
        let waiting = |reason: &str| json!({"waiting": {"reason": reason, "message": "as the kubelet says"}});
        let none = json!({});
        let told = |reason: &str| format!("{reason}: as the kubelet says");
        for (state, rest, want) in [
            (ended(0, ""), &none, Some(Outcome::Answers)),
            (
                ended(1, "RealmNotFound: no realm\n"),
                &none,
                Some(Outcome::Says("RealmNotFound: no realm".into())),
            ),
            (ended(2, "error: unrecognized subcommand"), &none, Some(Outcome::TooOld)),
            (ended(137, ""), &none, Some(Outcome::Unknown("the container ended with 137: Error ".into()))),
            (waiting("ErrImagePull"), &none, Some(Outcome::NotPulled(told("ErrImagePull")))),
            (waiting("ImagePullBackOff"), &none, Some(Outcome::NotPulled(told("ImagePullBackOff")))),
            (waiting("InvalidImageName"), &none, Some(Outcome::NotPulled(told("InvalidImageName")))),
            (
                waiting("CreateContainerConfigError"),
                &none,
                Some(Outcome::Unknown(told("CreateContainerConfigError"))),
            ),
            (waiting("RunContainerError"), &none, Some(Outcome::Unknown(told("RunContainerError")))),
            (waiting("ContainerCreating"), &none, None),
            (json!({"running": {}}), &none, None),
            (
                waiting("ContainerCreating"),
                &json!({"phase": "Failed", "reason": "OutOfcpu", "message": "no room"}),
                Some(Outcome::Unknown("OutOfcpu: no room".into())),
            ),
        ] {
            assert_eq!(outcome(&pod(&state, rest)), want, "{state} {rest}");
        }
        assert_eq!(outcome(&Pod::default()), None);
    }

    #[test]
    fn what_it_waits_for_is_told_at_the_deadline() {
        let unscheduled =
            json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}]});
        assert_eq!(
            waits_for(&pod(&json!({}), &unscheduled)),
            Outcome::Unknown("it is not scheduled: 0/1 nodes".into())
        );
        let Outcome::Unknown(why) =
            waits_for(&pod(&json!({"waiting": {"reason": "ContainerCreating"}}), &json!({})))
        else {
            panic!()
        };
        assert!(why.contains("ContainerCreating"), "{why}");
    }
}
