//! Whether a real API server takes injected pods: its validation, Pod Security, and its ServiceAccount admission, which
//! changes pods after us. Everything is a dry run. The cluster is the one of `RESTWARD_TEST_KUBECONFIG`.

use std::{collections::BTreeMap, env, time::Duration};

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use restward_crds::names;
use serde_json::{Value, json};

use crate::support::{assert_stable, injected, pod};

pub(crate) async fn config() -> Config {
    // Another test may have installed it already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let path = env::var("RESTWARD_TEST_KUBECONFIG").expect("RESTWARD_TEST_KUBECONFIG names a kubeconfig");
    let kubeconfig = Kubeconfig::read_from(path).unwrap();
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap()
}

/// A namespace of its own with this level of Pod Security, and the ServiceAccounts that the pods name.
pub(crate) struct Room {
    pub(crate) client: Client,
    pub(crate) name: String,
}

impl Room {
    pub(crate) async fn open(name: &str, level: &str) -> Self {
        let client = Client::try_from(config().await).unwrap();
        let name = format!("t-inject-{name}-{}", std::process::id());
        let namespace: Namespace = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": level}}
        }))
        .unwrap();
        Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &name);
        let own = serde_json::from_value(json!({"metadata": {"name": "wiki-confluence"}})).unwrap();
        accounts.create(&PostParams::default(), &own).await.unwrap();
        let default_exists =
            kube::runtime::wait::await_condition(accounts, "default", |account: Option<&_>| {
                account.is_some()
            });
        tokio::time::timeout(Duration::from_secs(30), default_exists)
            .await
            .expect("a default ServiceAccount")
            .unwrap();
        Self { client, name }
    }

    /// The pod as the API server would store it.
    async fn dry_run(&self, mut pod: Value) -> Result<Value, kube::Error> {
        pod["metadata"]["namespace"] = json!(self.name);
        let request = http::Request::post(format!("/api/v1/namespaces/{}/pods?dryRun=All", self.name))
            .header("content-type", "application/json")
            .body(pod.to_string().into_bytes())
            .unwrap();
        self.client.request(request).await
    }

    pub(crate) async fn close(self) {
        let namespaces = Api::<Namespace>::all(self.client);
        namespaces.delete(&self.name, &DeleteParams::default()).await.unwrap();
    }
}

#[tokio::test]
async fn injected_pods_are_accepted_under_baseline_and_stay_as_injected() {
    let room = Room::open("baseline", "baseline").await;
    let mut refused = BTreeMap::new();
    for name in [
        "default",
        "context-path",
        "all-probes",
        "named-probe-ports",
        "jmx",
        "additional-containers",
        "istio",
        "pod-labels",
        "chart-server-xml",
    ] {
        let mut pod = injected(&pod(&format!("{name}.yaml")));
        pod["metadata"]["name"] = json!(name);
        match room.dry_run(pod).await {
            Ok(stored) => {
                assert_no_token(&stored);
                assert_stable(&stored);
            }
            Err(error) => drop(refused.insert(name, error.to_string())),
        }
    }
    room.close().await;
    assert!(refused.is_empty(), "{refused:#?}");
}

/// The API server mounts the ServiceAccount token into every container that has nothing mounted at its place.
fn assert_no_token(stored: &Value) {
    let volumes = stored["spec"]["volumes"].as_array().unwrap();
    let token = volumes
        .iter()
        .map(|volume| volume["name"].as_str().unwrap())
        .find(|name| name.starts_with("kube-api-access-"))
        .expect("the pod has a token");
    let mounts = |container: &Value| container["volumeMounts"].to_string().contains(token);
    let init = stored["spec"]["initContainers"].as_array().unwrap();
    let sidecar = init.iter().find(|container| container["name"] == names::SIDECAR_CONTAINER).unwrap();
    assert!(!mounts(sidecar));
    assert!(mounts(&stored["spec"]["containers"][0]), "Confluence keeps its token");
}

/// With the chart's own `server.xml` Confluence need not start as root.
#[tokio::test]
async fn a_pod_of_the_chart_under_restricted_stays_so() {
    let room = Room::open("nonroot", "restricted").await;
    let stored = room.dry_run(injected(&pod("chart-server-xml.yaml"))).await;
    room.close().await;
    assert_stable(&stored.unwrap());
}

/// Where the image renders `server.xml` Confluence needs root to start, so its container is made to comply after injection: what is tested is the
/// sidecar, the volumes and everything else that injection adds.
#[tokio::test]
async fn what_injection_adds_is_accepted_under_restricted() {
    let room = Room::open("restricted", "restricted").await;
    let mut pod = injected(&pod("default.yaml"));
    pod["spec"]["containers"][0]["securityContext"] = json!({
        "runAsNonRoot": true,
        "runAsUser": 2002,
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"}
    });
    let accepted = room.dry_run(pod.clone()).await;
    // The control: the level is enforced, on our container too.
    pod["spec"]["initContainers"][0]["securityContext"] = json!({});
    let weakened = room.dry_run(pod).await;
    room.close().await;
    accepted.unwrap();
    let message = weakened.unwrap_err().to_string();
    assert!(message.contains("PodSecurity") && message.contains(names::SIDECAR_CONTAINER), "{message}");
}
