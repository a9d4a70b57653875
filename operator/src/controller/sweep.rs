//! Removes what is left of policies that are gone without their finalizer having run. A webhook configuration without a
//! policy would refuse pods for nothing.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingAdmissionPolicyBinding},
    core::v1::ConfigMap,
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};

use super::{apply, dereference};
use crate::store;

/// Removes leftovers.
///
/// # Errors
/// The API server refused.
pub async fn sweep(client: &Client) -> Result<(), kube::Error> {
    // Leftovers are listed before policies, so that what a new policy makes meanwhile is not taken for one.
    let all = ListParams::default().labels(store::MANAGED);
    // Their labels are enough: with a thousand policies the objects themselves would be tens of megabytes, every time.
    let webhooks = Api::<MutatingWebhookConfiguration>::all(client.clone()).list_metadata(&all).await?;
    let bindings = Api::<ValidatingAdmissionPolicyBinding>::all(client.clone()).list_metadata(&all).await?;
    let listed_maps = Api::<ConfigMap>::all(client.clone()).list_metadata(&all).await?;
    let policies =
        Api::<RestApiAuthPolicy>::all(client.clone()).list_metadata(&ListParams::default()).await?;
    let living: BTreeSet<String> = policies.items.iter().filter_map(ResourceExt::uid).collect();

    let labels = webhooks.items.iter().map(ResourceExt::labels);
    let gone: BTreeSet<&String> = labels
        .chain(bindings.items.iter().map(ResourceExt::labels))
        .filter_map(|labels| labels.get(names::LABEL_POLICY))
        .filter(|uid| !living.contains(*uid))
        .collect();
    for uid in gone {
        tracing::info!(policy.uid = %uid, "removing webhook and backstop of a policy that is gone");
        apply::remove_enforcement(client, uid).await?;
    }
    for map in listed_maps {
        let Some(uid) = store::policy_uid(&map).filter(|uid| !living.contains(*uid)) else { continue };
        let namespace = map.namespace().unwrap_or_default();
        // Running pods keep what they mount.
        if !dereference::injected_pods(client, &namespace, uid).await?.is_empty() {
            continue;
        }
        tracing::info!(policy.uid = %uid, policy.namespace = %namespace, "removing configuration and keys whose policy is gone");
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
        apply::delete(&maps, &map.name_any()).await?;
        apply::remove_keys(client, &namespace, uid).await?;
    }
    Ok(())
}
