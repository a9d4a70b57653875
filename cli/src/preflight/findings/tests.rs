use k8s_openapi::api::core::v1::Node;
use restward_crds::api::v1alpha1::RestApiAuthPolicy;
use serde_json::{Value, json};

use super::{
    super::probe::{Outcome, Probed},
    risks::minor,
    *,
};
use crate::{
    failure::Failure,
    report::Level,
    workload::{Update, tests::stateful_set},
};

fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn policy(accepted: &str) -> RestApiAuthPolicy {
    policy_with(accepted, "Reachable", "True")
}

fn policy_with(accepted: &str, provider: &str, reachable: &str) -> RestApiAuthPolicy {
    object(json!({
        "apiVersion": "restward.io/v1alpha1", "kind": "RestApiAuthPolicy", "metadata": {"name": "wiki", "uid": "u"},
        "spec": {"selector": {"matchLabels": {"app": "wiki"}}, "keycloak": {"host": "h", "realm": "r"}},
        "status": {"conditions": [{"type": "Accepted", "status": accepted, "reason": "x", "message": "a field is wrong",
                                   "lastTransitionTime": "2026-01-01T00:00:00Z"},
                                  {"type": "IdentityProviderReachable", "status": reachable, "reason": provider, "message": "as seen",
                                   "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    }))
}

fn next(uid: &str) -> Next {
    let variables = json!([{"name": names::ENV_POD, "value": r#"{"listenPort": 8090}"#}]);
    Next::Pod(object(json!({
        "metadata": {"labels": {names::LABEL_INJECTED: uid}},
        "spec": {"containers": [], "imagePullSecrets": [{"name": "registry"}],
                 "initContainers": [{"name": names::SIDECAR_CONTAINER, "image": "sidecar:1", "env": variables}]},
    })))
}

/// Nothing is in the way.
fn facts() -> Facts {
    Facts {
        workload: stateful_set(
            &json!({"containers": [{"name": "confluence", "ports": [{"name": "http", "containerPort": 8090}]}]}),
            2,
        ),
        policies: vec![policy("True")],
        pods: Vec::new(),
        next: next("u"),
        nodes: Ok(vec![node("linux", "v1.34.4+k3s1")]),
        budgets: Ok(Vec::new()),
        network_policies: Ok(Vec::new()),
        secrets: Ok(vec!["registry".into()]),
        probed: None,
    }
}

fn node(os: &str, version: &str) -> Node {
    object(
        json!({"metadata": {"name": "n"}, "status": {"images": [{"names": ["docker.io/library/sidecar:1"]}], "nodeInfo": {
        "operatingSystem": os, "kubeletVersion": version, "architecture": "", "bootID": "", "containerRuntimeVersion": "",
        "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "osImage": "", "systemUUID": ""}}}),
    )
}

fn not_right(facts: &Facts) -> Vec<Finding> {
    let all = of(facts).sections.into_iter().flat_map(|section| section.findings);
    all.filter(|finding| finding.level != Level::Right).collect()
}

#[test]
fn where_nothing_is_in_the_way_no_risk_is_told() {
    assert_eq!(not_right(&facts()), []);
}

#[test]
fn commands_that_call_the_http_port_are_told() {
    let exec = |facts: &mut Facts, command: &str| {
        let probe = json!({"exec": {"command": ["curl", command]}});
        let container = json!({"name": "confluence", "readinessProbe": probe, "ports": [{"name": "http", "containerPort": 8090}]});
        facts.workload = stateful_set(&json!({"containers": [container]}), 2);
    };
    let mut called = facts();
    exec(&mut called, "http://localhost:18090/status");
    assert_eq!(not_right(&called), [], "another port");
    exec(&mut called, "http://localhost:8090/status");
    assert_eq!(not_right(&called)[0].what, "confluence/readinessProbe asks Confluence");
}

/// What is changed, how much it counts, how its finding begins, and what is in its fix.
type Case = (fn(&mut Facts), Level, &'static str, &'static str);

#[test]
fn what_keeps_the_next_pod_from_coming_is_told() {
    let table: [Case; 6] = [
        (|f| f.policies.clear(), Level::Warning, "a policy selects it", "apply the policy first"),
        (|f| f.policies = vec![policy("False")], Level::Wrong, "a policy selects it", "correct the policy"),
        (|f| f.next = next("other"), Level::Wrong, "it gets the sidecar", "check"),
        (|f| f.next = Next::Pod(Box::default()), Level::Wrong, "it gets the sidecar", "spec.container"),
        (
            |f| {
                f.next =
                    Next::Refused(403, "denied the request: the tunnel connector (confluence.tunnel)".into());
            },
            Level::Wrong,
            "the API server takes it",
            "change what the message names",
        ),
        (
            |f| {
                f.next = Next::Refused(
                    403,
                    "pods is forbidden: User \"x\" cannot create resource \"pods\"".into(),
                );
            },
            Level::Unseen,
            "not everything could be looked at",
            "may create pods",
        ),
    ];
    each_is_told(&table);
}

#[test]
fn each_risk_is_told_with_what_removes_it() {
    let table: [Case; 12] = [
        (|f| f.workload.replicas = 1, Level::Warning, "Confluence is away", "replicaCount: 2"),
        (|f| f.workload.update = Update::OnDelete, Level::Warning, "no pod is made anew", "updateStrategy"),
        (
            |f| f.pods = vec![Pod::default()],
            Level::Warning,
            "all of its pods are ready now",
            "put them right",
        ),
        (
            |f| f.nodes = Ok(vec![node("linux", "v1.28.1"), node("windows", "v1.20.0")]),
            Level::Warning,
            "every node's kubelet",
            "nodeSelector",
        ),
        (
            |f| f.nodes.as_mut().unwrap()[0].status.as_mut().unwrap().images = None,
            Level::Warning,
            "every node has the sidecar's image",
            "sidecar.pullSecrets",
        ),
        (
            |f| f.policies = vec![policy_with("True", "RealmNotFound", "False")],
            Level::Warning,
            "the identity provider answers",
            "spec.keycloak.host",
        ),
        (
            |f| f.policies = vec![policy_with("True", "Degraded", "True")],
            Level::Warning,
            "the identity provider answers",
            "backchannelURL",
        ),
        (
            |f| drop(f.policies[0].status.as_mut().unwrap().conditions.pop()),
            Level::Warning,
            "the identity provider answers",
            "check",
        ),
        (|f| f.secrets = Ok(Vec::new()), Level::Warning, "its images can be pulled", "sidecar.pullSecrets"),
        (
            |f| {
                f.network_policies = Ok(vec![object(
                    json!({"metadata": {"name": "np"}, "spec": {"podSelector": {}, "policyTypes": ["Egress"]}}),
                )]);
            },
            Level::Warning,
            "the pods reach Keycloak",
            "spec.keycloak",
        ),
        (
            |f| {
                f.network_policies = Ok(vec![object(
                    json!({"metadata": {"name": "np"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}),
                )]);
            },
            Level::Warning,
            "the operator reaches the sidecars",
            "19090",
        ),
        (
            |f| {
                f.budgets = Ok(vec![object(
                    json!({"metadata": {"name": "b"}, "status": {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}}),
                )]);
            },
            Level::Warning,
            "its PodDisruptionBudget has room",
            "maxUnavailable",
        ),
    ];
    each_is_told(&table);
}

fn each_is_told(table: &[Case]) {
    for (change, level, what, fix) in table {
        let mut facts = facts();
        change(&mut facts);
        let found = not_right(&facts);
        assert!(
            found.len() == 1
                && found[0].level == *level
                && found[0].what.starts_with(*what)
                && found[0].fix.as_ref().unwrap().contains(*fix),
            "{what}: {found:?}"
        );
    }
}

#[test]
fn what_may_not_be_looked_at_is_told_and_stops_nothing() {
    let mut facts = facts();
    facts.nodes = Err(Failure::new("list nodes", "forbidden", "ask"));
    assert_eq!(not_right(&facts)[0].why.as_deref(), Some("list nodes: forbidden"));
    assert!(of(&facts).is_right);
}

#[test]
fn what_the_nodes_say_is_told_and_ends_the_doubt_about_the_image() {
    let probed = |outcome| {
        let mut facts = facts();
        facts.nodes.as_mut().unwrap()[0].status.as_mut().unwrap().images = None;
        facts.probed = Some(Ok(vec![Probed { node: Some("n".into()), outcome }]));
        not_right(&facts)
    };
    assert_eq!(probed(Ok(Outcome::Answers)), []);
    for (outcome, level, what, why, fix) in [
        (
            Ok(Outcome::Says("RealmNotFound: no realm".into())),
            Level::Wrong,
            "the identity provider answers from node n",
            "RealmNotFound: no realm",
            "spec.keycloak.host",
        ),
        (
            Ok(Outcome::NotPulled("ErrImagePull: 401".into())),
            Level::Wrong,
            "sidecar:1 comes to node n",
            "ErrImagePull: 401",
            "sidecar.pullSecrets",
        ),
        (Ok(Outcome::TooOld), Level::Unseen, "not everything", "cannot probe", "upgrade"),
        (Ok(Outcome::Unknown("0/1 nodes".into())), Level::Unseen, "not everything", "0/1 nodes", "describe"),
        (Err(Failure::new("probe", "forbidden", "ask")), Level::Unseen, "not everything", "forbidden", "ask"),
    ] {
        let found = probed(outcome);
        let [found] = found.as_slice() else { panic!("{what}: {found:?}") };
        assert!(found.level == level && found.what.starts_with(what), "{found:?}");
        assert!(found.why.as_ref().unwrap().contains(why), "{found:?}");
        assert!(found.fix.as_ref().unwrap().contains(fix), "{found:?}");
    }
    let mut interrupted = facts();
    interrupted.probed = Some(Err(Failure::new("probe", "it was interrupted", "again")));
    assert_eq!(not_right(&interrupted)[0].level, Level::Unseen);
}

#[test]
fn versions_of_distributions_are_read() {
    assert_eq!(minor("v1.34.4+k3s1"), Some((1, 34)));
    assert_eq!(minor("v1.33-eks-abc"), Some((1, 33)));
    assert_eq!(minor("unknown"), None);
}
