//! `deletionPolicy: Retain`: a policy that is deleted stays in force until it is released.
//!
//! The finalizer keeps the object, and the controller goes on with it as with any other: that is what it takes for new and
//! old pods to behave alike. Without the object the backstop would have no parameters and refuse every pod, and nobody would
//! bring a new certificate authority of the webhook, a new image of the sidecar or a changed `server.xml` into what was left.

use kube::{Client, Resource, ResourceExt, runtime::events::EventType};
use restward_crds::{
    advisory::Advisory,
    api::v1alpha1::{DeletionPolicy, RestApiAuthPolicy},
};

use super::{
    Context,
    dereference::{self, Template},
};

/// Reason of the Event, and of the advisory.
const RETAINED: &str = Advisory::Retained.as_str();

/// Whether a policy that is being deleted stays in force. Not in a namespace that ends: that must not wait.
///
/// # Errors
/// The API server could not be asked.
pub(super) async fn is_kept(client: &Client, policy: &RestApiAuthPolicy) -> Result<bool, kube::Error> {
    let namespace = policy.namespace().unwrap_or_default();
    Ok(is_retained(policy) && !dereference::namespace_ends(client, &namespace).await?)
}

/// Whether a policy was deleted and wants to stay. One that was never in force has nothing to keep.
pub fn is_retained(policy: &RestApiAuthPolicy) -> bool {
    policy.meta().deletion_timestamp.is_some()
        && policy.spec.deletion_policy == DeletionPolicy::Retain
        && policy.status.as_ref().is_some_and(|status| status.in_force.is_some())
}

/// The command that releases a policy.
pub fn release_command(policy: &RestApiAuthPolicy) -> String {
    format!(
        r#"kubectl patch restapiauthpolicy {} -n {} --type merge -p '{{"spec":{{"deletionPolicy":"Detach"}}}}'"#,
        policy.name_any(),
        policy.namespace().unwrap_or_default()
    )
}

/// What people should know of a retained policy, as one of `status.advisories`.
pub(super) fn advisory(policy: &RestApiAuthPolicy) -> Option<String> {
    is_retained(policy).then(|| Advisory::Retained.says(note(policy)))
}

/// Whether one of `status.advisories` is that.
pub(super) fn is_advisory(told: &str) -> bool {
    Advisory::of(told) == Some(Advisory::Retained)
}

fn note(policy: &RestApiAuthPolicy) -> String {
    format!(
        "the policy was deleted and stays in force until it is released (spec.deletionPolicy: Retain): webhook, backstop, \
         configuration and keys stay, and new pods get the sidecar. To release it: {}",
        release_command(policy)
    )
}

/// Counts the policy, and tells once, of it and of its workloads, that it stays: until status says so.
pub(super) async fn tell(context: &Context, policy: &RestApiAuthPolicy, templates: &[Template]) {
    let is_retained = is_retained(policy);
    context.metrics.retained(&policy.namespace().unwrap_or_default(), &policy.name_any(), is_retained);
    let is_shown = policy.status.iter().flat_map(|status| &status.advisories).any(|told| is_advisory(told));
    if !is_retained || is_shown {
        return;
    }
    let note = note(policy);
    context.events.about_policy(policy, EventType::Warning, RETAINED, &note).await;
    for template in templates {
        context.events.about_workload(policy, EventType::Warning, template, RETAINED, &note).await;
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
    use serde_json::json;

    use super::*;
    use crate::testing;

    #[test]
    fn a_policy_stays_that_was_deleted_wants_to_and_was_in_force() {
        let is_kept = |spec: &str, is_deleted: bool, was_in_force: bool| {
            let mut policy = testing::policy(json!({"deletionPolicy": spec}));
            policy.metadata.deletion_timestamp = is_deleted.then_some(Time(Timestamp::UNIX_EPOCH));
            policy.status.get_or_insert_default().in_force = was_in_force.then(Default::default);
            assert_eq!(advisory(&policy).is_some(), is_retained(&policy));
            is_retained(&policy)
        };
        assert!(is_kept("Retain", true, true));
        assert!(!is_kept("Detach", true, true) && !is_kept("Retain", false, true));
        assert!(!is_kept("Retain", true, false), "nothing of it is there");
    }

    #[test]
    fn the_command_that_releases_is_one_line_of_a_shell() {
        let command = release_command(&testing::policy(json!({})));
        let patch = command.split('\'').nth(1).unwrap();
        let patch: serde_json::Value = serde_json::from_str(patch).unwrap();
        assert_eq!(patch, json!({"spec": {"deletionPolicy": "Detach"}}));
        assert!(
            command.starts_with("kubectl patch restapiauthpolicy wiki -n atlassian --type merge -p "),
            "{command}"
        );
    }
}
