//! What injection put into a pod, and what each part is for. Pure.

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt as _;
use restward_crds::{
    names,
    sidecar::{
        PodSettings,
        pod::{AppProbe, ProbeAction},
    },
};

use super::Part;
use crate::cluster;

/// The parts; none where nothing was injected.
pub(super) fn parts(pod: &Pod) -> Vec<Part> {
    let Some(sidecar) = container(pod) else { return Vec::new() };
    let mut parts = Vec::new();
    let image = sidecar.image.as_deref().unwrap_or_default();
    match cluster::settings(pod) {
        Some(settings) => {
            let port = settings.listen_port;
            parts.push(Part::new(
                format!("container {} ({image})", names::SIDECAR_CONTAINER),
                format!("it takes port {port} in Confluence's place, so that each call of the API passes it"),
            ));
            parts.push(moved(&settings));
            parts.extend(settings.probes.iter().map(probe));
        }
        None => parts.push(Part::new(
            format!("container {} ({image})", names::SIDECAR_CONTAINER),
            format!("what it was told ({}) cannot be read by this program", names::ENV_POD),
        )),
    }
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    parts.extend(volumes.filter_map(|volume| self::volume(&volume.name)));
    parts.extend(marks(pod));
    parts
}

fn container(pod: &Pod) -> Option<&Container> {
    let containers = pod.spec.as_ref()?.init_containers.as_ref()?;
    containers.iter().find(|container| container.name == names::SIDECAR_CONTAINER)
}

fn moved(settings: &PodSettings) -> Part {
    match &settings.upstream_socket {
        Some(socket) => Part::new(
            format!("Tomcat moved to {socket}"),
            "a Unix socket that only Confluence's container and the sidecar mount: no port leads to it",
        ),
        None if settings.loopback_bind => Part::new(
            format!("Tomcat moved to 127.0.0.1:{}", settings.upstream_port),
            "nobody outside of the pod reaches it there",
        ),
        None => Part::new(
            format!("Tomcat moved to port {}", settings.upstream_port),
            "the valve refuses everybody but the pod itself there",
        ),
    }
}

fn probe(probe: &AppProbe) -> Part {
    let asks = match &probe.action {
        ProbeAction::HttpGet { path, .. } => format!("asks Tomcat for {path}"),
        ProbeAction::TcpSocket {} => "connects to Tomcat".to_owned(),
    };
    Part::new(
        format!("{} moved to port {}", probe.name, names::ADMIN_PORT),
        format!(
            "the sidecar {asks} in the kubelet's place; on the HTTP port it would say nothing about Confluence"
        ),
    )
}

fn volume(name: &str) -> Option<Part> {
    let why = match name {
        names::CONFIG_VOLUME => {
            "configuration, keys and CA of the sidecar, which alone mounts it; changes come without a restart"
        }
        names::VALVE_VOLUME => {
            "a valve of Tomcat's, which refuses whoever comes by another way than loopback"
        }
        names::SERVER_XML_VOLUME => "the server.xml that the pod mounted, with Tomcat's connector moved",
        names::SOCKET_VOLUME => "Tomcat's Unix socket",
        names::NO_TOKEN_VOLUME => "empty: it hides the pod's ServiceAccount token from the sidecar",
        names::STATE_VOLUME => {
            "what the sidecar remembers over a restart of its container: who logs in by password"
        }
        _ => return None,
    };
    Some(Part::new(format!("volume {name}"), why))
}

fn marks(pod: &Pod) -> Vec<Part> {
    let label = pod.labels().get(names::LABEL_INJECTED);
    let hash = pod.annotations().get(names::ANNOTATION_INJECTED_HASH);
    let label = label.map(|uid| {
        Part::new(
            format!("label {}={uid}", names::LABEL_INJECTED),
            "the policy that the admission policies hold the pod to",
        )
    });
    let hash = hash.map(|hash| {
        let short: String = hash.chars().take(12).collect();
        Part::new(
            format!("annotation {}={short}…", names::ANNOTATION_INJECTED_HASH),
            "what was injected, to tell when new pods get something else",
        )
    });
    label.into_iter().chain(hash).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(settings: &str) -> Pod {
        let variable = |value: &str| json!([{"name": names::ENV_POD, "value": value}]);
        let volumes: Vec<Value> = [names::CONFIG_VOLUME, "home"].map(|name| json!({"name": name})).into();
        serde_json::from_value(json!({
            "metadata": {"labels": {names::LABEL_INJECTED: "u"}, "annotations": {names::ANNOTATION_INJECTED_HASH: "0123456789abcdef"}},
            "spec": {"containers": [], "volumes": volumes, "initContainers": [
                {"name": names::SIDECAR_CONTAINER, "image": "sidecar:1", "env": variable(settings)}]},
        }))
        .unwrap()
    }

    fn whats(settings: &str) -> Vec<String> {
        parts(&pod(settings)).into_iter().map(|part| part.what).collect()
    }

    #[test]
    fn each_part_is_told_and_what_is_others_is_not() {
        let settings = r#"{"listenPort": 8090, "loopbackBind": true, "probes": [
            {"name": "confluence/readinessProbe", "action": {"httpGet": {"path": "/status"}}, "timeoutSeconds": 1}]}"#;
        assert_eq!(
            whats(settings),
            [
                "container restward-proxy (sidecar:1)",
                "Tomcat moved to 127.0.0.1:18090",
                "confluence/readinessProbe moved to port 19090",
                "volume restward-config",
                "label restward.io/injected=u",
                "annotation restward.io/injected-hash=0123456789ab…",
            ]
        );
        assert_eq!(whats(r#"{"listenPort": 8090}"#)[1], "Tomcat moved to port 18090");
        let socket = r#"{"listenPort": 8090, "upstreamSocket": "/run/restward/tomcat/tomcat.sock"}"#;
        assert_eq!(whats(socket)[1], "Tomcat moved to /run/restward/tomcat/tomcat.sock");
    }

    #[test]
    fn a_pod_without_the_sidecar_has_no_parts_and_strange_settings_are_no_end() {
        assert!(parts(&Pod::default()).is_empty());
        assert!(parts(&pod("{")).iter().any(|part| part.why.contains("cannot be read")));
    }
}
