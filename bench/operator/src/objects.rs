//! What is made in the cluster: a policy with a StatefulSet of Confluence, again and again.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

/// Policies of a namespace.
const EACH: usize = 10;
/// Where the addresses of pods begin; `run` has routed 10.64.0.0/10 to loopback.
const FIRST: u32 = 0x0A40_0001;

/// How much is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Policies.
    pub(crate) policies: usize,
    /// Pods of each.
    pub(crate) pods_each: usize,
}

impl Size {
    pub(crate) const fn namespaces(self) -> usize {
        self.policies.div_ceil(EACH)
    }

    pub(crate) const fn pods(self) -> usize {
        self.policies * self.pods_each
    }

    /// Address of a pod of a policy.
    pub(crate) fn address(self, policy: usize, pod: usize) -> Ipv4Addr {
        Ipv4Addr::from(FIRST + u32::try_from(policy * self.pods_each + pod).unwrap_or_default())
    }

    /// Policy of the pod with this address.
    pub(crate) fn policy(self, address: Ipv4Addr) -> Option<usize> {
        let index = usize::try_from(u32::from(address).checked_sub(FIRST)?).ok()?;
        Some(index / self.pods_each).filter(|policy| *policy < self.policies)
    }
}

/// Namespace of a policy.
pub(crate) fn namespace(policy: usize) -> String {
    format!("wiki-{}", policy / EACH)
}

/// Its name, that of its StatefulSet, and the value of the label by which it selects.
pub(crate) fn name(policy: usize) -> String {
    format!("wiki-{policy}")
}

/// The policy. Nobody is at its Keycloak: the network is not there, so nothing waits for it.
pub(crate) fn policy(policy: usize) -> Value {
    json!({
        "apiVersion": "restward.io/v1alpha1",
        "kind": "RestApiAuthPolicy",
        "metadata": {"name": name(policy), "namespace": namespace(policy)},
        "spec": {
            "selector": {"matchLabels": {"app.kubernetes.io/instance": name(policy)}},
            "keycloak": {"host": "https://203.0.113.1", "realm": "staff"},
            "tokens": {"audiences": ["confluence"]},
        },
    })
}

/// The StatefulSet, as the official chart makes it.
pub(crate) fn stateful_set(policy: usize, replicas: usize) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name(policy), "namespace": namespace(policy)},
        "spec": {
            "replicas": replicas, "serviceName": name(policy),
            "selector": {"matchLabels": {"app.kubernetes.io/instance": name(policy)}},
            "template": template(policy),
        },
    })
}

/// A pod of it, as its controller creates it, on a node that does not exist.
pub(crate) fn pod(policy: usize, pod: usize, owner_uid: &str) -> Value {
    let mut object = template(policy);
    let owner = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name(policy), "uid": owner_uid,
        "controller": true, "blockOwnerDeletion": true});
    object["apiVersion"] = json!("v1");
    object["kind"] = json!("Pod");
    object["metadata"]["name"] = json!(format!("{}-{pod}", name(policy)));
    object["metadata"]["namespace"] = json!(namespace(policy));
    object["metadata"]["ownerReferences"] = json!([owner]);
    object["spec"]["nodeName"] = json!(format!("node-{}", pod % 100));
    object
}

/// What a kubelet says of it.
pub(crate) fn running(address: Ipv4Addr) -> Value {
    let now = "2026-01-01T00:00:00Z";
    let conditions = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .map(|kind| json!({"type": kind, "status": "True", "lastTransitionTime": now}));
    let container = |name: &str| {
        json!({"name": name, "ready": true, "started": true, "restartCount": 0, "image": "example.com/image:1",
            "imageID": format!("example.com/image@sha256:{}", "0".repeat(64)),
            "containerID": format!("containerd://{}", "0".repeat(64)), "state": {"running": {"startedAt": now}}})
    };
    json!({"status": {
        "phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "hostIP": "192.0.2.1", "startTime": now,
        "conditions": conditions, "containerStatuses": [container("confluence")],
        "initContainerStatuses": [container("restward")],
    }})
}

fn template(policy: usize) -> Value {
    let home = "/var/atlassian/application-data";
    json!({
        "metadata": {
            "labels": {
                "helm.sh/chart": "confluence-2.0.9", "app.kubernetes.io/name": "confluence",
                "app.kubernetes.io/instance": name(policy), "app.kubernetes.io/version": "10.2.7",
                "app.kubernetes.io/managed-by": "Helm",
            },
            "annotations": {"checksum/config-jvm": "0f1e2d3c"},
        },
        "spec": {
            "terminationGracePeriodSeconds": 25,
            "securityContext": {"fsGroup": 2002, "fsGroupChangePolicy": "OnRootMismatch"},
            "containers": [{
                "name": "confluence", "image": "atlassian/confluence:10.2.7",
                "ports": [{"name": "http", "containerPort": 8090}, {"name": "hazelcast", "containerPort": 5701}],
                "readinessProbe": {"httpGet": {"port": 8090, "path": "/status"}, "initialDelaySeconds": 10, "periodSeconds": 5},
                "resources": {"requests": {"cpu": "2", "memory": "2G"}},
                "volumeMounts": [
                    {"name": "local-home", "mountPath": format!("{home}/confluence")},
                    {"name": "local-home", "mountPath": "/opt/atlassian/confluence/logs", "subPath": "log"},
                    {"name": "shared-home", "mountPath": format!("{home}/shared-home")},
                ],
                "env": [
                    {"name": "ATL_TOMCAT_SCHEME", "value": "https"}, {"name": "ATL_TOMCAT_SECURE", "value": "true"},
                    {"name": "ATL_TOMCAT_PORT", "value": "8090"}, {"name": "ATL_TOMCAT_ACCESS_LOG", "value": "true"},
                ],
                "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "/shutdown-wait.sh"]}}},
            }],
            "volumes": [{"name": "local-home", "emptyDir": {}}, {"name": "shared-home", "emptyDir": {}}],
        },
    })
}
