//! The injected container.

use restward_crds::{names, sidecar::PodSettings};
use serde_json::{Value, json};

use super::{audit, checks::SIDECAR_UID, draft::Draft, listen, refusal::Refusal, view};
use crate::{args::Sidecar, policy_source::Candidate};

/// Mesh proxies that must start first: until they run, nothing in the pod has a network.
const MESH_PROXIES: [&str; 2] = ["istio-proxy", "linkerd-proxy"];
/// Where Kubernetes mounts the pod's ServiceAccount token, unless something is mounted there.
const TOKEN_DIR: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The container. Everything that the API server would add as a default is written out, so that the container of a
/// second pass equals the one of the first.
pub(super) fn build(sidecar: &Sidecar, policy: &Candidate, settings: &PodSettings) -> Value {
    json!({
        "name": names::SIDECAR_CONTAINER,
        "image": sidecar.image,
        "imagePullPolicy": sidecar.pull_policy.as_str(),
        // A native sidecar: runs before Confluence starts and until after it has stopped.
        "restartPolicy": "Always",
        "env": variables(sidecar, policy, settings),
        // The HTTP port stays declared by Confluence, under the name by which Services find it.
        "ports": [{"name": "restward-admin", "containerPort": settings.admin_port, "protocol": "TCP"}],
        // Started is not ready: Confluence must start for anything to be found out about it.
        "startupProbe": probe(settings, "/livez", 1, 120),
        "readinessProbe": probe(settings, "/readyz", 5, 3),
        "livenessProbe": probe(settings, "/livez", 10, 6),
        "resources": sidecar.resources,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": SIDECAR_UID,
            "runAsGroup": SIDECAR_UID,
            "privileged": false,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"}
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts(policy, settings)
    })
}

fn mounts(policy: &Candidate, settings: &PodSettings) -> Vec<Value> {
    let own = [
        json!({"name": names::CONFIG_VOLUME, "mountPath": names::CONFIG_DIR, "readOnly": true}),
        // The sidecar needs no token; an empty directory here keeps the pod's away.
        json!({"name": names::NO_TOKEN_VOLUME, "mountPath": TOKEN_DIR, "readOnly": true}),
        json!({"name": names::STATE_VOLUME, "mountPath": names::STATE_DIR}),
    ];
    let socket = settings.upstream_socket.is_some().then(listen::socket_mount);
    own.into_iter().chain(socket).chain(audit::mount(policy)).collect()
}

fn variables(sidecar: &Sidecar, policy: &Candidate, settings: &PodSettings) -> Vec<Value> {
    let own = [(names::ENV_POD, json!(settings).to_string()), (names::ENV_LOG, sidecar.log.clone())];
    let more = sidecar.open_telemetry.0.iter().map(|(name, value)| (name.as_str(), value.clone()));
    let plain = own.into_iter().chain(more);
    let plain = plain.map(|(name, value)| json!({"name": name, "value": escape(&value)}));
    plain.chain(audit::variables(policy)).collect()
}

fn probe(settings: &PodSettings, path: &str, period: u32, failures: u32) -> Value {
    json!({
        "httpGet": {"path": path, "port": settings.admin_port, "scheme": "HTTP"},
        "timeoutSeconds": 3,
        "periodSeconds": period,
        "successThreshold": 1,
        "failureThreshold": failures
    })
}

/// Puts the container first among the init containers, behind mesh proxies that are native sidecars too. What an
/// earlier pass, or somebody else under this name, put there is replaced as a whole.
pub(super) fn place(draft: &mut Draft, container: Value) -> Result<(), Refusal> {
    let [list, _] = view::CONTAINER_LISTS;
    let init = view::list(draft.pod(), list);
    let is_own = |other: &Value| view::name(other) == names::SIDECAR_CONTAINER;
    let present = init.iter().position(is_own);
    let wanted = init
        .iter()
        .filter(|other| !is_own(other))
        .enumerate()
        .filter(|(_, other)| is_mesh_proxy(other))
        .map(|(index, _)| index + 1)
        .last()
        .unwrap_or(0);
    if present == Some(wanted) && init.get(wanted) == Some(&container) {
        return Ok(());
    }
    if let Some(index) = present {
        draft.remove(&format!("{list}/{index}"))?;
    }
    draft.insert(list, wanted, container)
}

fn is_mesh_proxy(container: &Value) -> bool {
    MESH_PROXIES.contains(&view::name(container)) && view::text(container, "/restartPolicy") == "Always"
}

/// The kubelet replaces `$(NAME)` in the value of a variable, and `$$` by `$`; so that nothing is replaced.
fn escape(value: &str) -> String {
    value.replace('$', "$$")
}

/// The inverse of [`escape`].
pub(super) fn unescape(value: &str) -> String {
    value.replace("$$", "$")
}
