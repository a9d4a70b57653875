//! The apply step in the controller: writes what was built, in the order in which pods come to need it.
//!
//! Keys and configuration exist before the webhook does, so that no injected pod waits for a volume.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::{
        admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingAdmissionPolicyBinding},
        core::v1::{ConfigMap, Pod, Secret},
    },
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, Preconditions},
};
use restward_crds::{
    api::v1alpha1::{InForceStatus, RestApiAuthPolicy},
    names,
};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Context, dereference::ObservedPod, update_status::apply_status};
use crate::{
    keys::PolicyKeys,
    policy_source::{
        Candidate, answered_request_item, consumer_key_item, next_consumer_key_item,
        previous_status_key_item, status_key_item,
    },
    store,
};

/// Writes the policy's keys into the Secret of its namespace. Each policy owns its own items (by field manager), so
/// that policies of one namespace never touch each other's.
///
/// # Errors
/// The API server refused.
pub async fn store_keys(
    client: &Client,
    candidate: &Candidate,
    keys: &PolicyKeys,
) -> Result<(), kube::Error> {
    let text = |text: &str| ByteString(text.as_bytes().to_vec());
    let uid = &candidate.uid;
    let mut items = BTreeMap::from([
        (consumer_key_item(uid), text(keys.consumer_key_pem())),
        (status_key_item(uid), text(keys.status_key_hex())),
    ]);
    items.extend(keys.next_consumer_key_pem().map(|pem| (next_consumer_key_item(uid), text(pem))));
    items.extend(keys.previous_status_key_hex().map(|hex| (previous_status_key_item(uid), text(hex))));
    items.extend(keys.answered().map(|request| (answered_request_item(uid), text(request))));
    apply_items(client, &candidate.namespace, uid, items).await.map(drop)
}

/// Takes the policy's keys out of the Secret, and removes the Secret when they were the last.
///
/// # Errors
/// The API server refused.
pub async fn remove_keys(client: &Client, namespace: &str, policy_uid: &str) -> Result<(), kube::Error> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    if secrets.get_opt(names::KEYS_SECRET).await?.is_none() {
        return Ok(());
    }
    let left = apply_items(client, namespace, policy_uid, BTreeMap::new()).await?;
    if left.data.as_ref().is_some_and(|data| !data.is_empty()) {
        return Ok(());
    }
    // Another policy may add its keys at this moment: only what was seen empty goes.
    let preconditions = Preconditions { resource_version: left.resource_version(), uid: left.uid() };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    match secrets.delete(names::KEYS_SECRET, &params).await {
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        other => other.map(drop),
    }
}

async fn apply_items(
    client: &Client,
    namespace: &str,
    policy_uid: &str,
    items: BTreeMap<String, ByteString>,
) -> Result<Secret, kube::Error> {
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(names::KEYS_SECRET.into()),
            namespace: Some(namespace.into()),
            labels: Some(BTreeMap::from([(names::LABEL_MANAGED.to_owned(), "true".to_owned())])),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".into()),
        data: Some(items),
        ..Secret::default()
    };
    let manager = format!("{}/{policy_uid}", names::FIELD_MANAGER);
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    api.patch(names::KEYS_SECRET, &PatchParams::apply(&manager).force(), &Patch::Apply(&secret)).await
}

/// Writes the ConfigMap of the policy with this UID.
///
/// # Errors
/// The API server refused.
pub async fn config_map(context: &Context, policy_uid: &str, map: &ConfigMap) -> Result<(), kube::Error> {
    let api = Api::namespaced(context.client.clone(), &map.namespace().unwrap_or_default());
    context.applied.apply(&api, policy_uid, map).await
}

/// What holds selected pods to the policy.
pub struct Enforcement {
    /// What the backstop has to know.
    pub in_force: InForceStatus,
    /// Injects pods.
    pub webhook: MutatingWebhookConfiguration,
    /// Refuses those that were not injected.
    pub binding: ValidatingAdmissionPolicyBinding,
}

/// Writes it for `policy`: what the backstop has to know before the binding that refuses without it, and the webhook
/// before the binding that refuses what it did not inject.
///
/// # Errors
/// The API server refused.
pub async fn enforcement(
    context: &Context,
    policy: &RestApiAuthPolicy,
    enforcement: &Enforcement,
) -> Result<(), kube::Error> {
    let Enforcement { in_force, webhook, binding } = enforcement;
    let Context { client, applied, .. } = context;
    let uid = policy.uid().unwrap_or_default();
    write_in_force(client, policy, in_force).await?;
    applied.apply(&Api::all(client.clone()), &uid, webhook).await?;
    applied.apply(&Api::all(client.clone()), &uid, binding).await
}

/// Removes it, in the other order.
///
/// # Errors
/// The API server refused.
pub async fn remove_enforcement(client: &Client, policy_uid: &str) -> Result<(), kube::Error> {
    // Whatever their names: they may be of an older operator.
    let labels = format!("{},{}={policy_uid}", store::MANAGED, names::LABEL_POLICY);
    delete_all(&Api::<ValidatingAdmissionPolicyBinding>::all(client.clone()), &labels).await?;
    delete_all(&Api::<MutatingWebhookConfiguration>::all(client.clone()), &labels).await
}

/// The rest of status is written when all is done; under a manager of its own, so that neither write takes the other's
/// fields away.
async fn write_in_force(
    client: &Client,
    policy: &RestApiAuthPolicy,
    in_force: &InForceStatus,
) -> Result<(), kube::Error> {
    let known = policy.status.as_ref().and_then(|status| status.in_force.as_ref());
    if known == Some(in_force) {
        return Ok(());
    }
    let (namespace, name) = (policy.namespace().unwrap_or_default(), policy.name_any());
    apply_status(client, &namespace, &name, &names::in_force_manager(), &json!({ "inForce": in_force })).await
}

/// Removes all objects with these labels, and says which.
///
/// # Errors
/// The API server refused.
pub async fn delete_all<K>(api: &Api<K>, labels: &str) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    for object in api.list(&ListParams::default().labels(labels)).await? {
        tracing::info!(object.kind = %K::kind(&()), object.name = %object.name_any(), "removing");
        delete(api, &object.name_any()).await?;
    }
    Ok(())
}

/// Notes what the pods are to run, the configuration's hash among it, on those that have another note: a change of the pod makes the kubelet sync its volumes
/// at once instead of within a minute.
///
/// # Errors
/// The API server refused; a pod that is gone by now is none.
pub async fn touch_pods(
    client: &Client,
    namespace: &str,
    pods: &[&ObservedPod],
    mark: &str,
) -> Result<(), kube::Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let patch = Patch::Merge(json!({"metadata": {"annotations": {names::ANNOTATION_CONFIG_HASH: mark}}}));
    for pod in pods {
        if pod.annotations.get(names::ANNOTATION_CONFIG_HASH).is_some_and(|known| known == mark) {
            continue;
        }
        match api.patch(&pod.name, &PatchParams::default(), &patch).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            other => drop(other?),
        }
    }
    Ok(())
}

/// Removes an object; that it is gone already is no error.
///
/// # Errors
/// The API server refused.
pub async fn delete<K>(api: &Api<K>, name: &str) -> Result<(), kube::Error>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    match api.delete(name, &DeleteParams::background()).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other.map(drop),
    }
}
