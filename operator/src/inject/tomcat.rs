//! What changes in the Confluence container: where Tomcat listens, the valve that lets only loopback in, and whom Tomcat
//! trusts as a proxy. And what the sidecar must know about Tomcat.

use restward_crds::{
    names,
    sidecar::{PodSettings, pod::AppProbe, terms::Scheme},
};
use serde_json::{Value, json};

use super::{
    draft::Draft,
    listen::{self, Listen},
    origin::{self, Origin},
    refusal::{Refusal, RefusalReason},
    target::{TOMCAT_PORT, Target},
    view::{self, Variable},
};
use crate::server_xml;

/// Variable with the context path.
pub(super) const CONTEXT_PATH: &str = "ATL_TOMCAT_CONTEXTPATH";
/// Directory of the image's templates.
const TEMPLATES: &str = "/opt/atlassian/etc";
/// Directory of Tomcat's configuration in the official image.
pub(super) const CONF: &str = "/opt/atlassian/confluence/conf";
/// Defaults of every context of Tomcat's host: engine `Standalone` and host `localhost` are in the image's `server.xml`.
const CONTEXT_DEFAULTS: &str = "Standalone/localhost/context.xml.default";
/// Regular expressions of Tomcat's RemoteIpValve, under the names that images of different age know.
pub(super) const TRUSTED_PROXIES: [&str; 3] =
    ["ATL_TOMCAT_PROXY_INTERNAL_IPS", "ATL_TOMCAT_INTERNALPROXIES", "ATL_TOMCAT_TRUSTEDPROXIES"];

/// The mount of the valve. By `subPath`, so that the rest of the directory stays as it is.
pub(super) fn valve_mount() -> Value {
    json!({
        "name": names::VALVE_VOLUME,
        "mountPath": format!("{CONF}/{CONTEXT_DEFAULTS}"),
        "subPath": names::FILE_VALVE,
        "readOnly": true
    })
}

/// Whether a mount at `path` decides about Tomcat's connectors or contexts: at `server.xml`, above it, among the
/// host's contexts, or among the templates that the image renders.
pub(super) fn decides_connectors(path: &str) -> bool {
    let server_xml = format!("{CONF}/server.xml");
    let contexts = format!("{CONF}/Standalone");
    let is_in = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    is_in(&server_xml, path) || is_in(path, &contexts) || is_in(path, TEMPLATES)
}

/// Moves Tomcat to the internal port and shuts it for everybody but loopback.
pub(super) fn move_behind(
    draft: &mut Draft,
    target: &Target,
    origin: Origin<'_>,
    listen: Listen,
) -> Result<(), Refusal> {
    if origin != Origin::Image {
        origin::swap(draft, target)?;
    }
    trust_loopback(draft, target)?;
    set_variable(draft, target, TOMCAT_PORT, &listen::variable(origin, listen))?;
    let mounts = format!("{}/volumeMounts", target.pointer);
    if listen == Listen::Socket {
        draft.set_named(&mounts, listen::socket_mount())?;
    }
    draft.set_named(&mounts, valve_mount())
}

/// Tomcat now sees every request come from the sidecar.
fn trust_loopback(draft: &mut Draft, target: &Target) -> Result<(), Refusal> {
    for name in TRUSTED_PROXIES {
        // Those that are not known have been refused.
        if let Variable::Plain(value) = view::variable(target.container(draft.pod()), name) {
            let trusted = server_xml::with_loopback(value);
            set_variable(draft, target, name, &trusted)?;
        }
    }
    Ok(())
}

/// Sets a variable's value; of several with one name the last, which counts.
fn set_variable(draft: &mut Draft, target: &Target, name: &str, value: &str) -> Result<(), Refusal> {
    let env = format!("{}/env", target.pointer);
    let entries = view::list(draft.pod(), &env);
    match entries.iter().rposition(|entry| view::name(entry) == name) {
        // The API server leaves an empty value out.
        Some(index) if value == entries.get(index).map_or("", |entry| view::text(entry, "/value")) => Ok(()),
        Some(index) => draft.set(&format!("{env}/{index}"), "value", json!(value)),
        None => draft.insert(&env, entries.len(), json!({"name": name, "value": value})),
    }
}

/// What the sidecar is told about its pod.
pub(super) fn settings(
    pod: &Value,
    target: &Target,
    origin: Origin<'_>,
    listen: Listen,
    probes: Vec<AppProbe>,
) -> Result<PodSettings, Refusal> {
    let container = target.container(pod);
    // The image knows each of these under two names, of which the first wins.
    let known = |name: &str, alias: &str| {
        [name, alias].into_iter().find_map(|name| view::variable(container, name).non_empty())
    };
    let rendered = PodSettings {
        listen_port: target.http_port,
        admin_port: names::ADMIN_PORT,
        upstream_port: names::UPSTREAM_PORT,
        loopback_bind: listen != Listen::Everywhere,
        upstream_socket: (listen == Listen::Socket).then(|| names::SOCKET.to_owned()),
        scheme: match known("ATL_TOMCAT_SCHEME", "CATALINA_CONNECTOR_SCHEME") {
            Some("http") => Some(Scheme::Http),
            Some("https") => Some(Scheme::Https),
            _ => None,
        },
        proxy_name: known("ATL_PROXY_NAME", "CATALINA_CONNECTOR_PROXYNAME").map(str::to_owned),
        proxy_port: known("ATL_PROXY_PORT", "CATALINA_CONNECTOR_PROXYPORT")
            .and_then(|port| port.parse().ok()),
        context_path: known(CONTEXT_PATH, "CATALINA_CONTEXT_PATH")
            .unwrap_or_default()
            .trim_end_matches('/')
            .to_owned(),
        probes,
    };
    let settings = match origin {
        Origin::Image => rendered,
        // Variables change nothing there.
        Origin::ConfigMap(connector) => PodSettings {
            scheme: connector.scheme,
            proxy_name: connector.proxy_name.clone(),
            proxy_port: connector.proxy_port,
            context_path: connector.context_path.clone(),
            ..rendered
        },
    };
    // The sidecar refuses to start with settings that it cannot read, so they are read here first.
    let json = json!(settings).to_string();
    PodSettings::from_json(&json).map_err(|error| {
        Refusal::new(
            RefusalReason::UnknownVariable,
            format!(
                "the variables of container {:?} make no sense to the sidecar: {error}; check {CONTEXT_PATH} and the \
                 port named http",
                target.name
            ),
        )
    })
}
