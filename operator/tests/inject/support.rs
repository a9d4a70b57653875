//! A policy, a sidecar, and pods from files.

use std::{fs, path::PathBuf};

use clap::Parser as _;
use restward_crds::{names, sidecar::PodSettings};
use restward_operator::{
    args::{Cli, Command, Sidecar},
    inject::{self, Decision},
    policy_source::Candidate,
};
use serde_json::{Value, json};

/// A file among the test data.
pub(crate) fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/inject/testdata").join(name)
}

/// A pod among the test data.
pub(crate) fn pod(name: &str) -> Value {
    let text = fs::read_to_string(data(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The policy `wiki` of namespace `atlassian`.
pub(crate) fn policy() -> Candidate {
    serde_json::from_value(json!({
        "namespace": "atlassian",
        "name": "wiki",
        "uid": "5f2f6d2e-0001-4000-8000-000000000000",
        "created": "2026-01-01T00:00:00Z",
        "selector": {"matchLabels": {"app.kubernetes.io/name": "confluence"}},
        "serverXml": [
            {"configMap": "wiki-confluence-server-config", "outcome": {"derived": {
                "file": "server-00000000000000aa.xml", "port": 8090, "scheme": "https",
                "proxyName": "wiki.example.com", "proxyPort": 443, "contextPath": "/wiki"
            }}},
            {"configMap": "other-port", "outcome": {"derived": {"file": "server-00000000000000bb.xml", "port": 8091}}},
            {"configMap": "odd", "outcome": {"refused": "has a DOCTYPE, by which it could take in other files; remove it"}}
        ]
    }))
    .unwrap()
}

/// The sidecar with the command line's defaults.
pub(crate) fn sidecar() -> Sidecar {
    let arguments = [
        "restward-operator",
        "run",
        "--namespace=restward-system",
        "--pod-name=restward-0",
        "--sidecar-image=registry.example.com/restward-sidecar:0.1.0",
        "--sidecar-pull-secret=restward-registry",
    ];
    let Command::Run(run) = Cli::try_parse_from(arguments).unwrap().command else { panic!("not run") };
    run.sidecar
}

/// The pod as injection leaves it; panics when it is not injected.
pub(crate) fn injected(pod: &Value) -> Value {
    match inject::decide(pod, &policy(), &sidecar()) {
        Decision::Inject(operations) => {
            let mut pod = pod.clone();
            json_patch::patch(&mut pod, &operations).expect("the patch applies");
            pod
        }
        other => panic!("not injected: {other:?}"),
    }
}

/// The settings that a pod's sidecar is given.
pub(crate) fn settings(pod: &Value) -> PodSettings {
    let named = |list: &Value, name: &str| {
        list.as_array().unwrap().iter().find(|element| element["name"] == name).unwrap().clone()
    };
    let sidecar = named(&pod["spec"]["initContainers"], names::SIDECAR_CONTAINER);
    let value = named(&sidecar["env"], names::ENV_POD);
    // As the kubelet does.
    PodSettings::from_json(&value["value"].as_str().unwrap().replace("$$", "$")).unwrap()
}

/// Requires that a second pass changes nothing; nor when the pod comes back as the API server gives it.
pub(crate) fn assert_stable(pod: &Value) {
    assert_eq!(inject::decide(pod, &policy(), &sidecar()), Decision::Inject(Vec::new()));
    assert_eq!(inject::decide(&stored(pod), &policy(), &sidecar()), Decision::Inject(Vec::new()));
}

/// Without empty values of variables, which the API server leaves out.
fn stored(pod: &Value) -> Value {
    let mut pod = pod.clone();
    for list in ["initContainers", "containers"] {
        let containers = pod["spec"][list].as_array_mut();
        let variables = containers.into_iter().flatten().filter_map(|it| it["env"].as_array_mut());
        for variable in variables.flatten().filter_map(Value::as_object_mut) {
            variable.retain(|member, value| member != "value" || value != "");
        }
    }
    pod
}
