//! Events on policies. They are a courtesy: that one could not be written is logged and stops nothing.

use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{
    Client, Resource, ResourceExt,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};

use crate::{conditions::truncate, controller::pod::PodId};

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
        self.publish(policy, None, type_, &condition.reason, &note).await;
    }

    /// Something about the policy as a whole.
    pub async fn about_policy(&self, policy: &RestApiAuthPolicy, type_: EventType, reason: &str, note: &str) {
        self.publish(policy, None, type_, reason, note).await;
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
        let pod = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Pod".into()),
            namespace: policy.namespace(),
            name: Some(id.pod.clone()),
            uid: Some(id.uid.clone()),
            ..ObjectReference::default()
        };
        self.publish(policy, Some(pod), type_, reason, note).await;
    }

    async fn publish(
        &self,
        policy: &RestApiAuthPolicy,
        pod: Option<ObjectReference>,
        type_: EventType,
        reason: &str,
        note: &str,
    ) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(truncate(note, MAX_NOTE)),
            action: "Reconcile".into(),
            secondary: pod,
        };
        if let Err(error) = self.recorder.publish(&event, &policy.object_ref(&())).await {
            tracing::warn!(%error, event.reason = reason, "an Event could not be written");
        }
    }
}
