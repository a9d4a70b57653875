//! `uninstall-check`: called by the chart before it is uninstalled.

use anyhow::bail;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingAdmissionPolicyBinding,
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use restward_crds::api::v1alpha1::RestApiAuthPolicy;

use crate::{
    controller::{apply, retain},
    store,
};

/// Refuses while policies exist, naming them: without the operator their pods could not be made any more. Without any,
/// removes leftover webhook configurations and bindings, so that none is left without a backend.
///
/// # Errors
/// Policies exist, or the API server could not be asked.
pub async fn check(client: &Client) -> anyhow::Result<()> {
    let policies = match Api::<RestApiAuthPolicy>::all(client.clone()).list(&ListParams::default()).await {
        Ok(policies) => policies.items,
        // The definition is gone, so no policy can exist.
        Err(kube::Error::Api(status)) if status.is_not_found() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    if let Some(refusal) = refusal(&policies) {
        bail!(refusal);
    }
    // The other way round, the backstop would refuse what nothing injects any more.
    apply::delete_all(&Api::<ValidatingAdmissionPolicyBinding>::all(client.clone()), store::MANAGED).await?;
    apply::delete_all(&Api::<MutatingWebhookConfiguration>::all(client.clone()), store::MANAGED).await?;
    Ok(())
}

/// Why Restward has to stay, when there are policies.
fn refusal(policies: &[RestApiAuthPolicy]) -> Option<String> {
    let names: Vec<String> = policies
        .iter()
        .map(|policy| format!("{}/{}", policy.namespace().unwrap_or_default(), policy.name_any()))
        .collect();
    let releases: Vec<String> =
        policies.iter().filter(|policy| retain::is_retained(policy)).map(retain::release_command).collect();
    let retained = if releases.is_empty() {
        String::new()
    } else {
        format!(" Of these, some were deleted and are retained; release them: {}.", releases.join("; "))
    };
    (!names.is_empty()).then(|| {
        format!(
            "Restward is not uninstalled: these policies exist, and without the operator the pods that they select could \
             not be created: {}.{retained} Delete them first (kubectl delete restapiauthpolicy NAME -n NAMESPACE) and restart \
             their pods, then uninstall again. To keep Restward instead, tell Helm so: helm rollback RELEASE REVISION -n \
             NAMESPACE",
            names.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
    use restward_crds::api::v1alpha1::InForceStatus;
    use serde_json::json;

    use super::*;
    use crate::testing::policy;

    #[test]
    fn every_policy_is_named_and_a_retained_one_with_what_releases_it() {
        assert_eq!(refusal(&[]), None);
        let living = policy(json!({"deletionPolicy": "Retain"}));
        let said = refusal(std::slice::from_ref(&living)).unwrap();
        assert!(said.contains("atlassian/wiki. Delete") && !said.contains("release"), "{said}");
        let mut retained = living.clone();
        retained.metadata.name = Some("old".into());
        retained.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        retained.status.get_or_insert_default().in_force = Some(InForceStatus::default());
        let said = refusal(&[living, retained]).unwrap();
        assert!(said.contains("atlassian/wiki, atlassian/old. Of these"), "{said}");
        assert!(
            said.contains("kubectl patch restapiauthpolicy old ") && !said.contains("policy wiki "),
            "{said}"
        );
    }
}
