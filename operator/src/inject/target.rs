//! Which container of a pod is Confluence, and on which port it is reached.

use serde_json::Value;

use super::{
    refusal::{Refusal, RefusalReason},
    view,
};
use crate::policy_source::Candidate;

/// Variable with the port of Tomcat's connector in the official image.
pub(super) const TOMCAT_PORT: &str = "ATL_TOMCAT_PORT";
/// Name of the HTTP port in the official chart; its Service finds the port by this name.
const HTTP: &str = "http";

/// The Confluence container of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Its JSON pointer in the pod.
    pub pointer: String,
    /// Its name.
    pub name: String,
    /// The port under which the pod is reached: the sidecar takes it over.
    pub http_port: u16,
}

impl Target {
    /// The container in `pod`.
    pub(super) fn container<'a>(&self, pod: &'a Value) -> &'a Value {
        pod.pointer(&self.pointer).unwrap_or(&Value::Null)
    }
}

/// Finds the container: the one that the policy names, else the one that has a port named `http` and the variable
/// `ATL_TOMCAT_PORT`. `None`: no container has any of the three, so the pod does not run Confluence.
pub(super) fn find(pod: &Value, policy: &Candidate) -> Result<Option<Target>, Refusal> {
    let containers = view::list(pod, "/spec/containers");
    let has_port = |container: &Value| view::port_named(container, HTTP).is_some();
    let has_variable = |container: &Value| view::variable(container, TOMCAT_PORT) != view::Variable::Absent;
    let wanted = |container: &Value| match &policy.container {
        Some(name) => view::name(container) == name,
        None => has_port(container) && has_variable(container),
    };
    let found: Vec<_> = containers.iter().enumerate().filter(|(_, container)| wanted(container)).collect();
    // A mark of Confluence on another container makes it unclear which of them is; a port named http has many a thing.
    let rival = containers.iter().enumerate().find(|(index, container)| {
        policy.container.is_none() && has_variable(container) && found.iter().all(|(known, _)| known != index)
    });
    if let ([(_, first)], Some((_, second))) = (found.as_slice(), rival) {
        return Err(ambiguous(first, second, policy));
    }
    match found.as_slice() {
        [(index, container)] => Ok(Some(Target {
            pointer: format!("/spec/containers/{index}"),
            name: view::name(container).to_owned(),
            http_port: http_port(container)?,
        })),
        [] => match containers.iter().find(|container| has_port(container) || has_variable(container)) {
            Some(container) => Err(not_confluence(container, policy)),
            None => Ok(None),
        },
        [(_, first), (_, second), ..] => Err(ambiguous(first, second, policy)),
    }
}

fn ambiguous(first: &Value, second: &Value, policy: &Candidate) -> Refusal {
    Refusal::new(
        RefusalReason::Ambiguous,
        format!(
            "containers {:?} and {:?} both have the variable {TOMCAT_PORT}, so it is not clear which is Confluence; name it in \
             spec.container of RestApiAuthPolicy {:?}",
            view::name(first),
            view::name(second),
            policy.name
        ),
    )
}

/// The port named `http`, or the only port of a container that was named by the policy.
fn http_port(container: &Value) -> Result<u16, Refusal> {
    if let Some(port) = view::port_named(container, HTTP) {
        return Ok(port);
    }
    match view::list(container, "/ports") {
        [only] => view::container_port(only),
        _ => None,
    }
    .ok_or_else(|| {
        Refusal::new(
            RefusalReason::NotConfluence,
            format!(
                "container {:?} has no port named http, so the port to protect is not known; name the port of its \
                 Tomcat http",
                view::name(container)
            ),
        )
    })
}

fn not_confluence(container: &Value, policy: &Candidate) -> Refusal {
    let name = view::name(container);
    let why = match &policy.container {
        Some(wanted) => format!("the pod has no container {wanted:?}, which spec.container names, but one"),
        None if view::port_named(container, HTTP).is_some() => {
            format!(
                "no container has both a port named http and the variable {TOMCAT_PORT}, but one has the port"
            )
        }
        None => {
            format!(
                "no container has both a port named http and the variable {TOMCAT_PORT}, but one has the variable"
            )
        }
    };
    Refusal::new(
        RefusalReason::NotConfluence,
        format!(
            "{why}: {name:?}. If it is Confluence, name it in spec.container of RestApiAuthPolicy {policy:?}; if it is \
             not (Synchrony for example shares podLabels), narrow spec.selector, such as to \
             app.kubernetes.io/name: confluence",
            policy = policy.name
        ),
    )
}
