use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};

use super::*;
use crate::{failure::Failure, report::Level};

const UID: &str = "u-1";

fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn labels() -> Value {
    json!({names::LABEL_POLICY: UID})
}

/// A policy of which everything is right, with some conditions laid over.
fn policy_with(over: &[(&str, &str, &str)]) -> RestApiAuthPolicy {
    let best = |kind: ConditionType| match kind {
        ConditionType::ConfigCurrent => "Current",
        ConditionType::Enforced => "Verified",
        ConditionType::IdentityProviderReachable => "Reachable",
        ConditionType::UpstreamTrusted => "Trusted",
        other => other.as_str(),
    };
    let conditions: Vec<Value> = ConditionType::ALL
        .iter()
        .map(|kind| {
            let laid = over.iter().find(|(type_, ..)| *type_ == kind.as_str());
            let (status, reason) =
                laid.map_or_else(|| ("True", best(*kind)), |(_, status, reason)| (*status, *reason));
            json!({"type": kind.as_str(), "status": status, "reason": reason, "message": "the message",
                   "lastTransitionTime": "2026-01-01T00:00:00Z"})
        })
        .collect();
    object(json!({
        "apiVersion": "restward.io/v1alpha1", "kind": "RestApiAuthPolicy",
        "metadata": {"name": "wiki", "namespace": "atlassian", "uid": UID, "generation": 2},
        "spec": {"selector": {"matchLabels": {"app": "wiki"}}, "keycloak": {"host": "h", "realm": "r"}},
        "status": {"observedGeneration": 2, "conditions": conditions,
                   "inForce": {"selector": {}, "sidecarImage": "sidecar:2", "policies": [UID]}},
    }))
}

fn replica(is_ready: bool, certificate: Result<(), String>) -> Replica {
    Replica { name: "restward-a".into(), is_ready, certificate: Some(certificate) }
}

fn operator_of(replicas: Vec<Replica>) -> Operator {
    let deployment: Deployment = object(json!({"metadata": {"name": "restward", "namespace": "restward",
        "labels": {"app.kubernetes.io/version": env!("CARGO_PKG_VERSION")}},
        "spec": {"replicas": 1, "selector": {}, "template": {}}}));
    Operator { deployment, leader: Ok(Some("restward-a".into())), replicas: Ok(replicas) }
}

/// Everything as it is to be.
fn facts() -> Facts {
    let backstop =
        BACKSTOP.iter().map(|end| object(json!({"metadata": {"name": format!("restward-restward-{end}")}})));
    Facts {
        definition: Ok(Some(object(json!({"metadata": {"name": "x"}, "spec": {
            "group": "restward.io", "scope": "Namespaced", "names": {"kind": "K", "plural": "p"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true}]}})))),
        operators: Ok(vec![operator_of(vec![replica(true, Ok(()))])]),
        backstop: Ok(backstop.collect()),
        bindings: Ok(vec![object(json!({"metadata": {"name": "b", "labels": labels()}}))]),
        webhooks: Ok(vec![webhook("Fail")]),
        policies: Ok(vec![of_policy(policy_with(&[]))]),
    }
}

fn webhook<T: serde::de::DeserializeOwned>(failure_policy: &str) -> T {
    object(json!({"metadata": {"name": "w", "labels": labels()}, "webhooks": [{"name": "inject.restward.io",
        "admissionReviewVersions": ["v1"], "clientConfig": {}, "sideEffects": "None", "failurePolicy": failure_policy}]}))
}

fn of_policy(policy: RestApiAuthPolicy) -> Policy {
    Policy { policy, pods: Ok(Vec::new()) }
}

/// What is not right: level and first line.
fn not_right(facts: &Facts) -> Vec<(Level, String)> {
    let all = of(facts).sections.into_iter().flat_map(|section| section.findings);
    all.filter(|finding| finding.level != Level::Right).map(|finding| (finding.level, finding.what)).collect()
}

#[test]
fn where_all_is_right_nothing_is_found() {
    assert_eq!(not_right(&facts()), []);
    assert!(of(&facts()).is_right);
}

/// Each: what is changed, how much it counts, and how its finding begins.
#[test]
fn each_thing_that_is_not_right_is_found() {
    type Change = fn(&mut Facts);
    let table: [(Change, Level, &str); 17] = [
        (|f| f.definition = Ok(None), Level::Wrong, "RestApiAuthPolicy is defined"),
        (|f| f.operators = Ok(Vec::new()), Level::Wrong, "the operator is installed"),
        (
            |f| f.operators = Ok(vec![operator_of(vec![replica(true, Err("expired".into()))])]),
            Level::Wrong,
            "the API server trusts the certificate of restward-a",
        ),
        (
            |f| f.operators.as_mut().unwrap()[0].leader = Ok(None),
            Level::Wrong,
            "one replica of restward/restward leads",
        ),
        (
            |f| f.operators.as_mut().unwrap()[0].leader = Ok(Some("gone".into())),
            Level::Wrong,
            "one replica of restward/restward leads",
        ),
        (
            |f| drop(f.backstop.as_mut().unwrap().remove(0)),
            Level::Wrong,
            "the API server itself refuses: require-sidecar",
        ),
        (|f| f.bindings = Ok(Vec::new()), Level::Wrong, "its binding to the backstop"),
        (|f| f.webhooks = Ok(Vec::new()), Level::Wrong, "its webhook configuration"),
        (|f| f.webhooks = Ok(vec![webhook("Ignore")]), Level::Wrong, "its webhook configuration"),
        (|f| f.policies = Ok(Vec::new()), Level::Warning, "no policy exists"),
        (
            |f| f.policies = Err(Failure::new("list policies", "forbidden", "ask")),
            Level::Unseen,
            "not everything",
        ),
        (
            |f| {
                f.policies.as_mut().unwrap()[0].policy =
                    policy_with(&[("UpstreamTrusted", "False", "LinkMissing")]);
            },
            Level::Wrong,
            "UpstreamTrusted: LinkMissing",
        ),
        (
            |f| f.policies.as_mut().unwrap()[0].policy = policy_with(&[("Injected", "True", "Outdated")]),
            Level::Warning,
            "Injected: Outdated",
        ),
        (
            |f| f.policies.as_mut().unwrap()[0].policy = policy_with(&[("Enforced", "Unknown", "Pending")]),
            Level::Warning,
            "Enforced: Pending",
        ),
        (
            |f| f.policies.as_mut().unwrap()[0].policy.metadata.generation = Some(3),
            Level::Wrong,
            "the operator has looked at the newest change",
        ),
        (
            |f| {
                f.policies.as_mut().unwrap()[0].policy.status.as_mut().unwrap().advisories =
                    vec!["PlainHttp: x".into()];
            },
            Level::Warning,
            "PlainHttp",
        ),
        (
            |f| {
                f.policies.as_mut().unwrap()[0].pods =
                    Ok(vec![object(json!({"metadata": {"name": "wiki-0"}}))]);
            },
            Level::Warning,
            "pod wiki-0 is ready",
        ),
    ];
    for (change, level, what) in table {
        let mut facts = facts();
        change(&mut facts);
        let found = not_right(&facts);
        assert!(found.len() == 1 && found[0].0 == level && found[0].1.starts_with(what), "{what}: {found:?}");
    }
}

#[test]
fn an_operator_that_is_away_is_an_error_and_a_missing_replica_a_warning() {
    let with = |ready: usize| {
        let mut facts = facts();
        let operator = &mut facts.operators.as_mut().unwrap()[0];
        operator.deployment.spec.as_mut().unwrap().replicas = Some(2);
        operator.replicas = Ok((0..ready).map(|_| replica(true, Ok(()))).collect());
        not_right(&facts)
    };
    assert_eq!(with(2), []);
    assert_eq!(with(1), [(Level::Warning, "restward/restward serves: 1 of 2 replicas are ready".into())]);
    assert_eq!(with(0)[0], (Level::Wrong, "restward/restward serves: 0 of 2 replicas are ready".into()));
}

#[test]
fn a_pod_with_another_sidecar_than_new_ones_get_is_told() {
    let with = |image: &str| {
        let mut facts = facts();
        let sidecar = json!([{"name": names::SIDECAR_CONTAINER, "image": image}]);
        let pod = json!({"metadata": {"name": "wiki-0"}, "spec": {"containers": [], "initContainers": sidecar},
                         "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        facts.policies.as_mut().unwrap()[0].pods = Ok(vec![object(pod)]);
        not_right(&facts)
    };
    assert_eq!(with("sidecar:2"), []);
    assert_eq!(with("sidecar:1"), [(Level::Warning, "pod wiki-0 runs the newest sidecar".into())]);
}

#[test]
fn a_policy_that_goes_needs_no_webhook() {
    let mut facts = facts();
    (facts.webhooks, facts.bindings) = (Ok(Vec::new()), Ok(Vec::new()));
    let now = object(json!("2026-01-01T00:00:00Z"));
    facts.policies.as_mut().unwrap()[0].policy.metadata.deletion_timestamp = Some(now);
    assert_eq!(not_right(&facts), []);
}
