//! What injection leaves as it is, although it may say less about Confluence than it did: for the policy's status.

use restward_crds::{advisory::Advisory, api::v1alpha1::Interception, names};
use serde_json::Value;

use super::{
    listen::{self, Listen},
    origin, probes,
    target::{TOMCAT_PORT, Target},
    view,
};
use crate::{policy_source::Candidate, server_xml::Outcome};

/// A sentence for each probe and hook that is not moved but has to do with the HTTP port, and for a `server.xml` or a policy
/// that has changed since.
pub(super) fn of(pod: &Value, target: &Target, policy: &Candidate) -> Vec<String> {
    let changed = old_server_xml(pod, policy).or_else(|| old_interception(pod, target, policy));
    let mut found = Vec::from_iter(changed);
    for (_, container) in view::others(pod) {
        for (place, kind) in probes::HANDLERS {
            let Some(handler) = container.pointer(place) else { continue };
            let name = format!("{}/{kind}", view::name(container));
            found.extend(command(&name, handler, target, policy));
            found.extend(other_host(&name, handler, container, target));
        }
    }
    found
}

/// The derived file has another name when its source changes; a running pod keeps the one that it was injected with.
fn old_server_xml(pod: &Value, policy: &Candidate) -> Option<String> {
    let file = origin::file(pod)?;
    let is_current = policy
        .server_xml
        .iter()
        .any(|known| matches!(&known.outcome, Outcome::Derived(connector) if connector.file == file));
    (!is_current).then(|| {
        Advisory::ServerXmlChanged.says(
            "Tomcat's server.xml was changed since the pod was made, which runs on with the one it has; \
             restart it to let the change take effect",
        )
    })
}

/// Tomcat listens as it was told at its start, whatever the policy says since.
fn old_interception(pod: &Value, target: &Target, policy: &Candidate) -> Option<String> {
    let told = super::previous_settings(pod)?;
    let origin = origin::find(pod, target, policy).ok()?;
    let now = listen::of(pod, target, origin, policy).ok()?;
    (Listen::of_settings(&told) != now).then(|| {
        Advisory::InterceptionChanged.says(
            "Tomcat listens as the policy said when the pod was made, which is not what spec.interception and \
             spec.loopbackBind say now; restart the pod to let the change take effect",
        )
    })
}

/// A command in the pod calls the sidecar where it called Confluence. What it does with the answer is not known here.
fn command(name: &str, handler: &Value, target: &Target, policy: &Candidate) -> Option<String> {
    let mut words = view::list(handler, "/exec/command").iter().filter_map(Value::as_str);
    let (port, moved) = (target.http_port.to_string(), names::UPSTREAM_PORT.to_string());
    let has_socket = policy.interception == Interception::UnixSocket;
    if has_socket && words.clone().any(|word| names_number(word, &moved) || word.contains(TOMCAT_PORT)) {
        return Some(Advisory::ExecProbe.says(format_args!(
            "{name} runs a command that calls Tomcat at its port, which it has none of (spec.interception: \
             UnixSocket). Make it httpGet or tcpSocket, which are moved, or let the command call the socket {}",
            names::SOCKET
        )));
    }
    words.any(|word| names_number(word, &port)).then(|| {
        let tomcat = if has_socket { names::SOCKET.to_owned() } else { format!("127.0.0.1:{moved}") };
        Advisory::ExecProbe.says(format_args!(
            "{name} runs a command that names port {port}, where the sidecar answers now: a call to it is checked \
             like everybody's, and a bare connection always succeeds. Make it httpGet or tcpSocket, which are moved, or \
             let the command call {tomcat}"
        ))
    })
}

/// Whether the digits stand in `text` as a number of their own.
fn names_number(text: &str, digits: &str) -> bool {
    text.match_indices(digits).any(|(start, _)| {
        let is_digit = |neighbour: Option<char>| neighbour.is_some_and(|c| c.is_ascii_digit());
        let (before, rest) = text.split_at(start);
        !is_digit(before.chars().next_back()) && !is_digit(rest.chars().nth(digits.len()))
    })
}

fn other_host(name: &str, handler: &Value, container: &Value, target: &Target) -> Option<String> {
    let call = ["httpGet", "tcpSocket"].into_iter().find_map(|kind| handler.get(kind))?;
    let host = view::text(call, "/host");
    (!host.is_empty() && probes::port(call, container) == Some(target.http_port)).then(|| {
        Advisory::ProbeOfAnotherHost.says(format_args!(
            "{name} asks {host:?} and not the pod, so it is not moved; if it is meant for Confluence in \
             this pod, remove its host"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_as_a_whole() {
        for text in ["8090", "curl -sf http://localhost:8090/status", ":8090", "8090/", "18090 8090"] {
            assert!(names_number(text, "8090"), "{text}");
        }
        for text in ["", "18090", "80901", "809", "localhost:18090", "\u{e9}18090"] {
            assert!(!names_number(text, "8090"), "{text}");
        }
    }
}
