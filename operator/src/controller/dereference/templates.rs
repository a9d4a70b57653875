//! Pod templates of StatefulSets and Deployments.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use kube::{
    Api, Client,
    api::{ListParams, ObjectMeta},
};
use serde_json::{Value, json};

use super::{Update, Workload, standing};
use crate::selector::Labels;

/// A pod template of a StatefulSet or Deployment, in the form of a pod.
#[derive(Debug, Clone)]
pub struct Template {
    /// Whose template it is.
    pub workload: Workload,
    /// Labels of its pods.
    pub labels: Labels,
    /// Replicas that it asks for.
    pub replicas: i32,
    /// Volumes that each pod gets besides, from a claim of its own.
    pub claims: Vec<String>,
    /// UID of the workload.
    pub uid: String,
    /// How it takes changes to its pods.
    pub update: Update,
    /// What keeps its pods from being all of its newest revision, and ready; by its own controller's word.
    pub unsettled: Option<String>,
    /// The template as a pod.
    pub raw: Value,
}

/// The pod templates of StatefulSets and Deployments that are meant.
///
/// # Errors
/// The API server could not be asked.
pub async fn templates(
    client: &Client,
    namespace: &str,
    is_meant: impl Fn(&Template) -> bool,
) -> Result<Vec<Template>, kube::Error> {
    let sets = Api::<StatefulSet>::namespaced(client.clone(), namespace).list(&ListParams::default()).await?;
    let deployments =
        Api::<Deployment>::namespaced(client.clone(), namespace).list(&ListParams::default()).await?;
    let sets = sets.items.into_iter().filter_map(|set| {
        let (update, unsettled) = standing::of_stateful_set(&set);
        let spec = set.spec?;
        let claims = spec.volume_claim_templates.unwrap_or_default();
        let claims = claims.into_iter().filter_map(|claim| claim.metadata.name).collect();
        let pod = serde_json::to_value(spec.template).ok()?;
        let template = template("StatefulSet", set.metadata, spec.replicas, &pod)?;
        Some(Template { claims, update, unsettled, ..template })
    });
    let deployments = deployments.items.into_iter().filter_map(|deployment| {
        let (update, unsettled) = standing::of_deployment(&deployment);
        let spec = deployment.spec?;
        let pod = serde_json::to_value(spec.template).ok()?;
        let template = template("Deployment", deployment.metadata, spec.replicas, &pod)?;
        Some(Template { update, unsettled, ..template })
    });
    Ok(sets.chain(deployments).filter(is_meant).collect())
}

fn template(kind: &str, owner: ObjectMeta, replicas: Option<i32>, template: &Value) -> Option<Template> {
    let labels = template.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": template.get("metadata").cloned().unwrap_or_else(|| json!({})),
        "spec": template.get("spec")?.clone(),
    });
    Some(Template {
        workload: Workload { kind: kind.into(), name: owner.name? },
        labels: serde_json::from_value(labels).ok()?,
        replicas: replicas.unwrap_or(1),
        claims: Vec::new(),
        uid: owner.uid.unwrap_or_default(),
        update: Update::default(),
        unsettled: None,
        raw: pod,
    })
}
