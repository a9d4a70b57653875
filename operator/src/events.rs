//! Events on policies and workloads. They are a courtesy: that one could not be written is logged and stops nothing.

use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Client, Resource, ResourceExt,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};

use crate::{
    conditions::truncate,
    controller::{
        dereference::{Template, Workload},
        pod::PodId,
    },
};

/// The API server refuses longer notes.
const MAX_NOTE: usize = 1024;

/// Events that a recorder gets, which remembers each for minutes to tell the next of its kind as one of a series: with a thousand
/// policies whose conditions change together, that would be most of what the operator holds.
const REMEMBERED: usize = 500;

/// Writes Events.
#[derive(Clone)]
pub struct Events {
    client: Client,
    reporter: Reporter,
    recorder: Arc<Mutex<(Recorder, usize)>>,
}

impl Events {
    /// Events in the name of the replica `pod_name`.
    pub fn new(client: Client, pod_name: &str) -> Self {
        let reporter =
            Reporter { controller: names::FIELD_MANAGER.into(), instance: Some(pod_name.to_owned()) };
        let recorder = Recorder::new(client.clone(), reporter.clone());
        Self { recorder: Arc::new(Mutex::new((recorder, 0))), client, reporter }
    }

    /// A condition has another status or reason than before.
    pub async fn condition(&self, policy: &RestApiAuthPolicy, condition: &Condition) {
        let type_ = if condition.status == "False" { EventType::Warning } else { EventType::Normal };
        let note = format!("{}={}: {}", condition.type_, condition.status, condition.message);
        self.publish(&policy.object_ref(&()), None, type_, &condition.reason, &note).await;
    }

    /// Something about the policy as a whole.
    pub async fn about_policy(&self, policy: &RestApiAuthPolicy, type_: EventType, reason: &str, note: &str) {
        self.publish(&policy.object_ref(&()), None, type_, reason, note).await;
    }

    /// Something that was done for a policy. An Event each time, and never one more of a series, which would tell what was done
    /// the first time.
    pub async fn about_change(&self, policy: &RestApiAuthPolicy, reason: &str, note: &str) {
        let event = Event {
            type_: EventType::Normal,
            reason: reason.to_owned(),
            note: Some(truncate(note, MAX_NOTE)),
            action: "Reconcile".into(),
            secondary: None,
        };
        write(&self.recorder_of_its_own(), &event, &policy.object_ref(&())).await;
    }

    /// Something about one pod of a policy. Events that differ in the pod stay apart.
    pub async fn about_pod(
        &self,
        policy: &RestApiAuthPolicy,
        type_: EventType,
        id: &PodId,
        reason: &str,
        note: &str,
    ) {
        let pod = reference("v1", "Pod", policy.namespace(), &id.pod, &id.uid);
        self.publish(&policy.object_ref(&()), Some(pod), type_, reason, note).await;
    }

    /// Something about one workload of a policy, where `kubectl describe` shows it of either.
    pub async fn about_workload(
        &self,
        policy: &RestApiAuthPolicy,
        type_: EventType,
        of: &Template,
        reason: &str,
        note: &str,
    ) {
        let Workload { kind, name } = &of.workload;
        let workload = reference("apps/v1", kind, policy.namespace(), name, &of.uid);
        let policy = policy.object_ref(&());
        self.publish(&policy, Some(workload.clone()), type_, reason, note).await;
        self.publish(&workload, Some(policy), type_, reason, note).await;
    }

    /// A use of break-glass: on the object, and on each policy that it concerns. An Event each time, and never one more of a
    /// series, which would have the user of the first only.
    pub async fn about_use(
        &self,
        policies: &[ObjectReference],
        object: &ObjectReference,
        what: &'static str,
        note: &str,
    ) {
        let recorder = self.recorder_of_its_own();
        let event = |secondary: Option<&ObjectReference>| Event {
            type_: EventType::Warning,
            reason: names::BREAK_GLASS_USED.into(),
            note: Some(truncate(note, MAX_NOTE)),
            action: what.into(),
            secondary: secondary.cloned(),
        };
        write(&recorder, &event(policies.first()), object).await;
        for policy in policies.iter().filter(|policy| *policy != object) {
            write(&recorder, &event(Some(object)), policy).await;
        }
    }

    async fn publish(
        &self,
        about: &ObjectReference,
        secondary: Option<ObjectReference>,
        type_: EventType,
        reason: &str,
        note: &str,
    ) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(truncate(note, MAX_NOTE)),
            action: "Reconcile".into(),
            secondary,
        };
        write(&self.recorder(), &event, about).await;
    }

    /// One that has not got too many by now.
    fn recorder(&self) -> Recorder {
        let mut recorder = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        if recorder.1 == REMEMBERED {
            *recorder = (self.recorder_of_its_own(), 0);
        }
        recorder.1 += 1;
        recorder.0.clone()
    }

    /// One that remembers nothing.
    fn recorder_of_its_own(&self) -> Recorder {
        Recorder::new(self.client.clone(), self.reporter.clone())
    }
}

async fn write(recorder: &Recorder, event: &Event, about: &ObjectReference) {
    if let Err(error) = recorder.publish(event, about).await {
        tracing::warn!(%error, event.reason = event.reason, "an Event could not be written");
    }
}

/// An object that an Event is about.
pub(crate) fn reference(
    api: &str,
    kind: &str,
    namespace: Option<String>,
    name: &str,
    uid: &str,
) -> ObjectReference {
    ObjectReference {
        api_version: Some(api.into()),
        kind: Some(kind.into()),
        namespace,
        name: Some(name.into()),
        uid: Some(uid.into()),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{
        self,
        api_server::{self, Asked, answer},
    };

    #[tokio::test]
    async fn what_is_told_again_is_a_series_and_of_many_only_some_are_remembered() {
        let (asked, policy) = (Asked::default(), testing::policy(json!({})));
        let noted = asked.clone();
        let client = api_server::client_at_once(move |request| {
            noted.note(request.method.as_str());
            answer(request.body)
        });
        let events = Events::new(client, "t");
        events.about_policy(&policy, EventType::Normal, "First", "x").await;
        events.about_policy(&policy, EventType::Normal, "First", "x").await;
        assert_eq!(asked.take(), ["POST", "PATCH"]);
        for number in 2..REMEMBERED {
            events.about_policy(&policy, EventType::Normal, &format!("Other{number}"), "x").await;
        }
        events.about_policy(&policy, EventType::Normal, "First", "x").await;
        assert_eq!(asked.take().pop().as_deref(), Some("POST"), "it was forgotten with the others");
    }

    #[tokio::test]
    async fn each_change_is_told_with_its_own_note() {
        let (asked, policy) = (Asked::default(), testing::policy(json!({})));
        let noted = asked.clone();
        let client = api_server::client_at_once(move |request| {
            let note = request.body["note"].as_str().unwrap_or_default().to_owned();
            noted.note(format!("{} {note}", request.method));
            answer(request.body)
        });
        let events = Events::new(client, "t");
        for note in ["made a", "made b"] {
            events.about_change(&policy, "Made", note).await;
        }
        assert_eq!(asked.take(), ["POST made a", "POST made b"]);
    }
}
