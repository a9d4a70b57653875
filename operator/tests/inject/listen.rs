//! Where Tomcat is told to listen.

use restward_crds::api::v1alpha1::LoopbackBind;
use restward_operator::{
    inject::{self, Decision, RefusalReason},
    policy_source::Candidate,
};
use serde_json::{Value, json};

use crate::support::{pod, policy, settings, sidecar};

const VARIABLE: &str = "ATL_TOMCAT_PORT";
const EVERYWHERE: &str = "18090";
const LOOPBACK: &str = r#"18090" address="127.0.0.1"#;

fn injected_by(policy: &Candidate, mut pod: Value) -> Value {
    match inject::decide(&pod, policy, &sidecar()) {
        Decision::Inject(operations) => json_patch::patch(&mut pod, &operations).unwrap(),
        other => panic!("not injected: {other:?}"),
    }
    assert_eq!(inject::decide(&pod, policy, &sidecar()), Decision::Inject(Vec::new()));
    pod
}

fn variable(pod: &Value) -> &str {
    let variables = pod["spec"]["containers"][0]["env"].as_array().unwrap();
    let found = variables.iter().find(|variable| variable["name"] == VARIABLE).unwrap();
    found["value"].as_str().unwrap()
}

fn bind(loopback_bind: LoopbackBind) -> Candidate {
    Candidate { loopback_bind, ..policy() }
}

/// `default.yaml` with a command as a probe or hook.
fn with_command(place: &str, command: &str) -> Value {
    let mut pod = pod("default.yaml");
    let handler = json!({"exec": {"command": ["sh", "-c", command]}});
    match place.split_once('/') {
        Some((parent, member)) => pod["spec"]["containers"][0][parent] = json!({member: handler}),
        None => pod["spec"]["containers"][0][place] = handler,
    }
    pod
}

#[test]
fn tomcat_goes_to_loopback_unless_the_policy_or_a_command_wants_a_number() {
    let reads = "curl -sf http://localhost:${ATL_TOMCAT_PORT}/status";
    let (on, off) = (LoopbackBind::Auto, LoopbackBind::Off);
    let rows = [
        ("by default", on, pod("default.yaml"), LOOPBACK, true),
        ("not wanted", off, pod("default.yaml"), EVERYWHERE, false),
        ("a probe reads the port", on, with_command("livenessProbe", reads), EVERYWHERE, false),
        ("a hook reads the port", on, with_command("lifecycle/postStart", reads), EVERYWHERE, false),
        ("another command", on, with_command("lifecycle/preStop", "/shutdown-wait.sh"), LOOPBACK, true),
        // There the operator writes the address into the file.
        ("the chart's file", on, pod("chart-server-xml.yaml"), EVERYWHERE, true),
        ("the chart's file all the same", off, pod("chart-server-xml.yaml"), EVERYWHERE, true),
    ];
    for (what, bind_to, pod, want, is_told) in rows {
        let injected = injected_by(&bind(bind_to), pod);
        assert_eq!(variable(&injected), want, "{what}");
        assert_eq!(settings(&injected).loopback_bind, is_told, "{what}");
    }
}

#[test]
fn the_policy_of_the_last_pass_counts() {
    let (on, off) = (bind(LoopbackBind::Auto), bind(LoopbackBind::Off));
    let first = injected_by(&on, pod("default.yaml"));
    let second = injected_by(&off, first.clone());
    assert_eq!(variable(&second), EVERYWHERE);
    assert_eq!(injected_by(&on, second), first);
}

#[test]
fn only_what_injection_sets_passes_as_moved() {
    let injected = injected_by(&policy(), pod("default.yaml"));
    for value in [
        r#"18090" address="0.0.0.0"#,
        r#"18090" address="127.0.0.1" "#,
        r#"18090" address="127.0.0.1"/><Connector port="8099"#,
        r#"8090" address="127.0.0.1"#,
    ] {
        let mut changed = injected.clone();
        changed["spec"]["containers"][0]["env"][2] = json!({"name": VARIABLE, "value": value});
        let decision = inject::decide(&changed, &policy(), &sidecar());
        let Decision::Refuse(refusal) = decision else { panic!("{value}: {decision:?}") };
        assert_eq!(refusal.reason, RefusalReason::TomcatPort, "{value}");
    }
}
