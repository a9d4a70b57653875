//! What cannot be protected: a flat list of checks, each with the reason why and the sentence that says what to change.
//!
//! All look at the pod as it came, so that a pod that an earlier pass injected is judged like a new one.

use restward_crds::names;
use serde_json::Value;

use super::{
    listen, origin,
    refusal::{Refusal, RefusalReason},
    rendered,
    target::{TOMCAT_PORT, Target},
    tomcat, view,
};

/// User and group of the sidecar.
pub(super) const SIDECAR_UID: i64 = 65532;
/// What every name that injection adds to a pod starts with.
const RESERVED: &str = "restward-";

type Check = fn(&Value, &Target) -> Option<Refusal>;

/// In this order; the first that objects decides.
const CHECKS: &[Check] = &[
    host_network,
    windows,
    shared_processes,
    reserved_container,
    reserved_volume,
    foreign_mount,
    dotted_mount,
    http_port_taken,
    own_port_taken,
    rendered::hidden_variables,
    tomcat_port,
    tunnel_connector,
    rendered::variables,
    rendered::other_tomcat,
    rendered::other_command,
    same_user,
];

/// Runs all checks.
pub(super) fn all(pod: &Value, target: &Target) -> Result<(), Refusal> {
    CHECKS.iter().find_map(|check| check(pod, target)).map_or(Ok(()), Err)
}

/// On the node's network every process of the node is a neighbour on loopback.
fn host_network(pod: &Value, _: &Target) -> Option<Refusal> {
    if pod.pointer("/spec/hostNetwork") != Some(&Value::Bool(true)) {
        return None;
    }
    Some(Refusal::new(
        RefusalReason::HostNetwork,
        "the pod uses the node's network (hostNetwork: true), where every process of the node reaches Tomcat on \
         loopback around the sidecar; remove hostNetwork from the pod template",
    ))
}

fn windows(pod: &Value, _: &Target) -> Option<Refusal> {
    let is_windows = |place: &str| view::text(pod, place) == "windows";
    if !is_windows("/spec/os/name") && !is_windows("/spec/nodeSelector/kubernetes.io~1os") {
        return None;
    }
    Some(Refusal::new(
        RefusalReason::Windows,
        "the pod is for Windows nodes, for which there is no sidecar; run Confluence on Linux nodes (nodeSelector \
         kubernetes.io/os: linux)",
    ))
}

/// Over `/proc/<pid>/root` root in one container reads the files of the others, the sidecar's keys among them.
fn shared_processes(pod: &Value, _: &Target) -> Option<Refusal> {
    if pod.pointer("/spec/shareProcessNamespace") != Some(&Value::Bool(true)) {
        return None;
    }
    Some(Refusal::new(
        RefusalReason::SharedProcesses,
        "the pod's containers share one process namespace (shareProcessNamespace: true), so that the others could \
         read the sidecar's keys; remove shareProcessNamespace from the pod template",
    ))
}

fn reserved_container(pod: &Value, _: &Target) -> Option<Refusal> {
    let [init, _] = view::CONTAINER_LISTS;
    let own = view::list(pod, init).iter().filter(|c| view::name(c) == names::SIDECAR_CONTAINER).count();
    let taken = match view::others(pod).find(|(_, container)| view::name(container).starts_with(RESERVED)) {
        Some((_, container)) => view::name(container),
        None if own > 1 => names::SIDECAR_CONTAINER,
        None => return None,
    };
    Some(Refusal::new(
        RefusalReason::ReservedName,
        format!(
            "the pod has a container {taken:?}; names that start with {RESERVED} are Restward's: rename it"
        ),
    ))
}

/// A volume of our name in a pod that has no sidecar yet is somebody else's.
fn reserved_volume(pod: &Value, _: &Target) -> Option<Refusal> {
    let ours = [
        names::CONFIG_VOLUME,
        names::VALVE_VOLUME,
        names::SERVER_XML_VOLUME,
        names::NO_TOKEN_VOLUME,
        names::STATE_VOLUME,
        names::SOCKET_VOLUME,
    ];
    let injected = view::own_sidecar(pod).is_some();
    let taken = view::list(pod, "/spec/volumes")
        .iter()
        .map(view::name)
        .find(|name| name.starts_with(RESERVED) && !(injected && ours.contains(name)))?;
    Some(Refusal::new(
        RefusalReason::ReservedName,
        format!("the pod has a volume {taken:?}; names that start with {RESERVED} are Restward's: rename it"),
    ))
}

/// A container that mounts our volume before it exists would be given the keys by injection.
fn foreign_mount(pod: &Value, target: &Target) -> Option<Refusal> {
    let ours = [tomcat::valve_mount(), origin::mount(), listen::socket_mount()];
    let (container, volume) = view::others(pod).find_map(|(pointer, container)| {
        let volume = view::list(container, "/volumeMounts")
            .iter()
            .filter(|mount| pointer != target.pointer || !ours.contains(mount))
            .map(view::name)
            .find(|name| name.starts_with(RESERVED))?;
        Some((view::name(container), volume))
    })?;
    Some(Refusal::new(
        RefusalReason::ReservedName,
        format!(
            "container {container:?} mounts {volume:?}, which is for the sidecar only; remove that mount"
        ),
    ))
}

/// The backstop judges paths as they stand, so one that climbs is refused here as well, with what to change.
fn dotted_mount(pod: &Value, target: &Target) -> Option<Refusal> {
    let mounts = view::list(target.container(pod), "/volumeMounts");
    let paths = mounts.iter().map(|mount| view::text(mount, "/mountPath"));
    let path = paths.into_iter().find(|path| path.split('/').any(|part| part == ".."))?;
    Some(Refusal::new(
        RefusalReason::ServerXml,
        format!(
            "container {:?} mounts a volume at {path:?}; write the path without \"..\", so that it is plain to everybody what \
             is under it",
            target.name
        ),
    ))
}

fn declares(container: &Value, port: u16) -> bool {
    view::list(container, "/ports").iter().any(|declared| view::container_port(declared) == Some(port))
}

fn http_port_taken(pod: &Value, target: &Target) -> Option<Refusal> {
    let port = target.http_port;
    let (_, other) = view::others(pod)
        .find(|(pointer, container)| *pointer != target.pointer && declares(container, port))?;
    Some(Refusal::new(
        RefusalReason::PortConflict,
        format!(
            "containers {:?} and {:?} both declare port {port}, which the sidecar takes over; give the second another \
             port",
            target.name,
            view::name(other)
        ),
    ))
}

fn own_port_taken(pod: &Value, _: &Target) -> Option<Refusal> {
    let (container, port) = view::others(pod).find_map(|(_, container)| {
        let own = [names::UPSTREAM_PORT, names::ADMIN_PORT];
        own.into_iter().find(|port| declares(container, *port)).map(|port| (view::name(container), port))
    })?;
    Some(Refusal::new(
        RefusalReason::PortConflict,
        format!(
            "container {container:?} declares port {port}, which Restward uses in the pod; give it another port"
        ),
    ))
}

/// Tomcat is moved by this variable, so it must be one plain number, the one that the pod declares.
fn tomcat_port(pod: &Value, target: &Target) -> Option<Refusal> {
    let container = target.container(pod);
    let times = view::list(container, "/env").iter().filter(|entry| view::name(entry) == TOMCAT_PORT).count();
    let moved = view::own_sidecar(pod).is_some();
    let what = match view::variable(container, TOMCAT_PORT) {
        _ if times > 1 => format!("is set {times} times"),
        view::Variable::Absent => return None,
        view::Variable::Unknown => "has no plain value".to_owned(),
        view::Variable::Plain(value) if value == target.http_port.to_string() => return None,
        view::Variable::Plain(value) if moved && listen::is_moved(value) => return None,
        view::Variable::Plain(value) => format!("is {value:?}"),
    };
    Some(Refusal::new(
        RefusalReason::TomcatPort,
        format!(
            "{TOMCAT_PORT} of container {:?} {what}, but the sidecar can only move Tomcat when it is set once, to the \
             container's HTTP port {}; set that (confluence.ports.http of the official chart sets both)",
            target.name, target.http_port
        ),
    ))
}

/// The second connector listens on all addresses, and its traffic would come to Confluence from loopback.
fn tunnel_connector(pod: &Value, target: &Target) -> Option<Refusal> {
    const VARIABLE: &str = "ATL_TOMCAT_ADDITIONAL_CONNECTOR_PORT";
    if matches!(
        view::variable(target.container(pod), VARIABLE),
        view::Variable::Absent | view::Variable::Plain("")
    ) {
        return None;
    }
    Some(Refusal::new(
        RefusalReason::TunnelConnector,
        format!(
            "{VARIABLE} opens a second connector for application tunnels, which leads around the sidecar; remove it \
             (confluence.tunnel.additionalConnector.port of the official chart)"
        ),
    ))
}

/// One user could signal, trace and read the processes of the other.
fn same_user(pod: &Value, _: &Target) -> Option<Refusal> {
    let (_, container) =
        view::others(pod).find(|(_, container)| view::run_as_user(pod, container) == Some(SIDECAR_UID))?;
    Some(Refusal::new(
        RefusalReason::SameUser,
        format!(
            "container {:?} runs as user {SIDECAR_UID}, which is the sidecar's; give it another runAsUser",
            view::name(container)
        ),
    ))
}
