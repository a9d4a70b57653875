//! The way to the API server, as kubectl takes it, and the objects that more than one command asks for.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Config, ResourceExt as _,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
    core::{Selector, SelectorExt as _},
};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names, sidecar::PodSettings};

use crate::{
    args::{Connection, PolicyName},
    failure::{Failure, chain},
};

/// Selects the objects that the operator made.
pub(crate) const MANAGED: &str = "restward.io/managed=true";
/// Selects what the chart made.
pub(crate) const CHART: &str = "app.kubernetes.io/name=restward";
/// Selects the operator's Deployment and pods, whatever the release is called.
pub(crate) const OPERATOR: &str = "app.kubernetes.io/name=restward,app.kubernetes.io/component=operator";

/// A cluster, and the namespace that is meant.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// The namespace that was asked for, else that of the context.
    pub(crate) namespace: String,
    /// What was asked for.
    pub(crate) connection: Connection,
}

impl Session {
    /// Opens the cluster that the command line names.
    pub(crate) async fn open(connection: &Connection) -> Result<Self, Failure> {
        let unreadable = |error: &dyn std::error::Error| {
            Failure::new(
                "read the kubeconfig",
                chain(error),
                "name one by --kubeconfig or $KUBECONFIG, and --context",
            )
        };
        let options =
            KubeConfigOptions { context: connection.context.clone(), ..KubeConfigOptions::default() };
        let config = match &connection.kubeconfig {
            Some(path) => {
                let kubeconfig = Kubeconfig::read_from(path).map_err(|error| unreadable(&error))?;
                Config::from_custom_kubeconfig(kubeconfig, &options).await
            }
            None => Config::from_kubeconfig(&options).await,
        };
        let config = config.map_err(|error| unreadable(&error))?;
        let namespace = connection.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client =
            Client::try_from(config).map_err(|error| Failure::of_api("use the kubeconfig", &error))?;
        Ok(Self { client, namespace, connection: connection.clone() })
    }

    /// Objects of the namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The policies of the namespace.
    pub(crate) async fn policies(&self) -> Result<Vec<RestApiAuthPolicy>, Failure> {
        let listed = self.api::<RestApiAuthPolicy>().list(&ListParams::default()).await;
        let what = || format!("list the policies of namespace {}", self.namespace);
        listed.map(|list| list.items).map_err(|error| match &error {
            kube::Error::Api(status) if status.is_not_found() => Failure::new(
                what(),
                "the API server does not know RestApiAuthPolicy",
                "install the chart restward-crds, then restward",
            ),
            _ => Failure::of_api(what(), &error),
        })
    }

    /// The policy that is meant.
    pub(crate) async fn policy(&self, name: &PolicyName) -> Result<RestApiAuthPolicy, Failure> {
        if let Some(name) = &name.policy {
            let got = self.api::<RestApiAuthPolicy>().get(name).await;
            return got.map_err(|error| {
                Failure::of_api(format!("read policy {name} of namespace {}", self.namespace), &error)
            });
        }
        only(self.policies().await?, &self.namespace)
    }

    /// The pods that a policy injected.
    pub(crate) async fn injected(&self, policy: &RestApiAuthPolicy) -> Result<Vec<Pod>, Failure> {
        injected(&self.client, policy).await
    }

    /// A pod of the policy whose sidecar runs: one that is ready, if there is one.
    pub(crate) async fn sidecar(&self, policy: &RestApiAuthPolicy) -> Result<Pod, Failure> {
        let pods = self.injected(policy).await?;
        let (ready, other): (Vec<Pod>, Vec<Pod>) =
            pods.into_iter().filter(has_running_sidecar).partition(is_ready);
        ready.into_iter().chain(other).next().ok_or_else(|| {
            Failure::new(
                format!("find a sidecar of policy {}", policy.name_any()),
                "no pod that it injected runs",
                "kubectl restward check says why; pods from before the policy have to be restarted",
            )
        })
    }
}

/// The pods that a policy injected.
pub(crate) async fn injected(client: &Client, policy: &RestApiAuthPolicy) -> Result<Vec<Pod>, Failure> {
    let namespace = policy.namespace().unwrap_or_default();
    let ours = ListParams::default().labels(&format!(
        "{}={}",
        names::LABEL_INJECTED,
        policy.uid().unwrap_or_default()
    ));
    let listed = Api::<Pod>::namespaced(client.clone(), &namespace).list(&ours).await;
    listed
        .map(|list| list.items)
        .map_err(|error| Failure::of_api(format!("list the pods of namespace {namespace}"), &error))
}

fn only(mut policies: Vec<RestApiAuthPolicy>, namespace: &str) -> Result<RestApiAuthPolicy, Failure> {
    let what = "choose a policy";
    match policies.len() {
        0 => Err(Failure::new(
            what,
            format!("namespace {namespace} has none"),
            "name the namespace of one by -n",
        )),
        1 => Ok(policies.remove(0)),
        _ => {
            let names: Vec<String> = policies.iter().map(kube::ResourceExt::name_any).collect();
            let why = format!("namespace {namespace} has {}: {}", names.len(), names.join(", "));
            Err(Failure::new(what, why, "name one by --policy"))
        }
    }
}

/// Whether the policy's selector fits a pod's labels.
pub(crate) fn selects(
    policy: &RestApiAuthPolicy,
    labels: &std::collections::BTreeMap<String, String>,
) -> bool {
    Selector::try_from(policy.spec.selector.clone())
        .is_ok_and(|selector| !selector.selects_all() && selector.matches(labels))
}

/// What injection told the sidecar of a pod.
pub(crate) fn settings(pod: &Pod) -> Option<PodSettings> {
    let containers = pod.spec.as_ref()?.init_containers.as_ref()?;
    let sidecar = containers.iter().find(|container| container.name == names::SIDECAR_CONTAINER)?;
    let told = sidecar.env.as_ref()?.iter().find(|variable| variable.name == names::ENV_POD)?;
    // Injection writes `$$` for `$`, which the kubelet undoes.
    PodSettings::from_json(&told.value.as_ref()?.replace("$$", "$")).ok()
}

/// Whether all containers of a pod are ready.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|it| it.type_ == "Ready" && it.status == "True"))
}

fn has_running_sidecar(pod: &Pod) -> bool {
    let statuses = pod.status.as_ref().and_then(|status| status.init_container_statuses.as_ref());
    pod.metadata.deletion_timestamp.is_none()
        && statuses.is_some_and(|all| {
            all.iter().any(|it| {
                it.name == names::SIDECAR_CONTAINER
                    && it.state.as_ref().is_some_and(|state| state.running.is_some())
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn policy(name: &str) -> RestApiAuthPolicy {
        serde_json::from_value(json!({
            "apiVersion": "restward.io/v1alpha1", "kind": "RestApiAuthPolicy", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app": "wiki"}}, "keycloak": {"host": "h", "realm": "r"}},
        }))
        .unwrap()
    }

    #[test]
    fn of_several_policies_one_has_to_be_named() {
        assert_eq!(only(vec![policy("a")], "n").unwrap().name_any(), "a");
        assert!(only(Vec::new(), "n").unwrap_err().to_string().contains("namespace n has none"));
        let several = only(vec![policy("a"), policy("b")], "n").unwrap_err().to_string();
        assert!(several.contains("has 2: a, b") && several.contains("--policy"), "{several}");
    }

    #[test]
    fn a_sidecar_is_asked_in_a_pod_in_which_it_runs() {
        let pod = |state: serde_json::Value| -> Pod {
            let sidecar = json!([{"name": names::SIDECAR_CONTAINER, "state": state, "ready": true, "restartCount": 0,
                                  "image": "", "imageID": ""}]);
            serde_json::from_value(json!({"status": {"initContainerStatuses": sidecar}})).unwrap()
        };
        assert!(has_running_sidecar(&pod(json!({"running": {}}))));
        assert!(!has_running_sidecar(&pod(json!({"waiting": {}}))));
        assert!(!has_running_sidecar(&Pod::default()));
    }

    #[test]
    fn dollars_of_the_sidecars_settings_are_undone() {
        let pod: Pod = serde_json::from_value(json!({"spec": {"containers": [], "initContainers": [{
            "name": names::SIDECAR_CONTAINER,
            "env": [{"name": names::ENV_POD, "value": r#"{"listenPort": 8090, "proxyName": "a$$b"}"#}],
        }]}}))
        .unwrap();
        assert_eq!(settings(&pod).unwrap().proxy_name.as_deref(), Some("a$b"));
    }
}
