//! The apply step in the controller: writes what was built, in the order in which pods come to need it.
//!
//! Keys and configuration exist before the webhook does, so that no injected pod waits for a volume.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString, NamespaceResourceScope,
    api::{
        admissionregistration::v1::MutatingWebhookConfiguration,
        core::v1::{ConfigMap, Pod, Secret},
    },
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, Preconditions},
};
use restward_crds::names;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::dereference::ObservedPod;
use crate::{
    keys::PolicyKeys,
    policy_source::{Candidate, consumer_key_item, status_key_item},
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
    let items = BTreeMap::from([
        (consumer_key_item(&candidate.uid), text(keys.consumer_key_pem())),
        (status_key_item(&candidate.uid), text(keys.status_key_hex())),
    ]);
    apply_items(client, &candidate.namespace, &candidate.uid, items).await.map(drop)
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

/// Writes the ConfigMap.
///
/// # Errors
/// The API server refused.
pub async fn config_map(client: &Client, map: &ConfigMap) -> Result<(), kube::Error> {
    apply_in(client, &map.namespace().unwrap_or_default(), map).await
}

/// Writes the webhook configuration.
///
/// # Errors
/// The API server refused.
pub async fn webhook(client: &Client, webhook: &MutatingWebhookConfiguration) -> Result<(), kube::Error> {
    let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    api.patch(&webhook.name_any(), &manager(), &Patch::Apply(webhook)).await.map(drop)
}

/// Server-side apply. The API server itself writes nothing when nothing changed.
async fn apply_in<K>(client: &Client, namespace: &str, object: &K) -> Result<(), kube::Error>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Serialize
        + DeserializeOwned
        + Clone
        + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    api.patch(&object.name_any(), &manager(), &Patch::Apply(object)).await.map(drop)
}

fn manager() -> PatchParams {
    PatchParams::apply(names::FIELD_MANAGER).force()
}

/// Notes the configuration's hash on the pods that have another: a change of the pod makes the kubelet sync its volumes
/// at once instead of within a minute.
///
/// # Errors
/// The API server refused; a pod that is gone by now is none.
pub async fn touch_pods(
    client: &Client,
    namespace: &str,
    pods: &[&ObservedPod],
    hash: &str,
) -> Result<(), kube::Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let patch = Patch::Merge(json!({"metadata": {"annotations": {names::ANNOTATION_CONFIG_HASH: hash}}}));
    for pod in pods {
        if pod.annotations.get(names::ANNOTATION_CONFIG_HASH).is_some_and(|known| known == hash) {
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
