//! Another image of the sidecar for the pods of a StatefulSet, on a real API server with its controllers: see [`super::wiki`].
//! There is no kubelet: these tests say what it would.

use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{Event, Pod},
};
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use restward_crds::{
    api::v1alpha1::RestApiAuthPolicy,
    condition::{InjectedReason, ProviderReason, UpstreamReason},
    names,
    sidecar::{
        config::PolicyRef,
        status::{Report as Said, SidecarStatus},
    },
};
use restward_operator::{
    acks::Ack,
    controller::upgrade::{self, Report},
};
use serde_json::{Value, json};

use super::{
    support::{Cluster, PATIENCE, operator},
    wiki::{serve_webhook, stateful_set, taken_stock},
};

const OLD: &str = "localhost/none:1";
const NEW: &str = "localhost/none:2";

/// Says of a pod what a kubelet would: its sidecar is this container, and up, or waits for this reason.
async fn kubelet_says(cluster: &Cluster, pod: &str, container: &str, waits: Option<&str>) {
    let is_up = waits.is_none();
    let ready = if is_up { "True" } else { "False" };
    let state = waits.map_or_else(|| json!({"running": {}}), |reason| json!({"waiting": {"reason": reason}}));
    let sidecar = json!({
        "name": names::SIDECAR_CONTAINER, "containerID": format!("containerd://{container}"), "image": "i", "imageID": "i",
        "restartCount": 0, "started": is_up, "ready": is_up, "state": state,
    });
    let status = json!({
        "phase": "Running", "conditions": [{"type": "Ready", "status": ready}], "initContainerStatuses": [sidecar],
    });
    let pods: Api<Pod> = cluster.api();
    let patch = Patch::Merge(json!({ "status": status }));
    let said = async {
        while pods.patch_status(pod, &PatchParams::default(), &patch).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, said).await.expect("the pod is there");
}

/// A sidecar that runs the policy's configuration.
fn ack(pod: &str, policy: &RestApiAuthPolicy) -> Ack {
    let status = SidecarStatus {
        sidecar_version: "1".into(),
        now: None,
        policy: PolicyRef {
            namespace: policy.namespace().unwrap(),
            name: policy.name_any(),
            uid: policy.uid().unwrap(),
            generation: policy.metadata.generation.unwrap(),
        },
        config_hash: "h".into(),
        config_rejected: None,
        identity_provider: Said { reason: ProviderReason::Reachable, message: String::new() },
        upstream: Said { reason: UpstreamReason::Trusted, message: String::new() },
        consumer_keys: None,
        managed_link: None,
        verification: None,
        advisories: Vec::new(),
    };
    Ack {
        pod: pod.into(),
        last: Some(status.clone()),
        status: Some(status),
        has_previous_key: false,
        clock_ahead: None,
    }
}

/// One look at the policy's sidecars, of which these say what they run: without a whole reconciliation, which would ask them.
async fn look(cluster: &Cluster, answering: &[&str]) -> Report {
    let client = operator(&[]).await;
    let (policy, observed, candidate, census) = taken_stock(cluster, &client).await;
    let acks: Vec<Ack> = answering.iter().map(|pod| ack(pod, &policy)).collect();
    let pods = (&census, observed.templates.as_slice());
    let generation = policy.metadata.generation;
    upgrade::round(cluster.context(), &policy, Some(&candidate), pods, &acks, generation).await
}

/// Looks until this is said.
async fn told(cluster: &Cluster, answering: &[&str], part: &str) -> Report {
    let mut last = Report::default();
    let seen = async {
        while !last.message.as_deref().is_some_and(|said| said.contains(part)) {
            last = look(cluster, answering).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, seen).await.is_ok();
    assert!(in_time, "{part}: {last:?}");
    last
}

async fn pod(cluster: &Cluster, name: &str) -> Pod {
    cluster.api().get(name).await.unwrap()
}

/// The sidecar's image, and the note of what was there.
async fn sidecar(cluster: &Cluster, name: &str) -> (String, Option<String>) {
    let pod = pod(cluster, name).await;
    let note = pod.annotations().get(names::ANNOTATION_REPLACED_CONTAINER).cloned();
    let containers = pod.spec.unwrap().init_containers.unwrap();
    let sidecar =
        containers.into_iter().find(|container| container.name == names::SIDECAR_CONTAINER).unwrap();
    (sidecar.image.unwrap(), note)
}

/// Of the pod's specification everything but the sidecar's image, and of its metadata what others go by.
async fn all_else(cluster: &Cluster, name: &str) -> Value {
    let mut pod = serde_json::to_value(pod(cluster, name).await).unwrap();
    pod["spec"]["initContainers"][0]["image"] = Value::Null;
    json!([
        pod["spec"],
        pod["metadata"]["labels"],
        pod["metadata"]["uid"],
        pod["metadata"]["ownerReferences"]
    ])
}

async fn revision(cluster: &Cluster) -> (Option<i64>, Option<String>, Option<String>) {
    let set: StatefulSet = cluster.api().get("wiki").await.unwrap();
    let status = set.status.unwrap();
    (set.metadata.generation, status.current_revision, status.update_revision)
}

/// Two pods with the sidecar, well with the image of before; the operator has another by now.
async fn two_pods(test: &str) -> Cluster {
    let mut cluster = Cluster::new(test).await;
    cluster.create("wiki", json!({})).await.unwrap();
    cluster.reconcile("wiki").await.unwrap();
    serve_webhook(&cluster).await;
    stateful_set(&cluster).await;
    let two = Patch::Merge(json!({"spec": {"replicas": 2}}));
    cluster.api::<StatefulSet>().patch("wiki", &PatchParams::default(), &two).await.unwrap();
    for name in ["wiki-0", "wiki-1"] {
        kubelet_says(&cluster, name, &format!("{name}-old"), None).await;
        assert_eq!(sidecar(&cluster, name).await, (OLD.into(), None));
    }
    cluster.changes_sidecar(NEW);
    cluster
}

const BOTH: [&str; 2] = ["wiki-0", "wiki-1"];

#[tokio::test]
async fn pods_get_another_image_one_after_the_other_and_nothing_else() {
    let cluster = two_pods("upgrade").await;
    let (before, revision_before) = (all_else(&cluster, "wiki-0").await, revision(&cluster).await);
    told(&cluster, &BOTH, "pod wiki-0 is getting localhost/none:2").await;
    let note = format!("containerd://wiki-0-old {OLD}");
    assert_eq!(sidecar(&cluster, "wiki-0").await, (NEW.into(), Some(note)));
    assert_eq!(all_else(&cluster, "wiki-0").await, before);

    // Its kubelet has not looked yet, and all say that they are well.
    let report = look(&cluster, &BOTH).await;
    assert_eq!(report.reason, Some(InjectedReason::UpgradeInProgress));
    assert!(report.message.unwrap().contains("kubelet has not replaced the container yet"));
    kubelet_says(&cluster, "wiki-0", "wiki-0-new", None).await;
    told(&cluster, &["wiki-1"], "has not said yet that it runs the policy's configuration").await;
    assert_eq!(sidecar(&cluster, "wiki-1").await, (OLD.into(), None), "it waits");

    told(&cluster, &BOTH, "pod wiki-1 is getting localhost/none:2").await;
    assert_eq!(sidecar(&cluster, "wiki-0").await, (NEW.into(), None));
    kubelet_says(&cluster, "wiki-1", "wiki-1-new", None).await;
    look(&cluster, &BOTH).await;
    assert_eq!(look(&cluster, &BOTH).await, Report::default());
    assert_eq!(sidecar(&cluster, "wiki-1").await, (NEW.into(), None));
    assert_eq!(revision(&cluster).await, revision_before, "for its controller nothing has changed");

    let events = cluster.api::<Event>().list(&ListParams::default()).await.unwrap();
    let count = |reason: &str| events.iter().filter(|event| event.reason.as_deref() == Some(reason)).count();
    assert_eq!((count("SidecarUpgradeStarted"), count("SidecarUpgraded")), (2, 2));
    cluster.clean_up().await;
}

#[tokio::test]
async fn an_image_that_does_not_come_up_stops_at_the_first_pod_and_is_taken_back() {
    let mut cluster = two_pods("upgrade-back").await;
    told(&cluster, &BOTH, "pod wiki-0 is getting localhost/none:2").await;
    kubelet_says(&cluster, "wiki-0", "wiki-0-old", Some("ImagePullBackOff")).await;
    let report = told(&cluster, &["wiki-1"], "pod wiki-0 does not come up with localhost/none:2").await;
    assert_eq!(report.reason, Some(InjectedReason::UpgradeStopped));
    assert_eq!(sidecar(&cluster, "wiki-1").await, (OLD.into(), None));

    cluster.changes_sidecar(OLD);
    told(&cluster, &["wiki-1"], "pod wiki-0 is getting localhost/none:1").await;
    assert_eq!(sidecar(&cluster, "wiki-0").await.0, OLD);
    kubelet_says(&cluster, "wiki-0", "wiki-0-back", None).await;
    look(&cluster, &BOTH).await;
    assert_eq!(look(&cluster, &BOTH).await, Report::default());
    assert_eq!(sidecar(&cluster, "wiki-0").await, (OLD.into(), None));
    let events = cluster.api::<Event>().list(&ListParams::default()).await.unwrap();
    assert!(events.iter().any(|event| event.reason.as_deref() == Some("UpgradeStopped")));
    cluster.clean_up().await;
}
