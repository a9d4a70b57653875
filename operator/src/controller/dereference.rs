//! The dereference step in the controller: fetches everything that the later steps decide about. It judges nothing.

mod standing;
mod templates;
mod wanted;

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace, Pod, Secret},
    jiff::Timestamp,
};
use kube::{Api, Client, Resource, ResourceExt, api::ListParams};
use restward_crds::{
    api::v1alpha1::{CaCertificateRef, RestApiAuthPolicy},
    names,
};
use serde_json::Value;

pub use standing::Update;
pub use templates::{Template, templates};

use crate::{
    policy_source::{
        Candidate, answered_request_item, config_map_name, consumer_key_item, next_consumer_key_item,
        previous_status_key_item, status_key_item,
    },
    selector::{self, Labels},
    server_xml, store,
};

/// Everything about one policy, as it was in the cluster.
pub struct Observed {
    /// What the policy's ConfigMap holds, when the policy was programmed before.
    pub programmed: Option<Programmed>,
    /// Whether a ConfigMap that is not ours has the name which this policy needs.
    pub name_is_taken: bool,
    /// The other programmed policies of the namespace.
    pub neighbours: Vec<Candidate>,
    /// What `caCertificateRefs` lead to, in their order.
    pub authorities: Vec<Authority>,
    /// The policy's items of the Secret `restward-keys`.
    pub stored_keys: StoredKeys,
    /// Pods that are selected, or that the policy injected; without those that end.
    pub pods: Vec<ObservedPod>,
    /// Pod templates that are selected.
    pub templates: Vec<Template>,
    /// ConfigMaps that those pods and templates mount as the official chart does, and their `server.xml`; the most needed first.
    pub server_xmls: Vec<(String, String)>,
    /// When it was looked at, in seconds since 1970.
    pub at: i64,
}

/// What is in force.
#[derive(Debug, Clone)]
pub struct Programmed {
    /// As injection sees the policy.
    pub candidate: Candidate,
    /// The sidecar's configuration, as written.
    pub config_json: String,
    /// The certificate authorities for the identity provider, as written.
    pub ca_pem: Option<String>,
    /// Derived `server.xml` files, by their keys.
    pub server_xmls: BTreeMap<String, String>,
    /// Since when, for the first time: the ConfigMap comes before everything else that a policy needs, and stays.
    pub since: Option<Timestamp>,
}

/// One of `caCertificateRefs`.
#[derive(Debug, Clone)]
pub struct Authority {
    /// The reference.
    pub reference: CaCertificateRef,
    /// The PEM text; `None` when ConfigMap or key do not exist.
    pub pem: Option<String>,
}

/// The policy's keys in the Secret. No `Debug`: they are secrets.
#[derive(Default)]
pub struct StoredKeys {
    /// Item with the consumer's private key.
    pub consumer_key: Option<String>,
    /// Item with the private key that is to follow.
    pub next_consumer_key: Option<String>,
    /// Item with the status key.
    pub status_key: Option<String>,
    /// Item with the status key from before.
    pub previous_status_key: Option<String>,
    /// Item with the request for a new key that was answered last.
    pub answered_request: Option<String>,
}

/// A pod.
#[derive(Debug, Clone)]
pub struct ObservedPod {
    /// The pod's name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// What made it.
    pub workload: Workload,
    /// Its address, once it has one.
    pub ip: Option<String>,
    /// The pod as the API server gave it.
    pub raw: Value,
}

/// What makes pods, and restarts them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Workload {
    /// Kind, such as `StatefulSet`.
    pub kind: String,
    /// Name.
    pub name: String,
}

/// Asks the API server.
///
/// # Errors
/// It could not be asked.
pub async fn dereference(client: &Client, policy: &RestApiAuthPolicy) -> Result<Observed, kube::Error> {
    let namespace = policy.namespace().unwrap_or_default();
    let uid = policy.uid().unwrap_or_default();
    let (own, neighbours, name_is_taken) = config_maps(client, &namespace, policy, &uid).await?;
    // Workloads come before pods, so that one that says it has settled is not taken at its word about pods from before.
    let templates =
        templates(client, &namespace, |template| selector::matches(&policy.spec.selector, &template.labels))
            .await?;
    // Injected pods stay of interest when the selector is edited away from them.
    let mut pods = injected_pods(client, &namespace, &uid).await?;
    if selector::check(&policy.spec.selector).is_ok() {
        for pod in list_pods(client, &namespace, &selector::query(&policy.spec.selector)).await? {
            if pods.iter().all(|known| known.name != pod.name) {
                pods.push(pod);
            }
        }
    }
    pods.sort_by(|a, b| a.name.cmp(&b.name));
    let wanted = wanted::config_maps(&pods, &templates, own.as_ref());
    let server_xmls = server_xmls(client, &namespace, wanted).await?;
    Ok(Observed {
        programmed: own,
        name_is_taken,
        neighbours,
        authorities: authorities(client, &namespace, &policy.spec.keycloak.ca_certificate_refs).await?,
        stored_keys: stored_keys(client, &namespace, &uid).await?,
        pods,
        templates,
        server_xmls,
        at: Timestamp::now().as_second(),
    })
}

async fn config_maps(
    client: &Client,
    namespace: &str,
    policy: &RestApiAuthPolicy,
    uid: &str,
) -> Result<(Option<Programmed>, Vec<Candidate>, bool), kube::Error> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let managed = api.list(&ListParams::default().labels(store::MANAGED)).await?;
    let (own, others): (Vec<_>, Vec<_>) = managed
        .items
        .iter()
        .filter_map(|map| Some((store::candidate(map)?, map)))
        .partition(|(candidate, _)| candidate.uid == uid);
    let own = own.into_iter().next().map(|(candidate, map)| {
        let mut data = map.data.clone().unwrap_or_default();
        let config_json = data.remove(names::FILE_CONFIG).unwrap_or_default();
        let ca_pem = data.remove(names::FILE_CA);
        data.retain(|key, _| server_xml::is_derived(key));
        Programmed { candidate, config_json, ca_pem, server_xmls: data, since: created(map) }
    });
    let taken = match &own {
        Some(_) => false,
        None => api
            .get_opt(&config_map_name(&policy.name_any()))
            .await?
            .is_some_and(|map| map.labels().get(names::LABEL_MANAGED).is_none()),
    };
    Ok((own, others.into_iter().map(|(candidate, _)| candidate).collect(), taken))
}

fn created(map: &ConfigMap) -> Option<Timestamp> {
    map.meta().creation_timestamp.as_ref().map(|time| time.0)
}

async fn authorities(
    client: &Client,
    namespace: &str,
    references: &[CaCertificateRef],
) -> Result<Vec<Authority>, kube::Error> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let mut found = Vec::new();
    for reference in references {
        let map = api.get_opt(&reference.name).await?;
        let pem = map.and_then(|map| map.data?.remove(&reference.key));
        found.push(Authority { reference: reference.clone(), pem });
    }
    Ok(found)
}

/// Those that are there: one that is not is waited for.
async fn server_xmls(
    client: &Client,
    namespace: &str,
    wanted: Vec<&str>,
) -> Result<Vec<(String, String)>, kube::Error> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let mut found = Vec::new();
    for name in wanted {
        let map = api.get_opt(name).await?;
        found.extend(
            map.and_then(|map| map.data?.remove(server_xml::FILE)).map(|text| (name.to_owned(), text)),
        );
    }
    Ok(found)
}

/// The keys of the policy `uid`.
///
/// # Errors
/// The API server could not be asked.
pub async fn stored_keys(client: &Client, namespace: &str, uid: &str) -> Result<StoredKeys, kube::Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let Some(mut data) = api.get_opt(names::KEYS_SECRET).await?.and_then(|secret| secret.data) else {
        return Ok(StoredKeys::default());
    };
    let mut item = |name: &str| data.remove(name).and_then(|bytes| String::from_utf8(bytes.0).ok());
    Ok(StoredKeys {
        consumer_key: item(&consumer_key_item(uid)),
        next_consumer_key: item(&next_consumer_key_item(uid)),
        status_key: item(&status_key_item(uid)),
        previous_status_key: item(&previous_status_key_item(uid)),
        answered_request: item(&answered_request_item(uid)),
    })
}

/// Pods of the policy `uid` that were injected and still run.
///
/// # Errors
/// The API server could not be asked.
pub async fn injected_pods(
    client: &Client,
    namespace: &str,
    uid: &str,
) -> Result<Vec<ObservedPod>, kube::Error> {
    list_pods(client, namespace, &format!("{}={uid}", names::LABEL_INJECTED)).await
}

/// Whether the namespace is being deleted, or gone.
///
/// # Errors
/// The API server could not be asked.
pub async fn namespace_ends(client: &Client, namespace: &str) -> Result<bool, kube::Error> {
    let found = Api::<Namespace>::all(client.clone()).get_opt(namespace).await?;
    Ok(found.is_none_or(|namespace| namespace.meta().deletion_timestamp.is_some()))
}

async fn list_pods(client: &Client, namespace: &str, labels: &str) -> Result<Vec<ObservedPod>, kube::Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pods = api.list(&ListParams::default().labels(labels)).await?;
    Ok(pods.items.into_iter().filter(|pod| !has_ended(pod)).map(observe_pod).collect())
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    pod.meta().deletion_timestamp.is_some() || matches!(phase, Some("Succeeded" | "Failed"))
}

pub(super) fn observe_pod(mut pod: Pod) -> ObservedPod {
    // Who set which field decides nothing here, and is a third of a pod.
    pod.metadata.managed_fields = None;
    let raw = serde_json::to_value(&pod).unwrap_or_default();
    ObservedPod {
        workload: workload(&pod),
        ip: pod.status.and_then(|status| status.pod_ip),
        name: pod.metadata.name.unwrap_or_default(),
        labels: pod.metadata.labels.unwrap_or_default(),
        annotations: pod.metadata.annotations.unwrap_or_default(),
        raw,
    }
}

/// A Deployment's pod belongs to a ReplicaSet that is named `<deployment>-<pod-template-hash>`.
fn workload(pod: &Pod) -> Workload {
    let name = pod.name_any();
    let Some(owner) = pod.owner_references().iter().find(|owner| owner.controller == Some(true)) else {
        return Workload { kind: "Pod".into(), name };
    };
    let deployment = pod
        .labels()
        .get("pod-template-hash")
        .filter(|_| owner.kind == "ReplicaSet")
        .and_then(|hash| owner.name.strip_suffix(&format!("-{hash}")));
    match deployment {
        Some(deployment) => Workload { kind: "Deployment".into(), name: deployment.into() },
        None => Workload { kind: owner.kind.clone(), name: owner.name.clone() },
    }
}
