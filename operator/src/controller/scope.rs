//! In which namespaces policies are accepted: everywhere, or where the chart's `admission.namespaceSelector` matches.
//!
//! Nothing but acceptance depends on it. What protects pods (webhook configurations, bindings) selects namespaces by their
//! names, which nobody can change: by a label, whoever may edit a namespace could take the wiki in it out of protection. So a
//! policy whose namespace leaves the scope stays in force as it was accepted last, until it is deleted.

use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::LabelSelector};
use kube::{Api, Client, ResourceExt};
use restward_crds::condition::AcceptedReason;

use super::validate::Refused;
use crate::selector;

/// Why a policy of this namespace is not accepted, when the namespace is outside.
///
/// # Errors
/// The API server could not be asked.
pub async fn refusal(
    client: &Client,
    scope: Option<&LabelSelector>,
    namespace: &str,
) -> Result<Option<Refused>, kube::Error> {
    let Some(scope) = scope else { return Ok(None) };
    // Labels that cannot be read are none: outside, unless the scope says otherwise.
    let found = Api::<Namespace>::all(client.clone()).get_metadata_opt(namespace).await?;
    let labels = found.map(|found| found.labels().clone()).unwrap_or_default();
    Ok((!selector::matches(scope, &labels)).then(|| Refused {
        reason: AcceptedReason::NamespaceNotSelected,
        message: format!(
            "policies are not accepted in namespace {namespace}: the chart's admission.namespaceSelector does not match its labels; \
             whoever runs Restward has to label the namespace ({}) or to change that value",
            selector::query(scope)
        ),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::api_server::{self, answer};

    #[tokio::test]
    async fn policies_are_refused_where_the_namespace_has_other_labels_and_nowhere_without_a_scope() {
        let labelled = json!({"metadata": {"name": "atlassian", "labels": {"restward": "on"}}});
        let client = api_server::client_at_once(move |request| match request.path.as_str() {
            "/api/v1/namespaces/atlassian" => answer(labelled.clone()),
            _ => api_server::refusal(404, "NotFound", "gone"),
        });
        let is = |value: &str| -> LabelSelector {
            serde_json::from_value(json!({"matchLabels": {"restward": value}})).unwrap()
        };
        let (on, off) = (is("on"), is("off"));
        for (scope, namespace, accepted) in [
            (None, "atlassian", true),
            (Some(&on), "atlassian", true),
            (Some(&off), "atlassian", false),
            (Some(&on), "gone", false),
        ] {
            let refused = refusal(&client, scope, namespace).await.unwrap();
            assert_eq!(refused.is_none(), accepted, "{scope:?} {namespace}: {refused:?}");
        }
        let said = refusal(&client, Some(&off), "atlassian").await.unwrap().unwrap();
        assert_eq!(said.reason, AcceptedReason::NamespaceNotSelected);
        assert!(said.message.contains("label the namespace (restward=off)"), "{}", said.message);
    }
}
