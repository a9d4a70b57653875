//! Whole rounds, with an API server that notes what it is asked for.

use axum::http::Method;
use kube::Client;
use restward_crds::{
    api::v1alpha1::{RestApiAuthPolicy, RestApiAuthPolicyStatus, WorkloadStatus},
    condition::InjectedReason,
};
use serde_json::Value;

use super::*;
use crate::{
    args::WatchdogAction,
    controller::{
        Context,
        census::{Census, census},
        dereference::{Observed, ObservedPod},
        validate::validate,
    },
    inject::{self, Decision},
    policy_source::Candidate,
    testing::api_server::{self, Asked, answer},
};

/// What comes of pods.
#[derive(Clone)]
enum Webhook {
    /// They are injected so.
    Injects(Box<Candidate>),
    /// It is away, and nothing else refuses them.
    Away,
}

/// Notes `dry run`, `policy`, the reason of an Event, or the query and body of a patch.
fn api_server(asked: &Asked, policy: &RestApiAuthPolicy, webhook: Webhook) -> Client {
    let (asked, policy) = (asked.clone(), json!(policy));
    api_server::client_at_once(move |request| {
        let (what, object) = match (&request.method, request.last()) {
            (&Method::GET, _) => ("policy".to_owned(), policy.clone()),
            (&Method::PATCH, _) => (
                request.patch(),
                json!({
                    "metadata": {}, "spec": {"serviceName": "", "selector": {}, "template": {}},
                }),
            ),
            (_, "pods") => {
                assert!(request.query.contains("dryRun=All"), "a pod was created");
                let mut object = request.body;
                object["metadata"]["name"] = json!("x");
                if let Webhook::Injects(candidate) = &webhook
                    && let Decision::Inject(operations) =
                        inject::decide(&object, candidate, &testing::sidecar())
                {
                    json_patch::patch(&mut object, &operations).unwrap();
                }
                ("dry run".to_owned(), object)
            }
            _ => (request.reason().to_owned(), request.body),
        };
        asked.note(what);
        answer(object)
    })
}

struct World {
    asked: Asked,
    context: Context,
    policy: RestApiAuthPolicy,
    candidate: Candidate,
    templates: Vec<Template>,
    pods: Vec<ObservedPod>,
}

fn automatic() -> RestApiAuthPolicy {
    testing::policy(json!({"rollout": {"strategy": "Automatic"}}))
}

fn candidate() -> Candidate {
    validate(&automatic(), &testing::observed()).unwrap().candidate
}

impl World {
    /// One pod, without the sidecar. `live` is the policy as the API server has it.
    fn new(webhook: Webhook, live: &RestApiAuthPolicy) -> Self {
        let asked = Asked::default();
        let context = testing::context(api_server(&asked, live, webhook), WatchdogAction::Report);
        let mut pod = testing::pod("wiki-0", json!({}));
        pod.raw["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
        let templates = vec![testing::template("wiki-0", json!({}), "confluence")];
        Self { asked, context, policy: automatic(), candidate: candidate(), templates, pods: vec![pod] }
    }

    fn census(&self) -> Census {
        let observed =
            Observed { pods: self.pods.clone(), templates: self.templates.clone(), ..testing::observed() };
        census(&self.candidate, &observed, &self.context.sidecar, None)
    }

    async fn attach(&self) -> Report {
        attach(&self.context, &self.policy, Some(&self.candidate), &self.census(), &self.templates).await
    }

    async fn detach(&self) -> Report {
        detach(&self.context, &self.policy, &self.pods, &self.templates).await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.take()
    }

    /// Whether this came of one rollout.
    fn counts(&self, result: &str) -> bool {
        let labels = format!(r#"{{namespace="atlassian",policy="wiki",result="{result}"}}"#);
        let series = format!("restward_operator_rollouts_total{labels} 1\n");
        self.context.metrics.encode().unwrap().contains(&series)
    }

    fn memory(report: &Report) -> Option<&str> {
        report.memory.values().next()?.hash.as_deref()
    }
}

fn injects() -> Webhook {
    Webhook::Injects(Box::new(candidate()))
}

#[tokio::test]
async fn the_template_gets_the_annotation_once_a_dry_run_came_as_it_should() {
    let world = World::new(injects(), &automatic());
    let report = world.attach().await;
    let hash = world.census().wanted.into_values().next().unwrap();
    let asked = world.asked();
    assert_eq!(
        [&asked[0], &asked[1], &asked[3], &asked[4]],
        ["policy", "dry run", "RolloutStarted", "RolloutStarted"]
    );
    let (query, body) = asked[2].split_once(' ').unwrap();
    assert!(
        query.starts_with("wiki-0?") && query.contains("fieldManager=restward-operator%2Frollout"),
        "{query}"
    );
    assert!(query.contains("force=true"), "{query}");
    assert_eq!(
        serde_json::from_str::<Value>(body).unwrap(),
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "wiki-0", "uid": "uid-wiki-0"},
            "spec": {"template": {"metadata": {"annotations": {"restward.io/injection-hash": hash}}}},
        })
    );
    assert_eq!(World::memory(&report), Some(hash.as_str()));
    assert_eq!(report.reason, Some(InjectedReason::RolloutInProgress));
    assert!(world.counts("Started"));
}

#[tokio::test]
async fn nothing_is_restarted_while_the_next_pod_does_not_come_as_it_should() {
    let mut before = candidate();
    before.loopback_bind = restward_crds::api::v1alpha1::LoopbackBind::Off;
    let mut other = candidate();
    other.uid = "99999999-0000-4000-8000-000000000000".into();
    for (webhook, said) in [
        (Webhook::Away, "without the policy's sidecar"),
        (Webhook::Injects(Box::new(other)), "without the policy's sidecar"),
        (Webhook::Injects(Box::new(before)), "with what was injected before the change"),
    ] {
        let world = World::new(webhook, &automatic());
        for told in [2, 0] {
            let report = world.attach().await;
            assert_eq!(report.reason, Some(InjectedReason::RolloutBlocked));
            assert!(report.message.as_ref().is_some_and(|message| message.contains(said)), "{report:?}");
            assert_eq!(World::memory(&report), None);
            let asked = world.asked();
            assert_eq!(asked[..2], ["policy", "dry run"]);
            assert_eq!(
                asked[2..],
                vec!["RolloutBlocked"; told],
                "it is told once, about policy and workload"
            );
        }
        assert!(world.counts("DryRun"), "once");
    }
}

#[tokio::test]
async fn no_rollout_begins_beside_a_pod_whose_sidecar_is_being_replaced() {
    let mut world = World::new(injects(), &automatic());
    let mut other = testing::injected(testing::pod("wiki-1", json!({})), &world.candidate.uid);
    other.workload = world.pods[0].workload.clone();
    other.raw["status"] = world.pods[0].raw["status"].clone();
    other.annotations.insert(names::ANNOTATION_REPLACED_CONTAINER.into(), "a example.com/sidecar:0".into());
    world.pods.push(other);
    let report = world.attach().await;
    assert!(report.message.unwrap().contains("pod wiki-1 is not ready"));
    assert_eq!(world.asked(), ["RolloutBlocked", "RolloutBlocked"]);
    world.pods[1].annotations.remove(names::ANNOTATION_REPLACED_CONTAINER);
    assert_eq!(world.attach().await.reason, Some(InjectedReason::RolloutInProgress));
}

#[tokio::test]
async fn what_is_not_automatic_or_not_in_place_is_left_alone() {
    let mut world = World::new(injects(), &automatic());
    let census = world.census();
    let report = attach(&world.context, &world.policy, None, &census, &world.templates).await;
    assert_eq!((report, world.asked()), (Report::default(), Vec::new()), "not programmed");
    world.policy = testing::policy(json!({}));
    assert_eq!((world.attach().await, world.asked()), (Report::default(), Vec::new()), "Manual");
}

#[tokio::test]
async fn what_another_pass_has_begun_meanwhile_is_not_begun_again() {
    let mut live = automatic();
    let known = WorkloadStatus {
        kind: "StatefulSet".into(),
        name: "wiki-0".into(),
        rollout: Some(remembered(Some("h"), "p")),
        ..WorkloadStatus::default()
    };
    live.status = Some(RestApiAuthPolicyStatus { workloads: vec![known], ..Default::default() });
    let mut world = World::new(injects(), &live);
    assert_eq!(world.attach().await.reason, Some(InjectedReason::RolloutInProgress));
    assert_eq!(world.asked(), ["policy"]);
    world.policy = live;
    let report = attach(&world.context, &world.policy, None, &world.census(), &world.templates).await;
    assert_eq!(World::memory(&report), Some("h"), "it is kept while nothing can begin");
}

#[tokio::test]
async fn pods_lose_the_sidecar_once_the_next_one_comes_without() {
    let injected = |mut world: World| {
        let ready = world.pods[0].raw["status"].clone();
        world.pods = vec![testing::injected(testing::pod("wiki-0", json!({})), &world.candidate.uid)];
        world.pods[0].raw["status"] = ready;
        world
    };
    let world = injected(World::new(injects(), &automatic()));
    assert_eq!(world.detach().await.reason, Some(InjectedReason::RolloutBlocked));
    assert_eq!(world.asked(), ["policy", "dry run", "RolloutBlocked", "RolloutBlocked"]);

    let mut world = injected(World::new(Webhook::Away, &automatic()));
    let report = world.detach().await;
    assert_eq!(World::memory(&report), Some(names::NOTHING_INJECTED));
    assert!(world.asked()[2].ends_with(r#"{"restward.io/injection-hash":"none"}}}}}"#));

    put(&mut world.templates[0], "of the rollout before");
    world.detach().await;
    let patch = &world.asked()[2];
    assert!(patch.ends_with(r#"{"restward.io/injection-hash":null}}}}}"#), "{patch}");
    assert!(!patch.contains("force"), "a merge, so that it goes whoever owns it: {patch}");
}
