//! Whole looks, with an API server that notes what it is asked to do.

use std::sync::{Arc, Mutex};

use axum::response::Response;
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, condition::InjectedReason, names};
use serde_json::Value;

use super::*;
use crate::{
    acks::Ack,
    args::WatchdogAction,
    controller::{
        Context,
        assess::ack_for_tests,
        census::census,
        dereference::{Observed, ObservedPod},
        validate::validate,
    },
    policy_source::Candidate,
    testing::{
        api_server::{self, Request, list, refusal},
        observed, policy,
    },
};

const UID: &str = "11112222-3333-4444-5555-666677778888";

/// What the API server has, and what it was asked to do: the query and body of patches, and reasons of Events.
#[derive(Default)]
struct Server {
    pods: Vec<Value>,
    unsettled: bool,
    /// What it does to a pod that is changed, or why it refuses.
    refuses: Option<&'static str>,
    keeps_image: bool,
    asked: Vec<String>,
}

type Shared = Arc<Mutex<Server>>;

fn answer(server: &Shared, request: &Request) -> Response {
    let mut server = server.lock().unwrap();
    let last = request.last();
    match (request.method.as_str(), last) {
        ("GET", "pods") => list(&server.pods),
        ("GET", "statefulsets") => list(&[stateful_set(server.unsettled)]),
        ("GET", "deployments" | "configmaps") => list(&[]),
        ("GET", _) => refusal(404, "NotFound", "there is none"),
        ("PATCH", _) => {
            server.asked.push(request.patch());
            if let Some(said) = server.refuses {
                return refusal(409, "Conflict", said);
            }
            let mut pod = server.pods.iter().find(|pod| pod["metadata"]["name"] == *last).unwrap().clone();
            if !server.keeps_image {
                pod["spec"]["initContainers"][0]["image"] = json!(NEW);
            }
            api_server::answer(pod)
        }
        _ => {
            server.asked.push(request.reason().to_owned());
            api_server::answer(request.body.clone())
        }
    }
}

fn stateful_set(is_unsettled: bool) -> Value {
    let template = testing::template("wiki", json!({}), "confluence").raw;
    json!({
        "metadata": {"name": "wiki", "uid": "u", "generation": 1},
        "spec": {
            "replicas": 1, "serviceName": "wiki", "selector": {},
            "template": {"metadata": template["metadata"], "spec": template["spec"]},
        },
        "status": {"observedGeneration": i32::from(!is_unsettled), "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1},
    })
}

struct World {
    server: Shared,
    context: Context,
    policy: RestApiAuthPolicy,
    candidate: Candidate,
    pod: ObservedPod,
}

impl World {
    /// One pod, that is well with the image of before.
    fn new() -> Self {
        let server = Shared::default();
        let shared = Arc::clone(&server);
        let client = api_server::client_at_once(move |request| answer(&shared, &request));
        let mut context = testing::context(client, WatchdogAction::Report);
        context.sidecar.image = NEW.into();
        let policy = policy(json!({}));
        let candidate = validate(&policy, &observed()).unwrap().candidate;
        let mut pod = testing::injected(testing::pod("wiki-0", json!({})), UID);
        pod.workload.name = "wiki".into();
        pod.raw["metadata"] = json!({
            "name": "wiki-0", "uid": "u-0", "resourceVersion": "41", "labels": pod.labels, "annotations": pod.annotations,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "wiki", "uid": "u", "controller": true}],
        });
        pod.raw["status"] = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        let mut world = Self { server, context, policy, candidate, pod };
        world.sidecar_is("a", &json!({"running": {}}), true);
        world
    }

    fn sidecar_is(&mut self, id: &str, state: &Value, is_up: bool) {
        let status = json!({
            "name": names::SIDECAR_CONTAINER, "containerID": id, "state": state, "started": is_up, "ready": is_up,
            "image": "i", "imageID": "i", "restartCount": 0,
        });
        self.pod.raw["status"]["initContainerStatuses"] = json!([status]);
    }

    /// The pod was changed while this container was there.
    fn replaces(&mut self, id: &str) {
        let old = format!("{id} {OLD}");
        self.pod.annotations.insert(names::ANNOTATION_REPLACED_CONTAINER.into(), old);
        self.pod.raw["metadata"]["annotations"] = json!(self.pod.annotations);
        self.pod.raw["spec"]["initContainers"][0]["image"] = json!(NEW);
    }

    async fn look(&self) -> (Report, Vec<String>) {
        self.look_by(Some(&self.candidate)).await
    }

    async fn look_by(&self, candidate: Option<&Candidate>) -> (Report, Vec<String>) {
        self.server.lock().unwrap().pods = vec![self.pod.raw.clone()];
        let observed = Observed { pods: vec![self.pod.clone()], ..observed() };
        let census = census(&self.candidate, &observed, &self.context.sidecar, None);
        let acks: Vec<Ack> = vec![ack_for_tests()];
        let report = round(&self.context, &self.policy, candidate, (&census, &[]), &acks, Some(7)).await;
        (report, std::mem::take(&mut self.server.lock().unwrap().asked))
    }

    fn counts(&self, series: &str) -> bool {
        let series = series.replace('{', r#"{namespace="atlassian",policy="wiki""#);
        self.context.metrics.encode().unwrap().contains(&format!("restward_operator_{series}"))
    }
}

#[tokio::test]
async fn the_pod_gets_the_image_and_nothing_else_and_the_container_is_noted() {
    let world = World::new();
    let (report, asked) = world.look().await;
    assert!(!asked.is_empty(), "{report:?}");
    let (query, body) = asked[0].split_once(' ').unwrap();
    assert_eq!(query, "wiki-0?&fieldManager=restward-operator");
    assert_eq!(
        serde_json::from_str::<Value>(body).unwrap(),
        json!({
            "metadata": {
                "uid": "u-0", "resourceVersion": "41", "annotations": {"restward.io/replaced-container": format!("a {OLD}")},
            },
            "spec": {"initContainers": [{"name": "restward-proxy", "image": NEW}]},
        })
    );
    assert_eq!(asked[1..], ["SidecarUpgradeStarted"]);
    assert_eq!(report.reason, Some(InjectedReason::UpgradeInProgress));
    assert_eq!(report.message.unwrap(), format!("pod wiki-0 is getting {NEW}"));
    assert!(world.counts(r#"sidecar_upgrades_total{,result="Started"} 1"#));
    assert!(world.counts("sidecars_behind{} 1"));
}

#[tokio::test]
async fn a_pod_is_left_when_the_cluster_is_another_by_now() {
    let world = World::new();
    world.server.lock().unwrap().unsettled = true;
    let (report, asked) = world.look().await;
    assert!(asked.is_empty(), "{asked:?}");
    assert_eq!(report.reason, Some(InjectedReason::UpgradeInProgress), "it is tried again");
}

#[tokio::test]
async fn what_the_api_server_or_somebody_else_does_not_let_happen_is_told_and_tried_again() {
    let refused = World::new();
    refused.server.lock().unwrap().refuses = Some("the object has been modified");
    let changed = World::new();
    changed.server.lock().unwrap().keeps_image = true;
    for (world, said) in [(refused, "the object has been modified"), (changed, "changed the image again")] {
        let (report, asked) = world.look().await;
        assert_eq!(asked.len(), 1, "no Event: {asked:?} {report:?}");
        assert_eq!(report.reason, Some(InjectedReason::UpgradeInProgress));
        assert!(report.message.unwrap().contains(said), "{said}");
        assert!(world.counts(r#"sidecar_upgrades_total{,result="Failed"} 1"#));
    }
}

#[tokio::test]
async fn a_pod_that_is_well_with_its_new_sidecar_is_noted() {
    let mut world = World::new();
    world.replaces("a");
    let (report, asked) = world.look().await;
    assert!(asked.is_empty() && report.message.unwrap().contains("kubelet has not replaced"), "{asked:?}");

    world.sidecar_is("b", &json!({"running": {}}), true);
    let (report, asked) = world.look().await;
    assert!(
        asked[0]
            .ends_with(r#"{"metadata":{"annotations":{"restward.io/replaced-container":null},"uid":"u-0"}}"#),
        "{asked:?}"
    );
    assert_eq!(asked[1..], ["SidecarUpgraded"]);
    assert_eq!(report, Report::default());
    assert!(
        world.counts(r#"sidecar_upgrades_total{,result="Done"} 1"#) && world.counts("sidecars_behind{} 0")
    );
}

#[tokio::test]
async fn one_that_does_not_come_up_is_told_once_with_what_to_do() {
    let mut world = World::new();
    world.replaces("a");
    world.sidecar_is(
        "a",
        &json!({"waiting": {"reason": "ImagePullBackOff", "message": "secret words"}}),
        false,
    );
    for told in [1, 0] {
        let (report, asked) = world.look().await;
        assert_eq!(asked, vec!["UpgradeStopped"; told]);
        assert_eq!(report.reason, Some(InjectedReason::UpgradeStopped));
        let said = report.message.unwrap();
        assert!(
            said.contains("(ImagePullBackOff)") && said.ends_with("which is done in place too"),
            "{said}"
        );
        assert!(!said.contains("secret words"), "{said}");
    }
    assert!(world.counts(r#"sidecar_upgrades_total{,result="Stopped"} 1"#));
    world.policy = policy(json!({"sidecar": {"updateStrategy": "OnDelete"}}));
    let said = world.look().await.0.message.unwrap();
    assert!(said.ends_with("kubectl delete pod -n atlassian wiki-0"), "{said}");
}

#[tokio::test]
async fn nothing_is_done_for_on_delete_or_before_a_policy_is_programmed() {
    let mut world = World::new();
    assert_eq!(world.look_by(None).await, (Report::default(), Vec::new()));
    world.policy = policy(json!({"sidecar": {"updateStrategy": "OnDelete"}}));
    let (report, asked) = world.look().await;
    assert!(asked.is_empty() && report.reason.is_none(), "{asked:?}");
    assert!(report.message.unwrap().contains("wiki-0 (it gets it when it is made anew"));
}
