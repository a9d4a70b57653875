//! The built program against a real API server: `RESTWARD_TEST_KUBECONFIG=... cargo test -p kubectl-restward --features
//! cluster-tests --test api_server`. The chart `restward-crds` must be installed, and no operator may run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panic; indexing a JSON value by a name gives Null"
)]

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{Namespace, Pod, ServiceAccount},
};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use restward_crds::api::v1alpha1::RestApiAuthPolicy;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn kubeconfig() -> PathBuf {
    std::env::var("RESTWARD_TEST_KUBECONFIG").expect("RESTWARD_TEST_KUBECONFIG names a kubeconfig").into()
}

/// A namespace of its own, which goes with the test.
struct Cluster {
    client: Client,
    namespace: String,
}

impl Cluster {
    async fn new(test: &str, labels: Value) -> Self {
        _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let kubeconfig = Kubeconfig::read_from(kubeconfig()).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let client = Client::try_from(config).unwrap();
        let namespace = format!("t-cli-{test}-{}", std::process::id());
        let object: Namespace = object(json!({"metadata": {"name": namespace, "labels": labels}}));
        Api::all(client.clone()).create(&PostParams::default(), &object).await.unwrap();
        let cluster = Self { client, namespace };
        // Pods need it, and it comes a moment after the namespace.
        let accounts: Api<ServiceAccount> = cluster.api();
        while accounts.get_opt("default").await.unwrap().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        cluster
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn create<K>(&self, value: Value)
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + serde::Serialize
            + std::fmt::Debug,
    {
        self.api::<K>().create(&PostParams::default(), &object(value)).await.unwrap();
    }

    async fn create_policy(&self) {
        self.create::<RestApiAuthPolicy>(json!({
            "apiVersion": "restward.io/v1alpha1", "kind": "RestApiAuthPolicy", "metadata": {"name": "wiki"},
            "spec": {"selector": {"matchLabels": {"app": "wiki"}}, "keycloak": {"host": "http://127.0.0.1:9", "realm": "r"}},
        }))
        .await;
    }

    /// A StatefulSet that makes no pods.
    async fn create_stateful_set(&self, pod: Value) {
        self.create::<StatefulSet>(json!({
            "metadata": {"name": "wiki"},
            "spec": {"serviceName": "wiki", "replicas": 0, "selector": {"matchLabels": {"app": "wiki"}},
                     "template": {"metadata": {"labels": {"app": "wiki"}}, "spec": pod}},
        }))
        .await;
    }

    fn run(&self, arguments: &[&str]) -> Output {
        run(&[&["-n", &self.namespace], arguments].concat())
    }

    async fn clean_up(self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.delete(&self.namespace, &DeleteParams::background()).await.unwrap();
    }
}

fn object<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-restward"));
    command.arg("--kubeconfig").arg(kubeconfig()).args(arguments).output().unwrap()
}

/// What it wrote, which must be JSON, after it ended like this.
fn json_of(output: &Output, code: i32) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}\n{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The level of the finding that begins like this.
fn level<'a>(report: &'a Value, what: &str) -> &'a str {
    let sections = report["sections"].as_array().unwrap().iter();
    let mut findings = sections.flat_map(|section| section["findings"].as_array().unwrap());
    let found = findings.find(|finding| finding["what"].as_str().unwrap().starts_with(what));
    found.unwrap_or_else(|| panic!("{what}: {report:#}"))["level"].as_str().unwrap()
}

fn pod() -> Value {
    json!({
        "schedulerName": "nobody", "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "confluence", "image": "localhost/none", "ports": [{"name": "http", "containerPort": 8090}]}],
    })
}

#[tokio::test]
async fn check_says_that_nobody_looks_at_a_policy() {
    let cluster = Cluster::new("check", json!({})).await;
    cluster.create_policy().await;
    let report = json_of(&cluster.run(&["check", "-o", "json"]), 1);
    assert_eq!(level(&report, "RestApiAuthPolicy is defined"), "right");
    assert_eq!(level(&report, "the operator is installed"), "wrong");
    assert_eq!(level(&report, "the operator has looked at the newest change"), "wrong");
    let table = cluster.run(&["check"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("× the operator is installed\n    why: "));
    let policies: Api<RestApiAuthPolicy> = cluster.api();
    let unheld = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    policies.patch("wiki", &PatchParams::default(), &unheld).await.unwrap();
    cluster.clean_up().await;
}

#[tokio::test]
async fn explain_says_why_a_pod_has_no_sidecar() {
    let cluster = Cluster::new("explain", json!({})).await;
    cluster
        .create::<Pod>(json!({"metadata": {"name": "wiki-0", "labels": {"app": "wiki"}}, "spec": pod()}))
        .await;
    let explained = json_of(&cluster.run(&["explain", "wiki-0", "-o", "json"]), 0);
    assert!(explained["why"].as_str().unwrap().contains("has no policy"), "{explained}");
    cluster.create_policy().await;
    let explained = json_of(&cluster.run(&["explain", "wiki-0", "-o", "json"]), 1);
    assert!(explained["why"].as_str().unwrap().contains("never accepted"), "{explained}");
    let missing = cluster.run(&["explain", "nobody"]);
    assert_eq!(missing.status.code(), Some(3));
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(said.contains("why: pods \"nobody\" not found") && said.contains("fix: "), "{said}");
    cluster.clean_up().await;
}

#[tokio::test]
async fn the_next_pod_is_tried_and_none_is_made() {
    let cluster = Cluster::new("preflight", json!({})).await;
    cluster.create_stateful_set(pod()).await;
    let report = json_of(&cluster.run(&["preflight", "wiki", "-o", "json"]), 0);
    assert_eq!(level(&report, "the API server takes it"), "right");
    assert_eq!(level(&report, "a policy selects it"), "warning");
    // The API server adds the ServiceAccount to each pod.
    let diff = json_of(&cluster.run(&["diff", "statefulset/wiki", "-o", "json"]), 1);
    let paths: Vec<&str> =
        diff["changes"].as_array().unwrap().iter().map(|change| change["path"].as_str().unwrap()).collect();
    assert!(paths.contains(&"spec.serviceAccountName"), "{paths:?}");
    let pods = cluster.api::<Pod>().list(&kube::api::ListParams::default()).await.unwrap();
    assert!(pods.items.is_empty());
    cluster.clean_up().await;
}

#[tokio::test]
async fn a_refusal_of_the_next_pod_is_shown() {
    let restricted = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let cluster = Cluster::new("refused", restricted).await;
    let mut pod = pod();
    pod["hostNetwork"] = json!(true);
    cluster.create_stateful_set(pod).await;
    let report = json_of(&cluster.run(&["preflight", "wiki", "-o", "json"]), 1);
    assert_eq!(level(&report, "the API server takes it"), "wrong");
    assert!(report.to_string().contains("PodSecurity"), "{report:#}");
    cluster.clean_up().await;
}

#[tokio::test]
async fn who_may_see_nothing_is_not_told_that_all_is_well() {
    let cluster = Cluster::new("rights", json!({})).await;
    let text = std::fs::read_to_string(kubeconfig()).unwrap();
    let mut config: Value = serde_saphyr::from_str(&text).unwrap();
    for user in config["users"].as_array_mut().unwrap() {
        user["user"]["as"] = json!("nobody");
    }
    let file = std::env::temp_dir().join(format!("restward-cli-{}.yaml", std::process::id()));
    std::fs::write(&file, config.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-restward"));
    let output = command.arg("--kubeconfig").arg(&file).args(["check", "-o", "json"]).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    let report = json_of(&output, 3);
    assert_eq!(level(&report, "not everything could be looked at"), "unseen");
    assert_eq!(report["isRight"], false);
    cluster.clean_up().await;
}

#[test]
fn a_cluster_that_is_away_is_named_as_that() {
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-restward"))
        .args(["--kubeconfig", "/nonexistent/kubeconfig", "check"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("could not read the kubeconfig") && said.contains("fix: "), "{said}");
}
