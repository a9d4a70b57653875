//! Where Tomcat is told to listen, and how the image is told: by the one variable that it has for its connector.

use restward_crds::{api::v1alpha1::LoopbackBind, names};
use serde_json::Value;

use super::{
    origin::Origin,
    probes::HANDLERS,
    target::{TOMCAT_PORT, Target},
    view,
};
use crate::policy_source::Candidate;

/// Who can connect to Tomcat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listen {
    /// Everybody; the valve answers 403.
    Everywhere,
    /// The pod's own loopback.
    Loopback,
}

impl Listen {
    const ALL: [Self; 2] = [Self::Everywhere, Self::Loopback];

    /// What the variable has to be. The image's template writes it into `port="…"` as it is.
    fn value(self) -> String {
        let port = names::UPSTREAM_PORT;
        match self {
            Self::Everywhere => port.to_string(),
            Self::Loopback => format!(r#"{port}" address="127.0.0.1"#),
        }
    }
}

/// What becomes of this pod.
pub(super) fn of(pod: &Value, target: &Target, origin: Origin<'_>, policy: &Candidate) -> Listen {
    match (origin, policy.loopback_bind) {
        (Origin::ConfigMap(_), _) => Listen::Loopback,
        (Origin::Image, LoopbackBind::Auto) if !a_command_reads_the_port(target.container(pod)) => {
            Listen::Loopback
        }
        (Origin::Image, _) => Listen::Everywhere,
    }
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
