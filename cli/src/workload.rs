//! A StatefulSet or Deployment, and the pod that would come of it: asked of the API server as a dry run, which asks webhook,
//! backstop, quotas and Pod Security, and keeps nothing.

use std::str::FromStr;

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::Pod,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ListParams, PostParams},
};
use serde_json::{Value, json};

use crate::failure::Failure;

/// What the pods of dry runs would be called.
const NAME: &str = "restward-dry-run-";

/// A workload by its name: `NAME` is a StatefulSet's, `KIND/NAME` says which kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkloadName {
    kind: Kind,
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    StatefulSet,
    Deployment,
}

impl FromStr for WorkloadName {
    type Err = String;

    /// With kubectl's words for the kinds.
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once('/').unwrap_or(("statefulset", text));
        let kind = match kind.to_ascii_lowercase().trim_end_matches(".apps") {
            "statefulset" | "statefulsets" | "sts" => Kind::StatefulSet,
            "deployment" | "deployments" | "deploy" => Kind::Deployment,
            _ => return Err(format!("{kind} is no StatefulSet and no Deployment")),
        };
        if name.is_empty() || name.contains('/') {
            return Err("write NAME, or KIND/NAME".into());
        }
        Ok(Self { kind, name: name.into() })
    }
}

/// How a workload takes a change of its pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Update {
    Rolling,
    Partition(i32),
    OnDelete,
    Paused,
}

/// A workload.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    /// `statefulset/NAME`, as kubectl takes it.
    pub(crate) shown: String,
    pub(crate) namespace: String,
    pub(crate) replicas: i32,
    pub(crate) update: Update,
    /// Its pod template, in the form of a pod.
    pub(crate) template: Pod,
    /// Volumes that each pod gets besides, from a claim of its own.
    claims: Vec<String>,
    selector: String,
}

impl Workload {
    pub(crate) async fn read(client: &Client, namespace: &str, name: &WorkloadName) -> Result<Self, Failure> {
        let WorkloadName { kind, name } = name;
        let unread = |error: kube::Error| {
            let what = format!("read {name} of namespace {namespace}");
            Failure::of_api(what, &error)
        };
        match kind {
            Kind::StatefulSet => {
                let set = Api::<StatefulSet>::namespaced(client.clone(), namespace).get(name).await;
                Self::of_stateful_set(set.map_err(unread)?)
            }
            Kind::Deployment => {
                let deployment = Api::<Deployment>::namespaced(client.clone(), namespace).get(name).await;
                Self::of_deployment(deployment.map_err(unread)?)
            }
        }
        .ok_or_else(|| {
            Failure::new(format!("read {name}"), "it has no pod template", "see that it is what was meant")
        })
    }

    fn of_stateful_set(set: StatefulSet) -> Option<Self> {
        let (name, namespace, spec) = (set.name_any(), set.namespace()?, set.spec?);
        let strategy = spec.update_strategy.as_ref();
        let partition = strategy.and_then(|strategy| strategy.rolling_update.as_ref()?.partition);
        let update = match (strategy.and_then(|strategy| strategy.type_.as_deref()), partition) {
            (Some("OnDelete"), _) => Update::OnDelete,
            (_, Some(partition)) if partition > 0 => Update::Partition(partition),
            _ => Update::Rolling,
        };
        let claims = spec.volume_claim_templates.unwrap_or_default();
        Some(Self {
            shown: format!("statefulset/{name}"),
            namespace,
            replicas: spec.replicas.unwrap_or(1),
            update,
            template: pod(&serde_json::to_value(spec.template).ok()?)?,
            claims: claims.into_iter().filter_map(|claim| claim.metadata.name).collect(),
            selector: kube::core::Selector::try_from(spec.selector).ok()?.to_string(),
        })
    }

    fn of_deployment(deployment: Deployment) -> Option<Self> {
        let (name, namespace, spec) = (deployment.name_any(), deployment.namespace()?, deployment.spec?);
        Some(Self {
            shown: format!("deployment/{name}"),
            namespace,
            replicas: spec.replicas.unwrap_or(1),
            update: if spec.paused == Some(true) { Update::Paused } else { Update::Rolling },
            template: pod(&serde_json::to_value(spec.template).ok()?)?,
            claims: Vec::new(),
            selector: kube::core::Selector::try_from(spec.selector).ok()?.to_string(),
        })
    }

    /// Its pods that run.
    pub(crate) async fn pods(&self, client: &Client) -> Result<Vec<Pod>, Failure> {
        let own = ListParams::default().labels(&self.selector);
        let listed = Api::<Pod>::namespaced(client.clone(), &self.namespace).list(&own).await;
        let pods = listed
            .map_err(|error| Failure::of_api(format!("list the pods of {}", self.shown), &error))?
            .items;
        Ok(pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect())
    }

    /// The pod that would come in place of `pod`, or of the first one.
    pub(crate) async fn next_pod(&self, client: &Client, pod: Option<&str>) -> Result<Pod, kube::Error> {
        let (_, short) = self.shown.split_once('/').unwrap_or_default();
        let first = format!("{short}-0");
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        let pods = Api::<Pod>::namespaced(client.clone(), &self.namespace);
        pods.create(&dry_run, &self.replacement(pod.unwrap_or(&first))).await
    }

    /// A pod as its controller would make it in place of the pod of this name.
    fn replacement(&self, pod: &str) -> Pod {
        let mut made = self.template.clone();
        made.metadata.name = None;
        made.metadata.generate_name = Some(NAME.into());
        if let Some(spec) = made.spec.as_mut().filter(|_| !self.claims.is_empty()) {
            let volumes = spec.volumes.get_or_insert_default();
            volumes.retain(|volume| !self.claims.contains(&volume.name));
            volumes.extend(self.claims.iter().filter_map(|claim| {
                let claim =
                    json!({"name": claim, "persistentVolumeClaim": {"claimName": format!("{claim}-{pod}")}});
                serde_json::from_value(claim).ok()
            }));
        }
        made
    }
}

fn pod(template: &Value) -> Option<Pod> {
    let pod = json!({"metadata": template.get("metadata"), "spec": template.get("spec")});
    serde_json::from_value(pod).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A StatefulSet of the official chart's shape, with a pod template laid over.
    pub(crate) fn stateful_set(pod_spec: &Value, replicas: i32) -> Workload {
        let set = json!({
            "metadata": {"name": "wiki", "namespace": "atlassian"},
            "spec": {
                "serviceName": "wiki", "replicas": replicas, "selector": {"matchLabels": {"app": "wiki"}},
                "template": {"metadata": {"labels": {"app": "wiki"}}, "spec": pod_spec},
                "volumeClaimTemplates": [{"metadata": {"name": "home"}, "spec": {}}],
            },
        });
        Workload::of_stateful_set(serde_json::from_value(set).unwrap()).unwrap()
    }

    #[test]
    fn workloads_are_named_as_for_kubectl() {
        let name = |text: &str| text.parse::<WorkloadName>();
        let named = |kind, name: &str| Ok(WorkloadName { kind, name: name.into() });
        assert_eq!(name("wiki"), named(Kind::StatefulSet, "wiki"));
        assert_eq!(name("sts/wiki"), named(Kind::StatefulSet, "wiki"));
        assert_eq!(name("statefulset.apps/wiki"), named(Kind::StatefulSet, "wiki"));
        assert_eq!(name("Deployment/wiki"), named(Kind::Deployment, "wiki"));
        for text in ["daemonset/wiki", "sts/", "", "sts/a/b"] {
            assert!(name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_replacement_is_the_template_with_the_volumes_that_claims_give() {
        let workload =
            stateful_set(&json!({"containers": [], "volumes": [{"name": "shared"}, {"name": "home"}]}), 1);
        let made = serde_json::to_value(workload.replacement("wiki-1")).unwrap();
        assert_eq!(made["metadata"]["name"], Value::Null, "the name is taken by the pod that runs");
        assert_eq!(made["metadata"]["labels"], json!({"app": "wiki"}));
        assert_eq!(
            made["spec"]["volumes"],
            json!([{"name": "shared"}, {"name": "home", "persistentVolumeClaim": {"claimName": "home-wiki-1"}}])
        );
        assert_eq!(workload.selector, "app=wiki");
    }
}
