//! Fetching what goes into a support bundle. What cannot be had says why, and stops nothing.

use k8s_openapi::{
    api::{
        admissionregistration::v1::{
            MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
            ValidatingWebhookConfiguration,
        },
        apps::v1::{Deployment, StatefulSet},
        core::v1::{ConfigMap, Event, Node, Pod},
    },
    serde::{Serialize, de::DeserializeOwned},
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ListParams, LogParams},
};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};
use serde_json::Value;

use super::redact;
use crate::{
    cluster::{self, CHART, MANAGED, OPERATOR, Session},
    failure::Failure,
    forward::PodPort,
    sidecar::Sidecar,
};

/// Port of the operator with its metrics, as the chart sets it.
const OPERATOR_ADMIN_PORT: u16 = 8080;
/// Lines of a log.
const TAIL: i64 = 2000;

/// A file and what is in it.
type File = (String, Result<String, Failure>);

/// Everything. Without -n of all namespaces that have a policy.
pub(super) async fn all(session: &Session, with_logs: bool) -> Vec<File> {
    let client = &session.client;
    let version =
        client.apiserver_version().await.map_err(|error| Failure::of_api("ask for the version", &error));
    let versions = version.map(|cluster| {
        format!("kubectl-restward {}\nKubernetes {}\n", env!("CARGO_PKG_VERSION"), cluster.git_version)
    });
    let everywhere = |labels: &str| ListParams::default().labels(labels);
    let mut files = vec![
        ("versions.txt".to_owned(), versions),
        list("nodes.yaml", &Api::<Node>::all(client.clone()), &everywhere("")).await,
        list("operator.yaml", &Api::<Deployment>::all(client.clone()), &everywhere(OPERATOR)).await,
        list("operator-pods.yaml", &Api::<Pod>::all(client.clone()), &everywhere(OPERATOR)).await,
        list(
            "webhooks.yaml",
            &Api::<MutatingWebhookConfiguration>::all(client.clone()),
            &everywhere(MANAGED),
        )
        .await,
        list(
            "break-glass-webhooks.yaml",
            &Api::<ValidatingWebhookConfiguration>::all(client.clone()),
            &everywhere(CHART),
        )
        .await,
        list(
            "bindings.yaml",
            &Api::<ValidatingAdmissionPolicyBinding>::all(client.clone()),
            &everywhere(MANAGED),
        )
        .await,
        list(
            "admission-policies.yaml",
            &Api::<ValidatingAdmissionPolicy>::all(client.clone()),
            &everywhere(CHART),
        )
        .await,
        list("policies.yaml", &policies(session), &everywhere("")).await,
    ];
    files.extend(operator(client, with_logs).await);
    // Where they cannot be listed, their file says why.
    if let Ok(policies) = policies(session).list(&ListParams::default()).await {
        for policy in policies.items {
            files.extend(of_policy(client, &policy, with_logs).await);
        }
    }
    files
}

fn policies(session: &Session) -> Api<RestApiAuthPolicy> {
    match &session.connection.namespace {
        Some(namespace) => Api::namespaced(session.client.clone(), namespace),
        None => Api::all(session.client.clone()),
    }
}

async fn of_policy(client: &Client, policy: &RestApiAuthPolicy, with_logs: bool) -> Vec<File> {
    let (namespace, name) = (policy.namespace().unwrap_or_default(), policy.name_any());
    let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
    let file = |rest: &str| format!("{namespace}.{name}.{rest}");
    let selector = kube::core::Selector::try_from(policy.spec.selector.clone()).unwrap_or_default();
    let mut files =
        vec![list(&file("pods.yaml"), &pods, &ListParams::default().labels_from(&selector)).await];
    let sets = Api::<StatefulSet>::namespaced(client.clone(), &namespace);
    files.push(list(&file("statefulsets.yaml"), &sets, &ListParams::default()).await);
    let deployments = Api::<Deployment>::namespaced(client.clone(), &namespace);
    files.push(list(&file("deployments.yaml"), &deployments, &ListParams::default()).await);
    files.push((file("configmap.yaml"), written(client, &namespace, &name).await));
    let events = Api::<Event>::namespaced(client.clone(), &namespace);
    files.push(list(&file("events.yaml"), &events, &ListParams::default()).await);
    for pod in cluster::injected(client, policy).await.unwrap_or_default() {
        let file = |rest: &str| file(&format!("{}.{rest}", pod.name_any()));
        let sidecar = Sidecar::of(pods.clone(), &pod);
        let status = sidecar.status().await.and_then(|status| yaml(&status));
        files.push((file("status.yaml"), status));
        files.push((file("metrics.txt"), sidecar.text("/metrics").await));
        if with_logs {
            files.push((file("log.txt"), log(&pods, &pod.name_any(), names::SIDECAR_CONTAINER).await));
        }
    }
    files
}

/// Of each pod of the operator.
async fn operator(client: &Client, with_logs: bool) -> Vec<File> {
    let pods = Api::<Pod>::all(client.clone()).list(&ListParams::default().labels(OPERATOR)).await;
    let mut files = Vec::new();
    for pod in pods.map(|list| list.items).unwrap_or_default() {
        let name = pod.name_any();
        let api = Api::<Pod>::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
        let metrics = PodPort::new(api.clone(), name.clone(), OPERATOR_ADMIN_PORT).get("/metrics").await;
        let metrics = metrics.map(|answer| String::from_utf8_lossy(answer.body()).into_owned());
        files.push((format!("operator.{name}.metrics.txt"), metrics));
        if with_logs {
            files.push((format!("operator.{name}.log.txt"), log(&api, &name, "operator").await));
        }
    }
    files
}

/// What the operator wrote for the sidecars and for Tomcat; the keys are in a Secret.
async fn written(client: &Client, namespace: &str, policy: &str) -> Result<String, Failure> {
    let name = format!("restward-{policy}");
    let map = Api::<ConfigMap>::namespaced(client.clone(), namespace).get(&name).await;
    map.map_err(|error| Failure::of_api(format!("read ConfigMap {name} of namespace {namespace}"), &error))
        .and_then(|map| redacted(&map))
}

async fn log(pods: &Api<Pod>, pod: &str, container: &str) -> Result<String, Failure> {
    let params =
        LogParams { container: Some(container.into()), tail_lines: Some(TAIL), ..LogParams::default() };
    pods.logs(pod, &params).await.map_err(|error| Failure::of_api(format!("read the log of {pod}"), &error))
}

async fn list<K>(file: &str, api: &Api<K>, params: &ListParams) -> File
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + std::fmt::Debug,
{
    let listed = api.list(params).await;
    let text = listed.map_err(|error| Failure::of_api(format!("list what goes into {file}"), &error));
    (file.to_owned(), text.and_then(|list| redacted(&list.items)))
}

fn redacted(objects: &impl Serialize) -> Result<String, Failure> {
    let mut value: Value = serde_json::to_value(objects).map_err(|error| unwritable(&error))?;
    redact::object(&mut value);
    yaml(&value)
}

fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    serde_saphyr::to_string(value).map_err(|error| unwritable(&error))
}

fn unwritable(error: &dyn std::error::Error) -> Failure {
    Failure::new("write an object", error, "the other files are whole")
}
