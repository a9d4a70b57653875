//! The dry run, and what stands around the workload.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    core::v1::{Node, Pod, Secret},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api,
    api::ListParams,
    core::{PartialObjectMeta, Selector, SelectorExt as _},
};
use restward_crds::api::v1alpha1::RestApiAuthPolicy;

use super::probe::Probed;
use crate::{
    cluster::{self, Session},
    failure::Failure,
    workload::Workload,
};

pub(super) type Seen<T> = Result<T, Failure>;

pub(super) struct Facts {
    pub(super) workload: Workload,
    /// The policies that select its pods, oldest first.
    pub(super) policies: Vec<RestApiAuthPolicy>,
    pub(super) pods: Vec<Pod>,
    pub(super) next: Next,
    pub(super) nodes: Seen<Vec<Node>>,
    /// Those that select its pods.
    pub(super) budgets: Seen<Vec<PodDisruptionBudget>>,
    /// Those that select its pods.
    pub(super) network_policies: Seen<Vec<NetworkPolicy>>,
    /// Names of the Secrets of the namespace, whose contents are not asked for.
    pub(super) secrets: Seen<Vec<String>>,
    /// What came of probing nodes, when that was asked for.
    pub(super) probed: Option<Seen<Vec<Probed>>>,
}

/// What the API server said to the next pod.
pub(super) enum Next {
    Pod(Box<Pod>),
    /// It was refused: code and message.
    Refused(u16, String),
}

pub(super) async fn gather(session: &Session, workload: Workload) -> Result<Facts, Failure> {
    let client = &session.client;
    let labels = workload.template.metadata.labels.clone().unwrap_or_default();
    let mut policies = session.policies().await?;
    policies.retain(|policy| cluster::selects(policy, &labels));
    policies.sort_by_key(|policy| policy.metadata.creation_timestamp.clone());
    let pods = workload.pods(client).await?;
    let next =
        match workload.next_pod(client, pods.first().and_then(|pod| pod.metadata.name.as_deref())).await {
            Ok(pod) => Next::Pod(Box::new(pod)),
            Err(kube::Error::Api(status)) => Next::Refused(status.code, status.message.clone()),
            Err(error) => return Err(Failure::of_api("try the next pod as a dry run", &error)),
        };
    let everything = ListParams::default();
    let nodes = Api::<Node>::all(client.clone()).list(&everything).await;
    let budgets = session.api::<PodDisruptionBudget>().list(&everything).await;
    let network_policies = session.api::<NetworkPolicy>().list(&everything).await;
    let secrets = session.api::<Secret>().list_metadata(&everything).await;
    Ok(Facts {
        nodes: nodes.map(|list| list.items).map_err(|error| Failure::of_api("list nodes", &error)),
        budgets: budgets
            .map(|list| {
                list.items
                    .into_iter()
                    .filter(|it| fits(it.spec.as_ref().and_then(|spec| spec.selector.clone()), &labels))
                    .collect()
            })
            .map_err(|error| Failure::of_api("list PodDisruptionBudgets", &error)),
        network_policies: network_policies
            .map(|list| {
                list.items
                    .into_iter()
                    .filter(|it| fits(it.spec.as_ref().and_then(|spec| spec.pod_selector.clone()), &labels))
                    .collect()
            })
            .map_err(|error| Failure::of_api("list NetworkPolicies", &error)),
        secrets: secrets
            .map(|list| {
                list.items.into_iter().filter_map(|it: PartialObjectMeta<Secret>| it.metadata.name).collect()
            })
            .map_err(|error| Failure::of_api("list the names of Secrets", &error)),
        workload,
        policies,
        pods,
        next,
        probed: None,
    })
}

/// Whether a selector fits; an empty one fits everything here.
fn fits(
    selector: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector>,
    labels: &BTreeMap<String, String>,
) -> bool {
    selector
        .is_some_and(|selector| Selector::try_from(selector).is_ok_and(|selector| selector.matches(labels)))
}
