use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    apps::v1::Deployment,
};
use kube::CustomResourceExt as _;
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, condition::ConditionType, names};
use serde_json::{Value, json};

use super::{super::facts::Policy, backstop::POLICIES, *};
use crate::{failure::Failure, report::Level};

const UID: &str = "u-1";
/// What stands before the ends of the names of the chart's policies.
const RELEASE: &str = "restward-restward";

fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
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
        "spec": {"replicas": 1, "selector": {}, "template": {"spec": {"containers": [{"name": "operator", "args": [
            "run", format!("--backstop={RELEASE}-require-sidecar"), format!("--break-glass-webhook={RELEASE}-break-glass")]}]}}}}));
    Operator { deployment, leader: Ok(Some("restward-a".into())), replicas: Ok(replicas) }
}

/// Everything as it is to be.
fn facts() -> Facts {
    let bindings = POLICIES.iter().flat_map(|(end, bindings)| {
        bindings.iter().map(move |behind| binding(&format!("{end}{behind}"), end, &["Deny", "Audit"]))
    });
    Facts {
        definition: Ok(Some(RestApiAuthPolicy::crd())),
        operators: Ok(vec![operator_of(vec![replica(true, Ok(()))])]),
        backstop: Ok(POLICIES.iter().map(|(end, _)| admission_policy(end, "Fail")).collect()),
        bindings: Ok(bindings.chain([of_the_policy(&["Deny"])]).collect()),
        webhooks: Ok(vec![webhook("Fail")]),
        witnesses: Ok(vec![object(
            json!({"metadata": {"name": format!("{RELEASE}-break-glass")}, "webhooks": [
            {"name": "keys.break-glass.restward.io", "admissionReviewVersions": ["v1"], "sideEffects": "NoneOnDryRun",
             "clientConfig": {"caBundle": "eA==", "service": {"name": "s", "namespace": "n", "path": "/x"}}}]}),
        )]),
        policies: Ok(vec![of_policy(policy_with(&[]))]),
    }
}

fn admission_policy(end: &str, failure_policy: &str) -> ValidatingAdmissionPolicy {
    object(
        json!({"metadata": {"name": format!("{RELEASE}-{end}")}, "spec": {"failurePolicy": failure_policy}}),
    )
}

/// A binding of one of the chart's policies.
fn binding(name: &str, policy: &str, actions: &[&str]) -> ValidatingAdmissionPolicyBinding {
    object(json!({"metadata": {"name": format!("{RELEASE}-{name}")},
                  "spec": {"policyName": format!("{RELEASE}-{policy}"), "validationActions": actions}}))
}

/// The binding that the operator makes.
fn of_the_policy(actions: &[&str]) -> ValidatingAdmissionPolicyBinding {
    let mut binding = binding("b", "require-sidecar", actions);
    binding.metadata.labels = Some([(names::LABEL_POLICY.to_owned(), UID.to_owned())].into());
    binding
}

/// Puts a binding in place of that of its name.
fn put(facts: &mut Facts, binding: ValidatingAdmissionPolicyBinding) {
    let bindings = facts.bindings.as_mut().unwrap();
    bindings.retain(|it| it.metadata.name != binding.metadata.name);
    bindings.push(binding);
}

/// Serves an older definition, without a field.
fn drop_field(facts: &mut Facts, path: &[&str]) {
    let definition = facts.definition.as_mut().unwrap().as_mut().unwrap();
    let schema = definition.spec.versions[0].schema.as_mut().unwrap().open_api_v3_schema.as_mut().unwrap();
    let (field, above) = path.split_last().unwrap();
    let mut at = schema;
    for name in above {
        at = at.properties.as_mut().unwrap().get_mut(*name).unwrap();
    }
    at.properties.as_mut().unwrap().remove(*field).unwrap();
}

fn take(facts: &mut Facts, name: &str) {
    facts.bindings.as_mut().unwrap().retain(|it| it.name_any() != format!("{RELEASE}-{name}"));
}

fn webhook<T: serde::de::DeserializeOwned>(failure_policy: &str) -> T {
    object(
        json!({"metadata": {"name": "w", "labels": {names::LABEL_POLICY: UID}}, "webhooks": [{"name": "inject.restward.io",
        "admissionReviewVersions": ["v1"], "clientConfig": {}, "sideEffects": "None", "failurePolicy": failure_policy}]}),
    )
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

/// What is changed, how much it counts, and how its finding begins.
type Case = (fn(&mut Facts), Level, &'static str);

#[test]
fn each_thing_that_is_not_right_is_found() {
    let table: [Case; 15] = [
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
    each_is_found(&table);
}

#[test]
fn each_hole_in_the_backstop_is_found() {
    let table: [Case; 15] = [
        (
            |f| drop(f.backstop.as_mut().unwrap().remove(0)),
            Level::Wrong,
            "the API server itself refuses: require-sidecar",
        ),
        (
            |f| drop(f.backstop.as_mut().unwrap().remove(5)),
            Level::Wrong,
            "the API server itself refuses: operator-guardrails",
        ),
        (
            |f| drop(f.backstop.as_mut().unwrap().remove(6)),
            Level::Wrong,
            "the API server itself refuses: ephemeral-containers",
        ),
        (
            |f| f.backstop.as_mut().unwrap()[2] = admission_policy("keys", "Ignore"),
            Level::Wrong,
            "the API server itself refuses: keys",
        ),
        (|f| take(f, "injected-pods"), Level::Wrong, "the API server itself refuses: injected-pods"),
        (
            |f| take(f, "ephemeral-containers"),
            Level::Wrong,
            "the API server itself refuses: ephemeral-containers",
        ),
        (
            |f| take(f, "managed-objects-by-name"),
            Level::Wrong,
            "the API server itself refuses: managed-objects",
        ),
        (
            |f| put(f, binding("sidecar-image", "sidecar-image", &["Warn", "Audit"])),
            Level::Wrong,
            "the API server itself refuses: sidecar-image",
        ),
        (
            |f| put(f, binding("keys", "sidecar-image", &["Deny"])),
            Level::Wrong,
            "the API server itself refuses: keys",
        ),
        (|f| take(f, "b"), Level::Wrong, "its binding to the backstop"),
        (|f| put(f, of_the_policy(&["Audit"])), Level::Wrong, "its binding to the backstop"),
        (|f| f.witnesses = Ok(Vec::new()), Level::Wrong, "each use of break-glass is told"),
        (
            |f| f.witnesses.as_mut().unwrap()[0].webhooks.as_mut().unwrap()[0].client_config.ca_bundle = None,
            Level::Wrong,
            "each use of break-glass is told",
        ),
        (
            |f| drop_field(f, &["spec", "keycloak", "backchannelURL"]),
            Level::Wrong,
            "its definition has every field",
        ),
        (
            |f| drop_field(f, &["status", "inForce", "container"]),
            Level::Wrong,
            "its definition has every field",
        ),
    ];
    each_is_found(&table);
}

fn each_is_found(table: &[Case]) {
    for (change, level, what) in table {
        let mut facts = facts();
        change(&mut facts);
        let found = not_right(&facts);
        assert!(
            found.len() == 1 && found[0].0 == *level && found[0].1.starts_with(what),
            "{what}: {found:?}"
        );
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
    facts.webhooks = Ok(Vec::new());
    take(&mut facts, "b");
    let now = object(json!("2026-01-01T00:00:00Z"));
    facts.policies.as_mut().unwrap()[0].policy.metadata.deletion_timestamp = Some(now);
    assert_eq!(not_right(&facts), []);
}

/// The backstop of a release that is not there at all, and one of which only the operator tells.
#[test]
fn without_the_charts_policies_all_of_them_are_missed() {
    let missed = |mut facts: Facts, what: &str| {
        (facts.backstop, facts.bindings) = (Ok(Vec::new()), Ok(vec![of_the_policy(&["Deny"])]));
        let missed = not_right(&facts)
            .into_iter()
            .filter(|(_, it)| it.starts_with("the API server itself refuses: ") && it.ends_with(what));
        missed.count()
    };
    assert_eq!(missed(facts(), &format!(" ({RELEASE})")), 6, "all but the optional one");
    assert_eq!(missed(Facts { operators: Ok(Vec::new()), ..facts() }, ""), 6);
}

#[test]
fn ephemeral_containers_and_break_glass_are_looked_at_where_the_chart_has_them() {
    let mut facts = facts();
    facts.backstop.as_mut().unwrap().pop();
    take(&mut facts, "ephemeral-containers");
    facts.witnesses = Ok(Vec::new());
    let deployment = &mut facts.operators.as_mut().unwrap()[0].deployment;
    let container = &mut deployment.spec.as_mut().unwrap().template.spec.as_mut().unwrap().containers[0];
    container.args.as_mut().unwrap().pop();
    assert_eq!(not_right(&facts), []);
}

#[test]
fn bindings_that_may_not_be_listed_are_no_bindings_that_are_there() {
    let mut facts = facts();
    facts.bindings = Err(Failure::new("list bindings", "forbidden", "ask"));
    let refused: Vec<String> = of(&facts).sections.remove(1).findings.into_iter().map(|it| it.what).collect();
    assert_eq!(
        refused,
        [
            "not everything could be looked at",
            &format!("each use of break-glass is told ({RELEASE}-break-glass)")
        ]
    );
}

#[test]
fn a_definition_without_what_only_this_program_knows_is_no_error() {
    let mut facts = facts();
    drop_field(&mut facts, &["spec", "keycloak", "backchannelURL"]);
    let wrong =
        of(&facts).sections.remove(0).findings.into_iter().find(|it| it.level == Level::Wrong).unwrap();
    assert_eq!(wrong.why.unwrap(), "the API server does not keep spec.keycloak.backchannelURL");
    let labels = facts.operators.as_mut().unwrap()[0].deployment.metadata.labels.as_mut().unwrap();
    labels.insert("app.kubernetes.io/version".into(), "0.0.0".into());
    let what: Vec<String> = not_right(&facts)
        .into_iter()
        .map(|(level, what)| {
            assert_eq!(level, Level::Warning);
            what
        })
        .collect();
    assert!(what.len() == 2 && what[0].starts_with("its definition has every field"), "{what:?}");
}

/// What `check` looks for is what the chart makes.
#[test]
fn the_backstop_is_that_of_the_chart() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/restward/golden/everything.yaml");
    let text = std::fs::read_to_string(golden).unwrap();
    let objects: Vec<Value> =
        text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect();
    let of_kind = |kind: &str| -> Vec<&Value> { objects.iter().filter(|it| it["kind"] == kind).collect() };
    // What only warns is no backstop.
    let made = of_kind("ValidatingAdmissionPolicyBinding")
        .into_iter()
        .filter(|it| it["spec"]["validationActions"] != json!(["Warn"]))
        .map(|it| (it["metadata"]["name"].clone(), it["spec"]["policyName"].clone()));
    let release = "restward-system-restward";
    let wanted = POLICIES.iter().flat_map(|(end, bindings)| {
        bindings
            .iter()
            .map(move |behind| (json!(format!("{release}-{end}{behind}")), json!(format!("{release}-{end}"))))
    });
    let sorted = |names: &mut dyn Iterator<Item = (Value, Value)>| {
        let mut names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
        names.sort();
        names
    };
    assert_eq!(sorted(&mut wanted.into_iter()), sorted(&mut made.into_iter()));
    let policies = of_kind("ValidatingAdmissionPolicy").into_iter().map(|it| it["metadata"]["name"].clone());
    let names = policies.filter(|name| *name != format!("{release}-advisories"));
    let known = POLICIES.iter().map(|(end, _)| json!(format!("{release}-{end}")));
    assert_eq!(
        sorted(&mut names.map(|name| (name, Value::Null))),
        sorted(&mut known.map(|name| (name, Value::Null)))
    );
    let deployment =
        of_kind("Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
    for argument in [
        format!("--backstop={release}-require-sidecar"),
        format!("--break-glass-webhook={release}-break-glass"),
    ] {
        assert!(deployment.contains(&argument), "{argument}");
    }
}

#[test]
fn each_advisory_has_its_own_fix() {
    let fix = |told: &str| {
        let mut facts = facts();
        facts.policies.as_mut().unwrap()[0].policy.status.as_mut().unwrap().advisories = vec![told.into()];
        let findings = of(&facts).sections.pop().unwrap().findings;
        findings.into_iter().find(|it| it.level == Level::Warning).unwrap().fix.unwrap()
    };
    assert!(fix("NoEndpoint: it names none").contains("spec.tokens.validation"));
    assert!(fix("UnknownListener: 9999").contains("spec.allowedListeners"));
    assert!(fix("Unheard: of").contains("does not know it"));
}
