//! `uninstall-check`: called by the chart before it is uninstalled.

use anyhow::bail;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingAdmissionPolicyBinding,
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use restward_crds::api::v1alpha1::RestApiAuthPolicy;

use crate::{controller::apply, store};

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
    if !policies.is_empty() {
        let names: Vec<String> = policies
            .iter()
            .map(|policy| format!("{}/{}", policy.namespace().unwrap_or_default(), policy.name_any()))
            .collect();
        bail!(
            "Restward is not uninstalled: these policies exist, and without the operator the pods that they select could \
             not be created: {}. Delete them first (kubectl delete restapiauthpolicy NAME -n NAMESPACE) and restart their \
             pods, then uninstall again. To keep Restward instead, tell Helm so: helm rollback RELEASE REVISION -n \
             NAMESPACE",
            names.join(", ")
        );
    }
    // The other way round, the backstop would refuse what nothing injects any more.
    apply::delete_all(&Api::<ValidatingAdmissionPolicyBinding>::all(client.clone()), store::MANAGED).await?;
    apply::delete_all(&Api::<MutatingWebhookConfiguration>::all(client.clone()), store::MANAGED).await?;
    Ok(())
}
