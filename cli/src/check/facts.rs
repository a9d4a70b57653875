//! What is there. What may not be looked at is a fact as well, and stops nothing else.

use std::collections::BTreeSet;

use k8s_openapi::{
    api::{
        admissionregistration::v1::{
            MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
            ValidatingWebhookConfiguration,
        },
        apps::v1::Deployment,
        coordination::v1::Lease,
        core::v1::Pod,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, Client, ResourceExt as _, api::ListParams};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};
use serde::de::DeserializeOwned;

use super::certificate;
use crate::{
    cluster::{self, CHART, MANAGED, OPERATOR, Session},
    failure::Failure,
    forward::PodPort,
};

const DEFINITION: &str = "restapiauthpolicies.restward.io";

/// A fact, or why it could not be had.
pub(super) type Seen<T> = Result<T, Failure>;

pub(super) struct Facts {
    /// The definition of the kind, if it is there.
    pub(super) definition: Seen<Option<CustomResourceDefinition>>,
    pub(super) operators: Seen<Vec<Operator>>,
    /// The chart's admission policies.
    pub(super) backstop: Seen<Vec<ValidatingAdmissionPolicy>>,
    pub(super) bindings: Seen<Vec<ValidatingAdmissionPolicyBinding>>,
    pub(super) webhooks: Seen<Vec<MutatingWebhookConfiguration>>,
    /// The chart's, by which uses of break-glass are told.
    pub(super) witnesses: Seen<Vec<ValidatingWebhookConfiguration>>,
    pub(super) policies: Seen<Vec<Policy>>,
}

/// One release of the operator.
pub(super) struct Operator {
    pub(super) deployment: Deployment,
    /// Who leads, if anybody does.
    pub(super) leader: Seen<Option<String>>,
    pub(super) replicas: Seen<Vec<Replica>>,
}

impl Operator {
    /// Of which release it says that it is.
    pub(super) fn version(&self) -> Option<&str> {
        self.deployment.labels().get("app.kubernetes.io/version").map(String::as_str)
    }

    /// What it is told by the argument that begins like this.
    pub(super) fn told(&self, argument: &str) -> Option<&str> {
        let containers = &self.deployment.spec.as_ref()?.template.spec.as_ref()?.containers;
        let mut arguments = containers.iter().flat_map(|container| container.args.iter().flatten());
        arguments.find_map(|it| it.strip_prefix(argument))
    }
}

/// A pod of the operator.
pub(super) struct Replica {
    pub(super) name: String,
    pub(super) is_ready: bool,
    /// What is wrong with its certificate; `None` when there is no webhook configuration to compare with.
    pub(super) certificate: Option<Result<(), String>>,
}

/// A policy and its pods.
pub(super) struct Policy {
    pub(super) policy: RestApiAuthPolicy,
    pub(super) pods: Seen<Vec<Pod>>,
}

/// Whom the API server trusts as the webhook.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Authority {
    /// Namespace of the Service.
    pub(super) namespace: String,
    /// Name of the server.
    pub(super) name: String,
    /// PEM.
    pub(super) bundle: Vec<u8>,
}

/// Looks at everything. Fails only where nothing can be found out at all.
pub(super) async fn gather(session: &Session) -> Result<Facts, Failure> {
    let client = &session.client;
    client
        .apiserver_version()
        .await
        .map_err(|error| Failure::of_api("ask the API server for its version", &error))?;
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    let definition = definitions.get_opt(DEFINITION).await;
    let webhooks: Seen<Vec<MutatingWebhookConfiguration>> =
        all(client, MANAGED, "webhook configurations").await;
    let authorities = webhooks.as_deref().map(authorities).unwrap_or_default();
    Ok(Facts {
        definition: definition
            .map_err(|error| Failure::of_api("read the definition of RestApiAuthPolicy", &error)),
        operators: operators(client, &authorities).await,
        backstop: all(client, CHART, "admission policies").await,
        bindings: bindings(client).await,
        webhooks,
        witnesses: all(client, CHART, "webhook configurations").await,
        policies: policies(session).await,
    })
}

async fn all<K>(client: &Client, labels: &str, what: &str) -> Seen<Vec<K>>
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let listed = Api::<K>::all(client.clone()).list(&ListParams::default().labels(labels)).await;
    listed.map(|list| list.items).map_err(|error| Failure::of_api(format!("list {what}"), &error))
}

/// Those of the chart and those of the policies.
async fn bindings(client: &Client) -> Seen<Vec<ValidatingAdmissionPolicyBinding>> {
    let what = "bindings of admission policies";
    let mut bindings = all(client, CHART, what).await?;
    bindings.extend(all(client, MANAGED, what).await?);
    Ok(bindings)
}

async fn operators(client: &Client, authorities: &BTreeSet<Authority>) -> Seen<Vec<Operator>> {
    let mut operators = Vec::new();
    for deployment in all::<Deployment>(client, OPERATOR, "Deployments").await? {
        let namespace = deployment.namespace().unwrap_or_default();
        let lease =
            Api::<Lease>::namespaced(client.clone(), &namespace).get_opt(&deployment.name_any()).await;
        let leader = lease
            .map(|lease| lease.and_then(|lease| lease.spec?.holder_identity))
            .map_err(|error| Failure::of_api(format!("read the Lease of namespace {namespace}"), &error));
        let replicas = replicas(client, &deployment, &namespace, authorities).await;
        operators.push(Operator { deployment, leader, replicas });
    }
    Ok(operators)
}

async fn replicas(
    client: &Client,
    deployment: &Deployment,
    namespace: &str,
    authorities: &BTreeSet<Authority>,
) -> Seen<Vec<Replica>> {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let release = deployment.labels().get("app.kubernetes.io/instance").cloned().unwrap_or_default();
    let own = ListParams::default().labels(&format!("{OPERATOR},app.kubernetes.io/instance={release}"));
    let pods = api.list(&own).await;
    let pods = pods.map_err(|error| {
        Failure::of_api(format!("list the operator's pods in namespace {namespace}"), &error)
    })?;
    let mut replicas = Vec::new();
    for pod in pods.items.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()) {
        let is_ready = cluster::is_ready(pod);
        let port = PodPort::new(api.clone(), pod.name_any(), names::WEBHOOK_PORT);
        let mut certificate = None;
        // A replica that does not serve yet is told as that.
        for authority in authorities.iter().filter(|authority| is_ready && authority.namespace == namespace) {
            if certificate != Some(Ok(())) && certificate.is_some() {
                break;
            }
            certificate = Some(certificate::verify(authority, &port).await);
        }
        replicas.push(Replica { name: pod.name_any(), is_ready, certificate });
    }
    Ok(replicas)
}

/// Whom the webhook configurations trust; the same for all of them, but while an authority is being replaced.
fn authorities(webhooks: &[MutatingWebhookConfiguration]) -> BTreeSet<Authority> {
    let entries = webhooks.iter().flat_map(|configuration| configuration.webhooks.iter().flatten());
    let authority = |config: &k8s_openapi::api::admissionregistration::v1::WebhookClientConfig| {
        let service = config.service.as_ref()?;
        Some(Authority {
            namespace: service.namespace.clone(),
            name: format!("{}.{}.svc", service.name, service.namespace),
            bundle: config.ca_bundle.as_ref()?.0.clone(),
        })
    };
    entries.filter_map(|entry| authority(&entry.client_config)).collect()
}

async fn policies(session: &Session) -> Seen<Vec<Policy>> {
    let listed = if session.connection.namespace.is_some() {
        session.policies().await?
    } else {
        all::<RestApiAuthPolicy>(&session.client, "", "policies of all namespaces").await?
    };
    let mut policies = Vec::new();
    for policy in listed {
        let pods = cluster::injected(&session.client, &policy).await;
        policies.push(Policy { policy, pods });
    }
    Ok(policies)
}
