//! Begins the rollout of one workload, once a dry run has shown what its next pod is.

use std::{fmt::Debug, time::Duration};

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{Deployment, StatefulSet},
        core::v1::Pod,
    },
};
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams},
};
use restward_crds::names;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Obstacle;
use crate::controller::{
    dereference::{ObservedPod, Template},
    dry_run,
};

/// For both questions to the API server, which itself waits 5 s for the webhook.
const PATIENCE: Duration = Duration::from_secs(15);

/// Sets the annotation on the template, when `is_meant` says so of the next pod. `pod` is one that would be replaced.
pub(super) async fn start(
    client: &Client,
    namespace: &str,
    template: &Template,
    change: Option<&str>,
    pod: &str,
    is_meant: impl Fn(&ObservedPod) -> Result<(), String>,
) -> Result<(), Obstacle> {
    let attempt = async {
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let made = dry_run::create(&pods, &dry_run::replacement(template, pod)).await;
        made.and_then(|made| is_meant(&made)).map_err(Obstacle::DryRun)?;
        let changed = match template.workload.kind.as_str() {
            "StatefulSet" => annotate::<StatefulSet>(client, namespace, template, change).await,
            _ => annotate::<Deployment>(client, namespace, template, change).await,
        };
        changed.map_err(|error| Obstacle::Failed(dry_run::answer(&error)))
    };
    let silent = |_| Err(Obstacle::Failed(format!("no answer in {} s", PATIENCE.as_secs())));
    tokio::time::timeout(PATIENCE, attempt).await.unwrap_or_else(silent)
}

/// The annotation is owned by a field manager of its own, so that whoever manages the workload by server-side apply leaves it.
/// It is taken away whoever owns it by now.
async fn annotate<K>(
    client: &Client,
    namespace: &str,
    template: &Template,
    change: Option<&str>,
) -> Result<(), kube::Error>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let object = object::<K>(template, change);
    let (params, patch) = match change {
        Some(_) => (PatchParams::apply(&names::rollout_manager()).force(), Patch::Apply(object)),
        None => (
            PatchParams { field_manager: Some(names::rollout_manager()), ..PatchParams::default() },
            Patch::Merge(object),
        ),
    };
    api.patch(&template.workload.name, &params, &patch).await.map(drop)
}

/// With the UID, so that another workload of the name is left alone.
fn object<K: Resource<DynamicType = ()>>(template: &Template, change: Option<&str>) -> Value {
    let annotations = json!({names::ANNOTATION_INJECTION_HASH: change});
    json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {"name": template.workload.name, "uid": template.uid},
        "spec": {"template": {"metadata": {"annotations": annotations}}},
    })
}
