//! Where Tomcat is told to listen, and how the image is told: by the one variable that it has for its connector.

use restward_crds::{
    api::v1alpha1::{Interception, LoopbackBind},
    names,
    sidecar::PodSettings,
};
use serde_json::{Value, json};

use super::{
    origin::Origin,
    probes::HANDLERS,
    refusal::{Refusal, RefusalReason},
    target::{TOMCAT_PORT, Target},
    view,
};
use crate::{policy_source::Candidate, server_xml};

/// Variable with the class of Tomcat's connector.
const PROTOCOL: &str = "ATL_TOMCAT_PROTOCOL";

/// Who can connect to Tomcat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listen {
    /// Everybody; the valve answers 403.
    Everywhere,
    /// The pod's own loopback.
    Loopback,
    /// Who has the socket's volume.
    Socket,
}

impl Listen {
    const ALL: [Self; 3] = [Self::Everywhere, Self::Loopback, Self::Socket];

    /// What an earlier pass told the sidecar.
    pub(super) const fn of_settings(settings: &PodSettings) -> Self {
        match (&settings.upstream_socket, settings.loopback_bind) {
            (Some(_), _) => Self::Socket,
            (None, true) => Self::Loopback,
            (None, false) => Self::Everywhere,
        }
    }

    /// What the variable has to be. The image's template writes it into `port="…"` as it is.
    fn value(self) -> String {
        let attributes = match self {
            Self::Everywhere => return names::UPSTREAM_PORT.to_string(),
            Self::Loopback => server_xml::connector_attributes(Interception::Port),
            Self::Socket => server_xml::connector_attributes(Interception::UnixSocket),
        };
        let values = attributes.into_iter().map(|(name, value)| match name {
            "port" => value,
            _ => format!(r#"" {name}="{value}"#),
        });
        values.collect()
    }
}

/// What becomes of this pod.
pub(super) fn of(
    pod: &Value,
    target: &Target,
    origin: Origin<'_>,
    policy: &Candidate,
) -> Result<Listen, Refusal> {
    let takes_attributes = || {
        origin != Origin::Image
            || policy.loopback_bind == LoopbackBind::Auto && !a_command_reads_the_port(target.container(pod))
    };
    match policy.interception {
        Interception::UnixSocket => can_have_a_socket(pod, target, origin).map(|()| Listen::Socket),
        Interception::Port if takes_attributes() => Ok(Listen::Loopback),
        Interception::Port => Ok(Listen::Everywhere),
    }
}

/// Tomcat and the sidecar run as different users, who share the group of the pod's volumes only.
fn can_have_a_socket(pod: &Value, target: &Target, origin: Origin<'_>) -> Result<(), Refusal> {
    let refuse = |message: String| Err(Refusal::new(RefusalReason::UnixSocket, message));
    if pod.pointer("/spec/securityContext/fsGroup").and_then(Value::as_i64).is_none() {
        return refuse(
            "the pod has no fsGroup, the group by which the sidecar may use Tomcat's Unix socket (spec.interception: \
             UnixSocket); set securityContext.fsGroup of the pod (confluence.securityContext.fsGroup of the official chart, \
             2002), or interception: Port"
                .to_owned(),
        );
    }
    match view::variable(target.container(pod), PROTOCOL) {
        view::Variable::Plain(protocol) if origin == Origin::Image && !server_xml::has_sockets(protocol) => {
            refuse(format!(
                "{PROTOCOL} of container {:?} is {protocol:?}, which knows no Unix sockets (spec.interception: UnixSocket); \
                 remove it, or set {:?}",
                target.name,
                server_xml::NIO
            ))
        }
        _ => Ok(()),
    }
}

/// The mount of the socket's volume, in Confluence's container and in the sidecar. Writable for both: Tomcat makes the
/// socket, and the sidecar removes one that a killed Tomcat has left, on which no other can listen.
pub(super) fn socket_mount() -> Value {
    json!({"name": names::SOCKET_VOLUME, "mountPath": names::SOCKET_DIR})
}

/// The socket's volume. A socket takes no room.
pub(super) fn socket_volume() -> Value {
    json!({"name": names::SOCKET_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "64Ki"}})
}

/// Such a command needs a number: a probe of it would fail, and restart Confluence for that.
fn a_command_reads_the_port(container: &Value) -> bool {
    let commands = HANDLERS.into_iter().filter_map(|(place, _)| container.pointer(place));
    let words = commands.flat_map(|handler| view::list(handler, "/exec/command"));
    words.filter_map(Value::as_str).any(|word| word.contains(TOMCAT_PORT))
}

/// What the variable is set to. Where the image renders nothing it is for commands only.
pub(super) fn variable(origin: Origin<'_>, listen: Listen) -> String {
    match origin {
        Origin::Image => listen.value(),
        Origin::ConfigMap(_) => Listen::Everywhere.value(),
    }
}

/// Whether an earlier pass set the variable to this.
pub(super) fn is_moved(value: &str) -> bool {
    Listen::ALL.into_iter().any(|listen| listen.value() == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The backstop takes what injection makes, and nothing else.
    #[test]
    fn the_chart_knows_every_value() {
        let template = include_str!("../../../charts/restward/templates/admission/require-sidecar.yaml");
        let list = Listen::ALL.map(|listen| format!("'{}'", listen.value())).join(", ");
        assert!(template.contains(&format!("variable.?value.orValue('') in [{list}])")), "{list}");
    }
}
