//! Audit lines in a volume of the pod (`spec.audit.volume`).

use restward_operator::{
    inject::{self, Decision},
    policy_source::Candidate,
};
use serde_json::{Value, json};

use crate::support;

fn policy() -> Candidate {
    Candidate { audit_volume: Some("audit".into()), ..support::policy() }
}

/// The pod of the chart with this volume.
fn pod(volume: Value) -> Value {
    let mut pod = support::pod("default.yaml");
    pod["spec"]["volumes"].as_array_mut().unwrap().push(volume);
    pod
}

fn decide(pod: &Value) -> Decision {
    inject::decide(pod, &policy(), &support::sidecar())
}

fn sidecar(pod: &mut Value) -> Value {
    let Decision::Inject(operations) = decide(pod) else { panic!("not injected") };
    json_patch::patch(pod, &operations).unwrap();
    assert_eq!(decide(pod), Decision::Inject(Vec::new()), "a second pass changes something");
    pod["spec"]["initContainers"][0].clone()
}

#[test]
fn the_sidecar_writes_to_the_pods_own_volume_and_nobody_else_is_given_it() {
    let mut pod = pod(json!({"name": "audit", "emptyDir": {"sizeLimit": "250Mi"}}));
    let containers = pod["spec"]["containers"].clone();
    let sidecar = sidecar(&mut pod);
    let mounts = sidecar["volumeMounts"].as_array().unwrap();
    assert_eq!(mounts.last(), Some(&json!({"name": "audit", "mountPath": "/var/log/restward"})));
    let variables = sidecar["env"].as_array().unwrap();
    let [name, file] = variables.last_chunk().unwrap();
    assert_eq!(name["name"], "RESTWARD_POD_NAME");
    assert_eq!(name["valueFrom"]["fieldRef"]["fieldPath"], "metadata.name");
    let path = "/var/log/restward/restward-audit-$(RESTWARD_POD_NAME).jsonl";
    assert_eq!(*file, json!({"name": "RESTWARD_AUDIT_FILE", "value": path}));
    for (before, after) in
        containers.as_array().unwrap().iter().zip(pod["spec"]["containers"].as_array().unwrap())
    {
        let is_audit = |mount: &&Value| mount["name"] == "audit";
        let count = |list: &Value| {
            list["volumeMounts"].as_array().map_or(0, |list| list.iter().filter(is_audit).count())
        };
        assert_eq!(count(before), count(after));
    }
}

#[test]
fn a_volume_to_which_nothing_can_be_written_is_refused() {
    for (kind, source) in [
        ("configMap", json!({"name": "x"})),
        ("secret", json!({"secretName": "x"})),
        ("projected", json!({"sources": []})),
        ("downwardAPI", json!({"items": []})),
        ("image", json!({"reference": "x"})),
    ] {
        let Decision::Refuse(refusal) = decide(&pod(json!({"name": "audit", (kind): source}))) else {
            panic!("{kind} is not refused")
        };
        assert_eq!(refusal.reason.as_str(), "audit_volume");
        assert!(refusal.message.contains(&format!("of the kind {kind}")), "{}", refusal.message);
    }
}

/// The template of a StatefulSet, whose claims are no volumes yet.
#[test]
fn a_volume_that_is_not_there_is_left_to_the_api_server() {
    sidecar(&mut support::pod("default.yaml"));
}
