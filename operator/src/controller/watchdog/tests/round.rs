//! Whole rounds, with an API server that notes what it is asked for.

use kube::Client;
use restward_crds::names;
use serde_json::json;

use super::{SINCE, at, census, one_is_left};
use crate::{
    args::WatchdogAction,
    controller::{Context, census::Census, dereference::Template},
    testing::{
        self,
        api_server::{self, Asked, answer},
    },
};

/// Gives new pods back with the sidecar, and evicts. Notes `dry run`, `eviction`, or the reason of an Event.
fn api_server(asked: &Asked) -> Client {
    let asked = asked.clone();
    api_server::client_at_once(move |request| {
        let (what, object) = match request.last() {
            "pods" => {
                let mut object = request.body;
                object["metadata"]["labels"][names::LABEL_INJECTED] =
                    json!(testing::policy(json!({})).metadata.uid);
                object["metadata"]["annotations"] = json!({names::ANNOTATION_INJECTED_HASH: "h"});
                object["spec"]["initContainers"] = json!([{"name": names::SIDECAR_CONTAINER}]);
                ("dry run".to_owned(), object)
            }
            "eviction" => ("eviction".to_owned(), json!({"status": "Success"})),
            _ => (request.reason().to_owned(), request.body),
        };
        asked.note(what);
        answer(object)
    })
}

struct World {
    asked: Asked,
    context: Context,
    templates: Vec<Template>,
}

impl World {
    /// The last eviction was a while ago.
    fn new(action: WatchdogAction) -> Self {
        let asked = Asked::default();
        let client = api_server(&asked);
        let context = testing::context(client, action);
        Self { asked, context, templates: vec![testing::template("wiki", json!({}), "confluence")] }
    }

    async fn round(&self, census: &Census, is_in_force: bool) -> Option<String> {
        let since = is_in_force.then(|| at(SINCE));
        let policy = testing::policy(json!({}));
        self.context.watchdog.round(&self.context, &policy, census, &self.templates, since).await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.take()
    }

    fn shows(&self, series: &str) -> bool {
        self.context.metrics.encode().unwrap().contains(&format!("restward_operator_watchdog_{series}"))
    }
}

const NONE: [&str; 0] = [];

#[tokio::test]
async fn what_only_reports_counts_and_asks_for_nothing() {
    let world = World::new(WatchdogAction::Report);
    assert_eq!(world.round(&one_is_left(), true).await, None);
    assert_eq!(world.asked(), NONE);
    assert!(world.shows("pods_without_sidecar{namespace=\"atlassian\",policy=\"wiki\"} 1"));
    world.context.watchdog.forget(&world.context, &testing::policy(json!({}))).await;
    assert!(!world.shows("pods_without_sidecar{"), "the policy is gone");
}

#[tokio::test]
async fn one_pod_is_evicted_and_told_and_the_next_has_to_wait() {
    let world = World::new(WatchdogAction::Evict);
    let said = world.round(&one_is_left(), true).await;
    assert_eq!(said.as_deref(), Some("watchdog: pod wiki-0 was evicted"));
    assert_eq!(world.asked(), ["dry run", "eviction", "PodEvicted"]);
    assert!(world.shows("evictions_total{namespace=\"atlassian\",policy=\"wiki\",result=\"Evicted\"} 1"));
    let said = world.round(&one_is_left(), true).await.unwrap();
    assert!(said.starts_with("watchdog: pod wiki-0 is not evicted (Turn)"), "{said}");
    assert_eq!(world.asked(), NONE, "nor is it told that a pod waits its turn");
}

#[tokio::test]
async fn nothing_is_evicted_before_the_policy_is_in_force() {
    let world = World::new(WatchdogAction::Evict);
    assert_eq!((world.round(&one_is_left(), false).await, world.asked()), (None, Vec::new()));
}

#[tokio::test]
async fn why_a_pod_is_left_is_told_once_while_it_is_so() {
    let world = World::new(WatchdogAction::Evict);
    let mut left = one_is_left();
    left.members[1].is_ready = false;
    for told in [vec!["PodNotEvicted"], vec![]] {
        let said = world.round(&left, true).await.unwrap();
        assert!(
            said.contains("(OthersNotReady): waits until all else is ready: pod wiki-1 is not"),
            "{said}"
        );
        assert_eq!(world.asked(), told);
    }
    left.members[0].workload.kind = "Pod".into();
    world.round(&left, true).await;
    assert_eq!(world.asked(), ["PodNotEvicted"], "another reason");
    world.round(&census(Vec::new(), &[]), true).await;
    world.round(&left, true).await;
    assert_eq!(world.asked(), ["PodNotEvicted"], "it is so again");
}
