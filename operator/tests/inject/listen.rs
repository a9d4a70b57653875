//! Where Tomcat is told to listen.

use restward_crds::{
    api::v1alpha1::{Interception, LoopbackBind},
    names,
};
use restward_operator::{
    inject::{self, Decision, RefusalReason},
    policy_source::Candidate,
};
use serde_json::{Value, json};

use crate::support::{pod, policy, settings, sidecar};

const VARIABLE: &str = "ATL_TOMCAT_PORT";
const EVERYWHERE: &str = "18090";
const LOOPBACK: &str = r#"18090" address="127.0.0.1"#;

const SOCKET: &str = concat!(
    r#"18090" address="127.0.0.1" unixDomainSocketPath="/run/restward/tomcat/tomcat.sock" "#,
    r#"unixDomainSocketPathPermissions="rw-rw----"#
);

fn injected_by(policy: &Candidate, mut pod: Value) -> Value {
    match inject::decide(&pod, policy, &sidecar()) {
        Decision::Inject(operations) => json_patch::patch(&mut pod, &operations).unwrap(),
        other => panic!("not injected: {other:?}"),
    }
    assert_eq!(inject::decide(&pod, policy, &sidecar()), Decision::Inject(Vec::new()));
    pod
}

fn variable(pod: &Value) -> &str {
    let named = |place: &str, name: &str| {
        let list = pod.pointer(place).and_then(Value::as_array).unwrap();
        list.iter().position(|element| element["name"] == name).unwrap()
    };
    let container = named("/spec/containers", "confluence");
    let variable = named(&format!("/spec/containers/{container}/env"), VARIABLE);
    pod["spec"]["containers"][container]["env"][variable]["value"].as_str().unwrap()
}

fn bind(loopback_bind: LoopbackBind) -> Candidate {
    Candidate { loopback_bind, ..policy() }
}

fn socket() -> Candidate {
    Candidate { interception: Interception::UnixSocket, ..policy() }
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

/// With the group that the chart sets.
fn grouped(name: &str) -> Value {
    let mut pod = pod(name);
    pod["spec"]["securityContext"]["fsGroup"] = json!(2002);
    pod
}

/// Names of the containers that mount the socket's volume.
fn with_socket(pod: &Value) -> Vec<&str> {
    let lists = ["initContainers", "containers"].map(|list| pod["spec"][list].as_array());
    let containers = lists.into_iter().flatten().flatten();
    let mount = json!({"name": names::SOCKET_VOLUME, "mountPath": "/run/restward"});
    let has_it =
        |container: &&Value| container["volumeMounts"].as_array().is_some_and(|all| all.contains(&mount));
    containers.filter(has_it).map(|container| container["name"].as_str().unwrap()).collect()
}

#[test]
fn tomcat_goes_to_a_unix_socket_that_only_the_sidecar_can_use_too() {
    let reads = with_command("livenessProbe", "nc -z localhost $ATL_TOMCAT_PORT");
    for (what, pod, want) in [
        ("by the image", grouped("default.yaml"), SOCKET),
        ("by the image, whatever commands read", reads, SOCKET),
        ("by the chart", grouped("chart-server-xml.yaml"), EVERYWHERE),
        ("with others in the pod", grouped("additional-containers.yaml"), SOCKET),
    ] {
        let injected = injected_by(&socket(), pod);
        assert_eq!(variable(&injected), want, "{what}");
        assert_eq!(
            settings(&injected).upstream_socket.as_deref(),
            Some("/run/restward/tomcat/tomcat.sock"),
            "{what}"
        );
        assert_eq!(with_socket(&injected), [names::SIDECAR_CONTAINER, "confluence"], "{what}");
        let volume =
            json!({"name": names::SOCKET_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "64Ki"}});
        assert!(injected["spec"]["volumes"].as_array().unwrap().contains(&volume), "{what}");
    }
    let plain = injected_by(&policy(), pod("default.yaml"));
    assert!(with_socket(&plain).is_empty() && !plain.to_string().contains(names::SOCKET_VOLUME));
}

#[test]
fn a_socket_needs_a_shared_group_and_a_connector_that_knows_sockets() {
    let without_group = |mut pod: Value| {
        pod["spec"]["securityContext"].as_object_mut().unwrap().remove("fsGroup");
        pod
    };
    let protocol = |mut pod: Value, class: &str| {
        let variable = json!({"name": "ATL_TOMCAT_PROTOCOL", "value": class});
        pod["spec"]["containers"][0]["env"].as_array_mut().unwrap().push(variable);
        pod
    };
    let (nio, nio2) =
        ("org.apache.coyote.http11.Http11NioProtocol", "org.apache.coyote.http11.Http11Nio2Protocol");
    let (image, chart) = (|| grouped("default.yaml"), || grouped("chart-server-xml.yaml"));
    for (pod, why) in [
        (without_group(image()), Some("set securityContext.fsGroup")),
        (without_group(chart()), Some("set securityContext.fsGroup")),
        (protocol(image(), nio), None),
        (protocol(image(), "HTTP/1.1"), None),
        (protocol(image(), nio2), Some("ATL_TOMCAT_PROTOCOL of container \"confluence\"")),
        // Variables change nothing there.
        (protocol(chart(), nio2), None),
    ] {
        match (inject::decide(&pod, &socket(), &sidecar()), why) {
            (Decision::Inject(_), None) => {}
            (Decision::Refuse(refusal), Some(part)) => {
                assert_eq!(refusal.reason, RefusalReason::UnixSocket);
                assert!(refusal.message.contains(part), "{refusal}");
            }
            (decision, why) => panic!("{why:?}: {decision:?}"),
        }
        assert!(matches!(inject::decide(&pod, &policy(), &sidecar()), Decision::Inject(_)));
    }
}

#[test]
fn nobody_else_mounts_the_socket() {
    for injected in [pod("default.yaml"), injected_by(&socket(), pod("default.yaml"))] {
        let mut pod = injected;
        let mounts = json!([{"name": names::SOCKET_VOLUME, "mountPath": "/run/restward"}]);
        let thief = json!({"name": "thief", "image": "a", "volumeMounts": mounts});
        pod["spec"]["containers"].as_array_mut().unwrap().push(thief);
        let decision = inject::decide(&pod, &socket(), &sidecar());
        let Decision::Refuse(refusal) = decision else { panic!("{decision:?}") };
        assert_eq!(refusal.reason, RefusalReason::ReservedName);
    }
}

#[test]
fn commands_that_look_for_tomcats_port_are_told_of_the_socket() {
    for command in ["nc -z localhost 18090", "nc -z localhost $ATL_TOMCAT_PORT", "nc -z localhost 8090"] {
        let said = inject::advisories(&with_command("livenessProbe", command), &socket());
        assert!(said[0].starts_with("ExecProbe: ") && said[0].contains(names::SOCKET), "{said:?}");
    }
    assert!(inject::advisories(&with_command("livenessProbe", "true"), &socket()).is_empty());
}

#[test]
fn a_pod_of_before_a_change_of_the_policy_is_told_of() {
    let (on, off) = (bind(LoopbackBind::Auto), bind(LoopbackBind::Off));
    for made_by in [&on, &off, &socket()] {
        let injected = injected_by(made_by, grouped("default.yaml"));
        for policy in [&on, &off, &socket()] {
            let said = inject::advisories(&injected, policy);
            let is_told = said.iter().any(|text| text.starts_with("InterceptionChanged: "));
            assert_eq!(is_told, policy != made_by, "{said:?}");
        }
    }
    assert!(inject::advisories(&pod("default.yaml"), &socket()).is_empty(), "not made yet");
}

#[test]
fn the_policy_of_the_last_pass_counts() {
    let (on, off) = (bind(LoopbackBind::Auto), bind(LoopbackBind::Off));
    let first = injected_by(&on, pod("default.yaml"));
    let second = injected_by(&off, first.clone());
    assert_eq!(variable(&second), EVERYWHERE);
    assert_eq!(injected_by(&on, second), first);
    let socket = injected_by(&socket(), first);
    assert_eq!((variable(&socket), variable(&injected_by(&on, socket.clone()))), (SOCKET, LOOPBACK));
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
