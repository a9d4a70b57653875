//! The pod that probes. The workload's labels put it under the workload's NetworkPolicies. With the marks of Confluence on no
//! container (a port named `http`, `ATL_TOMCAT_PORT`, the name in `spec.container`) webhook and backstop leave it alone although a
//! policy selects it, and the operator does not count it. It never becomes ready, so that Services of the workload do not send it
//! anybody. Pure.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};
use serde_json::{Value, json};

use super::super::findings;

/// Its container; no mesh's and not Confluence's.
pub(super) const CONTAINER: &str = "restward-probe";
/// Ends it where this program could not delete it.
const SECONDS: u32 = 300;

/// `next` is the workload's next pod as the API server would take it; `None` where it has no sidecar.
pub(super) fn of(
    name: &str,
    node: Option<&str>,
    policy: &RestApiAuthPolicy,
    template: &Pod,
    next: &Pod,
) -> Option<Pod> {
    let sidecar = findings::container(next)?;
    let spec = next.spec.as_ref()?;
    let mut labels = template.metadata.labels.clone().unwrap_or_default();
    labels.retain(|name, _| !name.starts_with(names::GROUP));
    let affinity = node.map(|node| {
        let field = json!({"key": "metadata.name", "operator": "In", "values": [node]});
        json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchFields": [field]}]}}})
    });
    let own_affinity =
        json!({"nodeAffinity": spec.affinity.as_ref().and_then(|it| it.node_affinity.as_ref())});
    let pod: Value = json!({
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": SECONDS,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "serviceAccountName": spec.service_account_name,
            "imagePullSecrets": spec.image_pull_secrets,
            "nodeSelector": spec.node_selector,
            "affinity": affinity.unwrap_or(own_affinity),
            "tolerations": spec.tolerations,
            "hostAliases": spec.host_aliases,
            "dnsPolicy": spec.dns_policy,
            "dnsConfig": spec.dns_config,
            // Nobody ever says that this is so.
            "readinessGates": [{"conditionType": "restward.io/never"}],
            "volumes": [{"name": "configuration", "configMap": {"name": format!("restward-{}", policy.name_any())}}],
            "containers": [{
                "name": CONTAINER,
                "image": sidecar.image,
                "imagePullPolicy": sidecar.image_pull_policy,
                "args": ["probe"],
                "resources": sidecar.resources,
                "securityContext": sidecar.security_context,
                // What it says becomes the message of its end.
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": [{"name": "configuration", "mountPath": names::CONFIG_DIR, "readOnly": true}],
            }],
        },
    });
    serde_json::from_value(pod).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    fn made(node: Option<&str>) -> Value {
        let policy: RestApiAuthPolicy = object(json!({
            "apiVersion": "restward.io/v1alpha1", "kind": "RestApiAuthPolicy", "metadata": {"name": "wiki", "uid": "u"},
            "spec": {"selector": {"matchLabels": {"app": "wiki"}}, "keycloak": {"host": "h", "realm": "r"}},
        }));
        let template: Pod =
            object(json!({"metadata": {"labels": {"app": "wiki", "restward.io/injected": "u"}}}));
        let next: Pod = object(json!({
            "metadata": {"labels": {"app": "wiki", "restward.io/injected": "u"}},
            "spec": {
                "serviceAccountName": "wiki", "imagePullSecrets": [{"name": "registry"}], "nodeSelector": {"pool": "wiki"},
                "tolerations": [{"operator": "Exists"}],
                "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}},
                             "podAntiAffinity": {}},
                "containers": [{"name": "confluence", "ports": [{"name": "http", "containerPort": 8090}],
                                "env": [{"name": "ATL_TOMCAT_PORT", "value": "18090"}]}],
                "initContainers": [{"name": names::SIDECAR_CONTAINER, "image": "sidecar:1", "imagePullPolicy": "Always",
                                    "securityContext": {"runAsUser": 65532}, "env": [{"name": names::ENV_POD, "value": "{}"}]}],
            },
        }));
        serde_json::to_value(of("p", node, &policy, &template, &next).unwrap()).unwrap()
    }

    #[test]
    fn it_is_on_the_workloads_network_and_no_confluence() {
        let pod = made(Some("node-1"));
        assert_eq!(pod["metadata"]["labels"], json!({"app": "wiki"}), "no mark of injection");
        let containers = pod["spec"]["containers"].as_array().unwrap();
        let [container] = containers.as_slice() else { panic!("{containers:?}") };
        assert_eq!(
            (&container["image"], &container["imagePullPolicy"]),
            (&json!("sidecar:1"), &json!("Always"))
        );
        for mark in ["ports", "env"] {
            assert!(container[mark].is_null(), "{mark}");
        }
        assert_eq!(pod["spec"]["initContainers"], Value::Null);
        assert_eq!(pod["spec"]["imagePullSecrets"], json!([{"name": "registry"}]));
        assert_eq!(pod["spec"]["volumes"][0]["configMap"]["name"], "restward-wiki");
        assert!(
            pod["spec"]["readinessGates"][0].is_object() && pod["spec"]["activeDeadlineSeconds"].is_number()
        );
    }

    #[test]
    fn it_goes_where_the_workload_could() {
        let pod = made(Some("node-1"));
        let terms = |pod: &Value| {
            pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"].clone()
        };
        let field = json!({"key": "metadata.name", "operator": "In", "values": ["node-1"]});
        assert_eq!(terms(&pod), json!([{"matchFields": [field]}]));
        let anywhere = made(None);
        assert_eq!(terms(&anywhere), json!([]), "the workload's own");
        assert!(anywhere["spec"]["affinity"]["podAntiAffinity"].is_null(), "its pods run there already");
        assert_eq!(anywhere["spec"]["nodeSelector"], json!({"pool": "wiki"}));
    }
}
