//! Removes what is left of policies that are gone without their finalizer having run. A webhook configuration without a
//! policy would refuse pods for nothing.

use std::{collections::BTreeSet, fmt::Debug};

use k8s_openapi::api::{
    admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingAdmissionPolicyBinding},
    core::v1::ConfigMap,
};
use kube::{Api, Client, Resource, ResourceExt, core::PartialObjectMeta};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};
use serde::de::DeserializeOwned;

use super::{apply, dereference};
use crate::{pages, store};

/// Removes leftovers.
///
/// # Errors
/// The API server refused.
pub async fn sweep(client: &Client) -> Result<(), kube::Error> {
    // Leftovers are listed before policies, so that what a new policy makes meanwhile is not taken for one.
    let webhooks = made_for::<MutatingWebhookConfiguration>(client).await?;
    let bindings = made_for::<ValidatingAdmissionPolicyBinding>(client).await?;
    let maps = Api::<ConfigMap>::all(client.clone());
    let whose = |map: &PartialObjectMeta<ConfigMap>| {
        Some((map.namespace()?, map.name_any(), store::policy_uid(map)?.to_owned()))
    };
    let maps = pages::of_metadata(&maps, store::MANAGED, whose).await?;
    let policies = Api::<RestApiAuthPolicy>::all(client.clone());
    let living = pages::of_metadata(&policies, "", ResourceExt::uid).await?;
    let living: BTreeSet<String> = living.into_iter().collect();

    let made_for: BTreeSet<String> = webhooks.into_iter().chain(bindings).collect();
    let gone = made_for.difference(&living);
    for uid in gone {
        tracing::info!(policy.uid = %uid, "removing webhook and backstop of a policy that is gone");
        apply::remove_enforcement(client, uid).await?;
    }
    for (namespace, name, uid) in maps.iter().filter(|(_, _, uid)| !living.contains(uid)) {
        // Running pods keep what they mount.
        if !dereference::injected_pods(client, namespace, uid).await?.is_empty() {
            continue;
        }
        tracing::info!(policy.uid = %uid, policy.namespace = %namespace, "removing configuration and keys whose policy is gone");
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
        apply::delete(&maps, name).await?;
        apply::remove_keys(client, namespace, uid).await?;
    }
    Ok(())
}

/// UIDs of the policies that these were made for.
async fn made_for<K>(client: &Client) -> kube::Result<Vec<String>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api = Api::<K>::all(client.clone());
    pages::of_metadata(&api, store::MANAGED, |object| object.labels().get(names::LABEL_POLICY).cloned()).await
}
