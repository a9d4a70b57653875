//! The chart's admission policies and the operator's rights, as they are rendered, on the API server under test: under
//! other names, and held to the namespaces of these tests, so that nothing else in the cluster is touched.

use std::{fs, path::PathBuf, time::Duration};

use k8s_openapi::api::{admissionregistration::v1::ValidatingWebhookConfiguration, core::v1::ConfigMap};
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use restward_crds::names;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// Label of the namespaces in which the policies hold.
pub(crate) const NAMESPACE_LABEL: &str = "t-operator";
/// Label of those in which no container may be added to a protected pod.
pub(crate) const NO_EPHEMERAL_LABEL: &str = "t-operator-no-ephemeral";
/// The operator's user name.
pub(crate) const OPERATOR: &str = "system:serviceaccount:t-operator-ns:restward";
/// One of `breakGlass.groups` in `ci/everything.yaml`.
pub(crate) const BREAK_GLASS: &str = "wiki-admins";
/// The webhook configuration that the operator may fill in.
pub(crate) const BREAK_GLASS_WEBHOOK: &str = "t-operator-break-glass";
/// The policy to which the operator binds.
pub(crate) const BACKSTOP: &str = "t-operator-require-sidecar";

/// Installs them once per run.
pub(crate) async fn install(admin: &Client) {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED
        .get_or_init(|| async {
            for object in rendered() {
                apply(admin, object).await;
            }
        })
        .await;
}

/// The configuration by which uses of break-glass in one namespace are asked about, but for where; under a name of its own.
pub(crate) fn break_glass(name: &str, namespace: &str) -> ValidatingWebhookConfiguration {
    let configuration =
        documents().into_iter().find(|object| object["kind"] == "ValidatingWebhookConfiguration");
    let mut configuration = configuration.expect("the chart has one");
    configuration["metadata"] = json!({ "name": name });
    for hook in configuration["webhooks"].as_array_mut().unwrap() {
        hook["namespaceSelector"] = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
        // A busy machine must not lose a use.
        hook["timeoutSeconds"] = json!(10);
    }
    serde_json::from_value(configuration).unwrap()
}

fn documents() -> Vec<Value> {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../charts/restward/golden/everything.yaml");
    let text = fs::read_to_string(golden).unwrap();
    let text =
        text.replace("restward-system-restward", "t-operator").replace("restward-system", "t-operator-ns");
    text.split("\n---\n").map(|document| serde_saphyr::from_str::<Value>(document).unwrap()).collect()
}

fn rendered() -> Vec<Value> {
    documents()
        .into_iter()
        .filter(|object| object["metadata"]["annotations"]["helm.sh/hook"].is_null())
        .filter(|object| {
            let kind = object["kind"].as_str().unwrap_or_default();
            kind.starts_with("ValidatingAdmissionPolicy") || kind.starts_with("ClusterRole")
        })
        .map(|mut object| {
            if object["kind"] == "ValidatingAdmissionPolicyBinding" {
                let is_optional = object["metadata"]["name"] == "t-operator-ephemeral-containers";
                let label = if is_optional { NO_EPHEMERAL_LABEL } else { NAMESPACE_LABEL };
                object["spec"]["matchResources"]["namespaceSelector"] =
                    json!({"matchLabels": {label: "true"}});
            }
            object
        })
        .collect()
}

async fn apply(admin: &Client, object: Value) {
    let (group, version) = object["apiVersion"].as_str().unwrap().split_once('/').unwrap();
    let kind = object["kind"].as_str().unwrap();
    let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    if kind == "ValidatingAdmissionPolicy" {
        "validatingadmissionpolicies".clone_into(&mut resource.plural);
    }
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let name = object.metadata.name.clone().unwrap();
    let params = PatchParams::apply("restward-tests").force().validation_strict();
    let api: Api<DynamicObject> = Api::all_with(admin.clone(), &resource);
    api.patch(&name, &params, &Patch::Apply(object)).await.unwrap();
}

/// Waits until the policies hold in a new namespace: the API server hears of them a moment after they are written.
pub(crate) async fn holds(somebody: &Client, namespace: &str) {
    let forged: ConfigMap = serde_json::from_value(
        json!({"metadata": {"name": "forged", "labels": {names::LABEL_MANAGED: "true"}}}),
    )
    .unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(somebody.clone(), namespace);
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    while maps.create(&dry_run, &forged).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
