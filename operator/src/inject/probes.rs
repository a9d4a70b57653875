//! Probes and lifecycle hooks that aim at the HTTP port. There the sidecar answers now, which says nothing about
//! Confluence, and a TCP probe would always succeed. So each goes to the sidecar's admin server, which does the real
//! thing to Tomcat on loopback; what that is stands in the sidecar's settings, never in the URL.

use http::uri::PathAndQuery;
use restward_crds::{
    names,
    sidecar::{
        PodSettings,
        pod::{AppProbe, ProbeAction},
    },
};
use serde_json::{Value, json};

use super::{
    draft::Draft,
    refusal::{Refusal, RefusalReason},
    target::Target,
    view,
};

/// Where handlers stand in a container: pointer, and the name under which the admin server knows them.
pub(super) const HANDLERS: [(&str, &str); 5] = [
    ("/startupProbe", "startupProbe"),
    ("/readinessProbe", "readinessProbe"),
    ("/livenessProbe", "livenessProbe"),
    ("/lifecycle/postStart", "postStart"),
    ("/lifecycle/preStop", "preStop"),
];
/// The kubelet's default of `timeoutSeconds`.
const PROBE_TIMEOUT: u32 = 1;
/// Hooks have no time limit of their own in a pod.
const HOOK_TIMEOUT: u32 = 30;

/// Rewrites them all and gives what each did. `before` is what an earlier pass found.
pub(super) fn rewrite(
    draft: &mut Draft,
    target: &Target,
    before: Option<&PodSettings>,
) -> Result<Vec<AppProbe>, Refusal> {
    let containers: Vec<(String, Value)> =
        view::others(draft.pod()).map(|(pointer, container)| (pointer, container.clone())).collect();
    let mut probes = Vec::new();
    for (pointer, container) in containers {
        for (place, kind) in HANDLERS {
            let Some(handler) = container.pointer(place) else { continue };
            let name = format!("{}/{kind}", view::name(&container));
            let action = match aim(&name, handler, &container, target)? {
                Aim::Elsewhere => continue,
                Aim::HttpPort(action) => {
                    move_to_admin(draft, &format!("{pointer}{place}"), &name)?;
                    action
                }
                Aim::Admin => known(&name, before).ok_or_else(|| made_up(&name))?,
                Aim::AnotherCall => match known(&name, before) {
                    Some(action) => action,
                    None => continue,
                },
            };
            probes.push(AppProbe { timeout_seconds: timeout(place, handler), name, action });
        }
    }
    Ok(probes)
}

/// What a handler asks.
enum Aim {
    /// The HTTP port, so.
    HttpPort(ProbeAction),
    /// The admin port, as an earlier pass left it.
    Admin,
    /// Something else by HTTP. When an earlier pass had moved the handler, another injector has since put itself between
    /// (Istio's agent does) and asks the admin port in the kubelet's place, so the admin server must still know it.
    AnotherCall,
    /// Nothing of ours: another port, another host, a command.
    Elsewhere,
}

fn aim(name: &str, handler: &Value, container: &Value, target: &Target) -> Result<Aim, Refusal> {
    if handler.get("tcpSocket").is_some_and(|call| aims_at_http_port(call, container, target)) {
        return Ok(Aim::HttpPort(ProbeAction::TcpSocket {}));
    }
    match handler.get("httpGet") {
        None => Ok(Aim::Elsewhere),
        Some(call) if *call == admin_get(name) => Ok(Aim::Admin),
        Some(call) if aims_at_http_port(call, container, target) => http_get(name, call).map(Aim::HttpPort),
        Some(_) => Ok(Aim::AnotherCall),
    }
}

/// Whether the kubelet would call the pod's HTTP port. With a `host` it calls that host, as it reaches it from the node.
fn aims_at_http_port(call: &Value, container: &Value, target: &Target) -> bool {
    view::text(call, "/host").is_empty() && port(call, container) == Some(target.http_port)
}

/// What an earlier pass found under this name.
fn known(name: &str, before: Option<&PodSettings>) -> Option<ProbeAction> {
    before?.probes.iter().find(|probe| probe.name == name).map(|probe| probe.action.clone())
}

fn made_up(name: &str) -> Refusal {
    Refusal::new(
        RefusalReason::Probe,
        format!("{name} aims at the sidecar's own port {}; let it aim at Confluence", names::ADMIN_PORT),
    )
}

fn http_get(name: &str, call: &Value) -> Result<ProbeAction, Refusal> {
    if view::text(call, "/scheme").eq_ignore_ascii_case("https") {
        return Err(Refusal::new(
            RefusalReason::Probe,
            format!(
                "{name} speaks HTTPS to the HTTP port, so Tomcat ends TLS itself, which the sidecar does not; end TLS \
                 in front of the pod and let the probe use scheme HTTP"
            ),
        ));
    }
    let path = format!("/{}", view::text(call, "/path").trim_start_matches('/'));
    // The kubelet would escape it; the sidecar sends what stands here.
    if !path.is_ascii() || PathAndQuery::try_from(path.as_str()).is_err() {
        return Err(Refusal::new(
            RefusalReason::Probe,
            format!(
                "{name} asks for the path {path:?}, which is not as it goes over the wire; percent-encode it"
            ),
        ));
    }
    let headers = view::list(call, "/httpHeaders")
        .iter()
        .map(|header| (view::name(header).to_owned(), view::text(header, "/value").to_owned()))
        .collect();
    Ok(ProbeAction::HttpGet { path, headers })
}

/// The number that the kubelet reads from a handler: a number, a number as text, or the name of a port of the container.
pub(super) fn port(call: &Value, container: &Value) -> Option<u16> {
    let port = call.get("port")?;
    match port.as_str() {
        Some(text) => view::port_named(container, text).or_else(|| text.parse().ok()),
        None => port.as_u64().and_then(|number| u16::try_from(number).ok()),
    }
}

/// Seconds after which the handler has failed.
fn timeout(place: &str, handler: &Value) -> u32 {
    let default = if place.starts_with("/lifecycle") { HOOK_TIMEOUT } else { PROBE_TIMEOUT };
    let given = handler.get("timeoutSeconds").and_then(Value::as_u64);
    given.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(default)
}

fn admin_get(name: &str) -> Value {
    json!({"path": format!("{}{name}", names::PROBES_PATH), "port": names::ADMIN_PORT, "scheme": "HTTP"})
}

/// Changes only whom the handler asks; delays, limits and thresholds stay.
fn move_to_admin(draft: &mut Draft, handler: &str, name: &str) -> Result<(), Refusal> {
    let tcp = format!("{handler}/tcpSocket");
    if draft.pod().pointer(&tcp).is_some() {
        draft.remove(&tcp)?;
    }
    draft.set(handler, "httpGet", admin_get(name))
}
