//! The suite's own Confluence, its policy, and the pods beside it from which ways are tried.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::operator;
use crate::{
    command::{apply, kubectl, kubectl_json},
    policy::until,
    wait::{QUICK, SLOW, eventually},
    world::World,
};

/// Namespace of it all; everything goes with it.
pub(super) const NAMESPACE: &str = "restward-ways";
/// StatefulSet and Service.
pub(super) const WORKLOAD: &str = "way-confluence";
/// Its pod.
pub(super) const POD: &str = "way-confluence-0";
/// The policy.
pub(super) const POLICY: &str = "way";
/// ConfigMap of the policy.
pub(super) const CONFIG_MAP: &str = "restward-way";
/// A pod beside it that looks like Confluence and is not selected.
pub(super) const NEIGHBOUR: &str = "neighbour";
/// A pod on the node's network, which sees the node's processes.
pub(super) const NODE: &str = "node";

/// The stand-in as it is deployed for the wiki.
const MANIFEST: &str = include_str!("../../standins/manifests/confluence.yaml");
const IMAGE: &str = "localhost/restward-standin-confluence:dev";

/// The wiki's manifest for this namespace, with a database that ends with the pod, and open to anonymous visitors.
fn manifest() -> Result<String> {
    let changes = [
        ("namespace: atlassian", format!("namespace: {NAMESPACE}")),
        ("wiki-confluence", WORKLOAD.to_owned()),
        ("app.kubernetes.io/instance: wiki", format!("app.kubernetes.io/instance: {POLICY}")),
        (
            "- {name: STANDIN_DATABASE,",
            "- {name: STANDIN_ANONYMOUS, value: \"true\"}\n            - {name: STANDIN_DATABASE,".into(),
        ),
        (
            "hostPath: {path: /var/lib/restward-cluster/standins/wiki-database, type: DirectoryOrCreate}",
            "emptyDir: {}".into(),
        ),
        ("terminationGracePeriodSeconds: 25", "terminationGracePeriodSeconds: 5".into()),
    ];
    changes.iter().try_fold(MANIFEST.to_owned(), |text, (from, to)| {
        ensure!(text.contains(from), "the stand-in's manifest has no {from:?}");
        Ok(text.replace(from, to))
    })
}

fn policy() -> Value {
    json!({
        "apiVersion": "restward.io/v1alpha1", "kind": "RestApiAuthPolicy",
        "metadata": {"name": POLICY, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": labels()},
            "keycloak": {
                "host": "https://sso.example.test/auth", "realm": "atlassian",
                "backchannelURL": "https://keycloak.keycloak.svc:8443", "caCertificateRefs": [{"name": "keycloak-ca"}],
            },
            "basicAuth": {"mode": "Allow"},
        },
    })
}

/// What the policy selects.
pub(super) fn labels() -> Value {
    json!({"app.kubernetes.io/name": "confluence", "app.kubernetes.io/instance": POLICY})
}

fn beside(name: &str, spec: &Value, container: &Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [
            {"name": "shell", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "infinity"]}]}});
    lay_over(&mut pod["spec"], spec);
    lay_over(&mut pod["spec"]["containers"][0], container);
    pod
}

fn lay_over(under: &mut Value, over: &Value) {
    if let (Some(under), Some(over)) = (under.as_object_mut(), over.as_object()) {
        under.extend(over.clone());
    }
}

/// The marks by which Confluence is known.
pub(super) fn marks() -> Value {
    json!({"ports": [{"name": "http", "containerPort": 8090}], "env": [{"name": "ATL_TOMCAT_PORT", "value": "8090"}]})
}

/// Without the policy: Confluence as it comes, and the pods beside it.
pub(super) async fn set_up(world: &World) -> Result<()> {
    remove().await?;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "keycloak-ca", "namespace": NAMESPACE},
        "data": {"ca.crt": world.ca_pem}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "wiki-admin", "namespace": NAMESPACE},
        "stringData": {"token": world.admin_token}});
    let node = json!({"hostNetwork": true, "hostPID": true});
    let privileged = json!({"securityContext": {"privileged": true, "runAsUser": 0}});
    kubectl(&["create", "namespace", NAMESPACE]).await?;
    let objects = [map, secret, beside(NEIGHBOUR, &json!({}), &marks()), beside(NODE, &node, &privileged)]
        .map(|one| one.to_string());
    apply(&format!("{}\n---\n{}", manifest()?, objects.join("\n---\n"))).await?;
    ready(POD).await?;
    ready(NEIGHBOUR).await?;
    ready(NODE).await
}

/// Takes the namespace away. Where the operator runs it lets the policy go.
pub(super) async fn remove() -> Result<()> {
    // The namespace controller would look for pods that end a moment later after a quarter of a minute only.
    kubectl(&["delete", "statefulsets,pods", "--all", "-n", NAMESPACE, "--timeout=120s"]).await?;
    kubectl(&["delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s"]).await.map(drop)
}

/// Applies the policy.
pub(super) async fn protect() -> Result<()> {
    apply(&policy().to_string()).await.map(drop)
}

/// Waits until a pod is ready.
pub(super) async fn ready(name: &str) -> Result<()> {
    eventually(&format!("pod {name} is ready"), SLOW, || async {
        let pod = kubectl_json(&["get", "pod", name, "-n", NAMESPACE]).await?;
        let conditions = pod["status"]["conditions"].as_array();
        let is_ready = conditions
            .is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"));
        ensure!(is_ready && pod["metadata"]["deletionTimestamp"].is_null(), "{}", pod["status"]["phase"]);
        Ok(())
    })
    .await
}

/// Whether Tomcat is told to listen on loopback only (`Auto`), or the valve alone refuses others (`Off`).
pub(super) async fn bind(to: &str) -> Result<()> {
    let patch = json!({"spec": {"loopbackBind": to}}).to_string();
    kubectl(&["patch", "restapiauthpolicy", POLICY, "-n", NAMESPACE, "--type=merge", "-p", &patch]).await?;
    condition("Programmed", "True", "Programmed").await?;
    restart().await
}

/// Makes the pod anew, and waits until every sidecar has looked for ways around itself and found none.
pub(super) async fn restart() -> Result<()> {
    kubectl(&["delete", "pod", POD, "-n", NAMESPACE]).await?;
    verified().await
}

/// Waits for the same without a restart.
pub(super) async fn verified() -> Result<()> {
    ready(POD).await?;
    condition("Enforced", "True", "Verified").await.map(drop)
}

/// Waits for a condition of the policy.
pub(super) async fn condition(kind: &str, status: &str, reason: &str) -> Result<String> {
    until(NAMESPACE, POLICY, kind, status, reason, QUICK).await
}

/// The policy's UID.
pub(super) async fn uid() -> Result<String> {
    kubectl(&["get", "restapiauthpolicy", POLICY, "-n", NAMESPACE, "-o", "jsonpath={.metadata.uid}"]).await
}

/// Names of the objects that the operator made for the policy in the whole cluster: webhook configuration and binding.
pub(super) async fn enforcement() -> Result<[String; 2]> {
    let selector = format!("restward.io/policy={}", uid().await?);
    let name = async |kind: &str| {
        let found =
            kubectl(&["get", kind, "-l", &selector, "-o", "jsonpath={.items[*].metadata.name}"]).await?;
        ensure!(!found.is_empty() && !found.contains(' '), "{kind} of the policy: {found:?}");
        Ok(format!("{kind}/{found}"))
    };
    Ok([name("mutatingwebhookconfiguration").await?, name("validatingadmissionpolicybinding").await?])
}

/// Address of the pod.
pub(super) async fn address() -> Result<String> {
    let found = kubectl(&["get", "pod", POD, "-n", NAMESPACE, "-o", "jsonpath={.status.podIP}"]).await?;
    ensure!(!found.is_empty(), "the pod has no address");
    Ok(found)
}

/// A bare pod from the StatefulSet's template, as somebody would write it.
pub(super) async fn bare(name: &str) -> Result<Value> {
    let set = kubectl_json(&["get", "statefulset", WORKLOAD, "-n", NAMESPACE]).await?;
    let template = set["spec"]["template"].clone();
    let labels = template["metadata"]["labels"].as_object().context("the template has no labels")?;
    Ok(json!({"apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels}}))
}

/// A small pod that is selected and has Confluence's marks, but nothing in it.
pub(super) fn hollow(name: &str) -> Value {
    let mut pod = beside(name, &json!({}), &marks());
    pod["metadata"]["labels"] = labels();
    pod
}

/// The operator's own user name.
pub(super) fn as_operator() -> String {
    format!("--as=system:serviceaccount:{0}:{0}", operator::RELEASE)
}
