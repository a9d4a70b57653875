//! `preflight --probe`: a pod for a moment on each node on which the workload could come to run, with the sidecar's image and on the
//! workload's network, which says whether the image comes there and the identity provider answers from there.
//!
//! - [`pod`]: what it is
//! - [`seen`]: what it says

mod pod;
mod seen;

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, PostParams},
};

pub(super) use seen::Outcome;

use super::{
    facts::{Facts, Next},
    nodes,
};
use crate::{failure::Failure, output::progress};

/// For a pod to be scheduled, pulled and run; a large registry's mirror may be slow.
const DEADLINE: Duration = Duration::from_mins(3);
/// Between two looks at a pod.
const PAUSE: Duration = Duration::from_secs(1);
/// Pods at a time.
const AT_A_TIME: usize = 8;

/// What came of the pod on a node.
pub(super) struct Probed {
    /// `None`: wherever the scheduler put it, as nodes could not be listed.
    pub(super) node: Option<String>,
    pub(super) outcome: Result<Outcome, Failure>,
}

/// Probes, and leaves no pod behind, also when it is interrupted.
pub(super) async fn run(client: &Client, facts: &Facts) -> Result<Vec<Probed>, Failure> {
    let what = "probe the nodes";
    let Next::Pod(next) = &facts.next else {
        return Err(Failure::new(
            what,
            "the next pod was refused",
            "change what the refusal names, then probe",
        ));
    };
    let accepted =
        facts.policies.first().filter(|it| it.status.iter().any(|status| status.in_force.is_some()));
    let Some(policy) = accepted else {
        let fix =
            "apply the policy, with mode: Audit if it is to refuse no call, and see that it is accepted";
        return Err(Failure::new(what, "no policy that is in force selects the pods", fix));
    };
    let targets = targets(facts, next);
    let run = RandomState::new().build_hasher().finish();
    let pods: Vec<Pod> = targets
        .iter()
        .enumerate()
        .filter_map(|(index, node)| {
            // Ending in a letter, it is no name of a StatefulSet's pod, which would be adopted.
            let name = format!("restward-probe-{run:016x}-{index}n");
            pod::of(&name, node.as_deref(), policy, &facts.workload.template, next)
        })
        .collect();
    if pods.is_empty() {
        return Err(Failure::new(what, "the next pod has no sidecar", "kubectl restward check"));
    }
    let api = Api::<Pod>::namespaced(client.clone(), &facts.workload.namespace);
    let all = stream::iter(&pods).map(|pod| probe(&api, pod)).buffered(AT_A_TIME).collect::<Vec<_>>();
    let done = tokio::select! {
        outcomes = all => Ok(outcomes),
        _ = tokio::signal::ctrl_c() => Err(Failure::new(what, "it was interrupted", "run the command again")),
    };
    for pod in &pods {
        remove(&api, &pod.name_any()).await;
    }
    Ok(targets.into_iter().zip(done?).map(|(node, outcome)| Probed { node, outcome }).collect())
}

/// The nodes, or one pod for wherever the scheduler puts it.
fn targets(facts: &Facts, next: &Pod) -> Vec<Option<String>> {
    let eligible = facts.nodes.as_deref().map(|all| nodes::eligible(all, next)).unwrap_or_default();
    match eligible.as_slice() {
        [] => vec![None],
        nodes => nodes.iter().map(|node| Some(node.name_any())).collect(),
    }
}

async fn probe(api: &Api<Pod>, pod: &Pod) -> Result<Outcome, Failure> {
    let name = pod.name_any();
    let failed = |error: kube::Error| Failure::of_api(format!("probe by pod {name}"), &error);
    let mut pod = api.create(&PostParams::default(), pod).await.map_err(failed)?;
    let ends = tokio::time::Instant::now() + DEADLINE;
    loop {
        if let Some(outcome) = seen::outcome(&pod) {
            return Ok(outcome);
        }
        if tokio::time::Instant::now() > ends {
            return Ok(seen::waits_for(&pod));
        }
        tokio::time::sleep(PAUSE).await;
        pod = api.get(&name).await.map_err(failed)?;
    }
}

async fn remove(api: &Api<Pod>, name: &str) {
    match api.delete(name, &DeleteParams::default().grace_period(0)).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        Err(error) => progress(&format!("pod {name} is left and wants to be deleted: {error}")),
        Ok(_) => {}
    }
}
