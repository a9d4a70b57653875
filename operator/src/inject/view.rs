//! Reading raw pod JSON. What is absent or of another shape reads as empty: the API server checks shapes, not we.

use restward_crds::names;
use serde_json::Value;

/// The members of a list.
pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The text at `pointer`, empty when there is none.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The `name` of a container, port, variable or volume.
pub(super) fn name(value: &Value) -> &str {
    text(value, "/name")
}

/// The two lists of containers, as JSON pointers.
pub(super) const CONTAINER_LISTS: [&str; 2] = ["/spec/initContainers", "/spec/containers"];

/// All containers and init containers but the injected one, each with its JSON pointer.
pub(super) fn others(pod: &Value) -> impl Iterator<Item = (String, &Value)> {
    CONTAINER_LISTS.into_iter().flat_map(move |pointer| {
        list(pod, pointer)
            .iter()
            .enumerate()
            .filter(move |(_, container)| !is_own_sidecar(pointer, container))
            .map(move |(index, container)| (format!("{pointer}/{index}"), container))
    })
}

/// The sidecar that an earlier pass injected.
pub(super) fn own_sidecar(pod: &Value) -> Option<&Value> {
    let [init, _] = CONTAINER_LISTS;
    list(pod, init).iter().find(|container| is_own_sidecar(init, container))
}

fn is_own_sidecar(pointer: &str, container: &Value) -> bool {
    pointer == CONTAINER_LISTS[0] && name(container) == names::SIDECAR_CONTAINER
}

/// A port number that a container declares under this name.
pub(super) fn port_named(container: &Value, wanted: &str) -> Option<u16> {
    list(container, "/ports").iter().find(|port| name(port) == wanted).and_then(container_port)
}

/// The number of a declared port.
pub(super) fn container_port(port: &Value) -> Option<u16> {
    port.get("containerPort").and_then(Value::as_u64).and_then(|number| u16::try_from(number).ok())
}

/// An environment variable as it stands in the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable<'a> {
    /// Not there.
    Absent,
    /// With this value.
    Plain(&'a str),
    /// Its value is somewhere else (`valueFrom`), or put together from other variables: not known here.
    Unknown,
}

impl<'a> Variable<'a> {
    /// The value, when it is known and not empty.
    pub(super) fn non_empty(self) -> Option<&'a str> {
        match self {
            Self::Plain(value) if !value.is_empty() => Some(value),
            _ => None,
        }
    }
}

/// The variable `wanted`. Of several with one name the last counts, as for the kubelet.
pub(super) fn variable<'a>(container: &'a Value, wanted: &str) -> Variable<'a> {
    list(container, "/env").iter().rfind(|entry| name(entry) == wanted).map_or(Variable::Absent, self::entry)
}

/// One entry of a container's variables.
pub(super) fn entry(entry: &Value) -> Variable<'_> {
    let value = text(entry, "/value");
    if entry.get("valueFrom").is_some() || value.contains("$(") && name(entry) != names::ENV_POD {
        Variable::Unknown
    } else {
        Variable::Plain(value)
    }
}

/// The user that a container starts as, as far as the pod says.
pub(super) fn run_as_user(pod: &Value, container: &Value) -> Option<i64> {
    security_setting(pod, container, "runAsUser").and_then(Value::as_i64)
}

/// A member of the container's security context, or of the pod's when the container has none.
pub(super) fn security_setting<'a>(pod: &'a Value, container: &'a Value, member: &str) -> Option<&'a Value> {
    container
        .pointer("/securityContext")
        .and_then(|context| context.get(member))
        .or_else(|| pod.pointer("/spec/securityContext").and_then(|context| context.get(member)))
}
