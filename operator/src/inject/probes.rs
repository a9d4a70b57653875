//! Probes and lifecycle hooks that aim at the HTTP port. There the sidecar answers now, which says nothing about
//! Confluence, and a TCP probe would always succeed. So each goes to the sidecar's admin server, which does the real
//! thing to Tomcat on loopback; what that is stands in the sidecar's settings, never in the URL.

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
const HANDLERS: [(&str, &str); 5] = [
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
            let Some(action) = action(&name, handler, &container, target, before)? else { continue };
            move_to_admin(draft, &format!("{pointer}{place}"), &name)?;
            probes.push(AppProbe { timeout_seconds: timeout(place, handler), name, action });
        }
    }
    Ok(probes)
}

/// What a handler does to the HTTP port; `None` when it does something else.
fn action(
    name: &str,
    handler: &Value,
    container: &Value,
    target: &Target,
    before: Option<&PodSettings>,
) -> Result<Option<ProbeAction>, Refusal> {
    if *handler.get("httpGet").unwrap_or(&Value::Null) == admin_get(name) {
        let known = before.and_then(|before| before.probes.iter().find(|probe| probe.name == name));
        return known.map(|probe| Some(probe.action.clone())).ok_or_else(|| {
            Refusal::new(
                RefusalReason::Probe,
                format!(
                    "{name} aims at the sidecar's own port {}; let it aim at Confluence",
                    names::ADMIN_PORT
                ),
            )
        });
    }
    let aims_here = |kind: &str| {
        handler.get(kind).is_some_and(|call| {
            view::text(call, "/host").is_empty() && port(call, container) == Some(target.http_port)
        })
    };
    if aims_here("tcpSocket") {
        return Ok(Some(ProbeAction::TcpSocket {}));
    }
    if !aims_here("httpGet") {
        return Ok(None);
    }
    let call = handler.get("httpGet").unwrap_or(&Value::Null);
    if view::text(call, "/scheme").eq_ignore_ascii_case("https") {
        return Err(Refusal::new(
            RefusalReason::Probe,
            format!(
                "{name} speaks HTTPS to the HTTP port, so Tomcat ends TLS itself, which the sidecar does not; end TLS \
                 in front of the pod and let the probe use scheme HTTP"
            ),
        ));
    }
    let headers = view::list(call, "/httpHeaders")
        .iter()
        .map(|header| (view::name(header).to_owned(), view::text(header, "/value").to_owned()))
        .collect();
    let path = view::text(call, "/path");
    Ok(Some(ProbeAction::HttpGet { path: format!("/{}", path.trim_start_matches('/')), headers }))
}

/// The number that the kubelet reads from a handler: a number, a number as text, or the name of a port of the container.
fn port(call: &Value, container: &Value) -> Option<u16> {
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
