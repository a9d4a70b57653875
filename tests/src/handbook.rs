//! A second wiki: the Confluence stand-in of the demo once more, as a Deployment of two pods in a namespace of its own.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{
    command::{apply, kubectl, kubectl_json},
    reach::{self, Way},
    world::{WIKI, WIKI_NAMESPACE, World},
};

/// Its namespace, Deployment, Service and policy, and its label `app.kubernetes.io/instance`.
pub const NAME: &str = "handbook";
/// Its pods.
pub const REPLICAS: usize = 2;

/// The label that its pods have and the demo's do not.
const INSTANCE: &str = "app.kubernetes.io/instance";
/// What pods and policy refer to, as the demo's do.
const REFERENCES: [(&str, &str); 4] = [
    ("serviceaccount", WIKI),
    ("configmap", "wiki-confluence-jvm-config"),
    ("configmap", "keycloak-ca"),
    ("secret", "wiki-admin"),
];

/// Makes it, and waits until its pods are ready.
///
/// # Errors
/// When the demo is not there, or pods do not come.
pub async fn create() -> Result<()> {
    apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}}).to_string()).await?;
    for (kind, name) in REFERENCES {
        let of_the_demo = kubectl_json(&["get", kind, name, "-n", WIKI_NAMESPACE]).await?;
        apply(&of_its_own(&of_the_demo, name).to_string()).await?;
    }
    let set = kubectl_json(&["get", "statefulset", WIKI, "-n", WIKI_NAMESPACE]).await?;
    apply(&deployment(&set)?.to_string()).await?;
    let ports = json!([{"name": "http", "port": 80, "targetPort": "http"}]);
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME, "namespace": NAME},
        "spec": {"selector": {INSTANCE: NAME}, "ports": ports}});
    apply(&service.to_string()).await?;
    until_rolled_out().await
}

fn of_its_own(object: &Value, name: &str) -> Value {
    let mut object = object.clone();
    object["metadata"] = json!({"name": name, "namespace": NAME});
    object
}

/// With a database of its own, which is both pods' as a wiki's is, and time for the cluster to send calls elsewhere before a pod ends.
fn deployment(set: &Value) -> Result<Value> {
    let mut template = set["spec"]["template"].clone();
    template["metadata"]["labels"][INSTANCE] = NAME.into();
    // What rollouts left in the demo's.
    template["metadata"]["annotations"] = json!({});
    let volumes = template["spec"]["volumes"].as_array_mut().context("no volumes")?;
    let database = volumes.iter_mut().find(|volume| volume["name"] == "database").context("no database")?;
    let path = database["hostPath"]["path"].as_str().context("no path")?;
    database["hostPath"]["path"] = format!("{path}-{NAME}").into();
    let confluence = template["spec"]["containers"].get_mut(0).context("no container")?;
    confluence["lifecycle"]["preStop"]["exec"]["command"] =
        json!(["sh", "-c", "sleep 10; /shutdown-wait.sh"]);
    let mut deployment = of_its_own(
        &json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": REPLICAS,
            "selector": {"matchLabels": {INSTANCE: NAME}}}}),
        NAME,
    );
    deployment["spec"]["template"] = template;
    Ok(deployment)
}

/// Waits until the Deployment's pods are all of its template.
///
/// # Errors
/// When they do not come.
pub async fn until_rolled_out() -> Result<()> {
    let workload = format!("deployment/{NAME}");
    kubectl(&["rollout", "status", &workload, "-n", NAME, "--timeout=300s"]).await.map(drop)
}

/// Its pods, without those that end.
///
/// # Errors
/// When the API server does not answer.
pub async fn pods() -> Result<Vec<Value>> {
    let mut pods = pods_and_ending().await?;
    pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    Ok(pods)
}

/// Its pods, and those that end.
///
/// # Errors
/// When the API server does not answer.
pub async fn pods_and_ending() -> Result<Vec<Value>> {
    let selector = format!("{INSTANCE}={NAME}");
    let mut list = kubectl_json(&["get", "pods", "-n", NAME, "-l", &selector]).await?;
    Ok(std::mem::take(list["items"].as_array_mut().context("no list")?))
}

/// How often its Deployment was rolled out.
///
/// # Errors
/// When it is not there.
pub async fn revision() -> Result<u32> {
    let deployment = kubectl_json(&["get", "deployment", NAME, "-n", NAME]).await?;
    let revision = deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str();
    Ok(revision.context("no revision")?.parse()?)
}

/// Makes its policy, which has no other hands than the operator's and the sidecars'.
///
/// # Errors
/// When it is refused.
pub async fn create_policy() -> Result<()> {
    let link = json!({"mode": "Managed", "adminTokenSecretRef": {"name": "wiki-admin", "key": "token"}});
    let policy = json!({"apiVersion": "restward.io/v1alpha1", "kind": "RestApiAuthPolicy",
    "metadata": {"name": NAME, "namespace": NAME},
    "spec": {
        "selector": {"matchLabels": {INSTANCE: NAME}},
        "keycloak": {"host": "https://sso.example.test/auth", "realm": "atlassian",
            "backchannelURL": "https://keycloak.keycloak.svc:8443", "caCertificateRefs": [{"name": "keycloak-ca"}]},
        "upstream": {"identity": {"oauth1": {"applicationLink": link}}},
        "rollout": {"strategy": "Automatic"},
    }});
    apply(&policy.to_string()).await.map(drop)
}

/// The policy as it is.
///
/// # Errors
/// When it does not exist.
pub async fn policy() -> Result<Value> {
    kubectl_json(&["get", "restapiauthpolicy", NAME, "-n", NAME]).await
}

/// Merges `patch` into the policy.
///
/// # Errors
/// When the API server refuses it.
pub async fn patch(patch: &Value) -> Result<()> {
    let patch = patch.to_string();
    kubectl(&["patch", "restapiauthpolicy", NAME, "-n", NAME, "--type=merge", "-p", &patch]).await.map(drop)
}

/// Calls go to it as long as the way is kept.
///
/// # Errors
/// When it is not reached.
pub async fn world(demo: &World) -> Result<(World, Way)> {
    let way = reach::service(NAME, NAME, 80).await?;
    Ok((demo.with_wiki(format!("http://{}/confluence", way.address)), way))
}
