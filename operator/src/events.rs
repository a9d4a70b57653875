//! Events on policies. They are a courtesy: that one could not be written is logged and stops nothing.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};

use crate::conditions::truncate;

/// The API server refuses longer notes.
const MAX_NOTE: usize = 1024;

/// Writes Events.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

impl Events {
    /// Events in the name of the replica `pod_name`.
    pub fn new(client: Client, pod_name: &str) -> Self {
        let reporter =
            Reporter { controller: names::FIELD_MANAGER.into(), instance: Some(pod_name.to_owned()) };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// A condition has another status or reason than before.
    pub async fn condition(&self, policy: &RestApiAuthPolicy, condition: &Condition) {
        let type_ = if condition.status == "False" { EventType::Warning } else { EventType::Normal };
        let note = format!("{}={}: {}", condition.type_, condition.status, condition.message);
        self.publish(policy, type_, &condition.reason, &note).await;
    }

    /// Something that needs people.
    pub async fn warning(&self, policy: &RestApiAuthPolicy, reason: &str, note: &str) {
        self.publish(policy, EventType::Warning, reason, note).await;
    }

    async fn publish(&self, policy: &RestApiAuthPolicy, type_: EventType, reason: &str, note: &str) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(truncate(note, MAX_NOTE)),
            action: "Reconcile".into(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &policy.object_ref(&())).await {
            tracing::warn!(%error, event.reason = reason, "an Event could not be written");
        }
    }
}
