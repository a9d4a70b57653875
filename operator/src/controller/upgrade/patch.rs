//! The two changes of a pod.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use restward_crds::names;
use serde_json::{Value, json};

use crate::controller::{dereference::observe_pod, dry_run, pod::PodId, sidecar::Container};

/// For one change.
const PATIENCE: Duration = Duration::from_secs(15);

/// Has the kubelet replace the sidecar by one of this image. `seen` is the version of the pod by which that was decided: a
/// pod that is another by now is left alone.
pub(super) async fn replace(
    client: &Client,
    namespace: &str,
    (id, seen): (&PodId, Option<&str>),
    sidecar: &Container,
    image: &str,
) -> Result<(), String> {
    let old = sidecar.to_be_replaced().to_string();
    let change = json!({
        "metadata": {
            "uid": id.uid, "resourceVersion": seen, "annotations": {names::ANNOTATION_REPLACED_CONTAINER: old},
        },
        // Merged by name, so that the others stay as they are.
        "spec": {"initContainers": [{"name": names::SIDECAR_CONTAINER, "image": image}]},
    });
    let changed = patch(client, namespace, id, &Patch::Strategic(change)).await?;
    match observe_pod(changed).sidecar() {
        Some(now) if now.image == image => Ok(()),
        _ => Err("something else in the cluster changed the image again".into()),
    }
}

/// The pod is well with it.
pub(super) async fn arrived(client: &Client, namespace: &str, id: &PodId) -> Result<(), String> {
    let annotations = json!({names::ANNOTATION_REPLACED_CONTAINER: null});
    let change = json!({"metadata": {"uid": id.uid, "annotations": annotations}});
    patch(client, namespace, id, &Patch::Merge(change)).await.map(drop)
}

async fn patch(client: &Client, namespace: &str, id: &PodId, change: &Patch<Value>) -> Result<Pod, String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let params = PatchParams { field_manager: Some(names::FIELD_MANAGER.into()), ..PatchParams::default() };
    match tokio::time::timeout(PATIENCE, pods.patch(&id.pod, &params, change)).await {
        Ok(answer) => answer.map_err(|error| dry_run::answer(&error)),
        Err(_) => Err(format!("no answer in {} s", PATIENCE.as_secs())),
    }
}
