//! A namespace for one test, and the controller as a function.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::{
        admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingAdmissionPolicyBinding},
        core::v1::{ConfigMap, Namespace, Pod, Secret},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    client::{Body, ClientBuilder},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::wait::{await_condition, conditions},
};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};
use restward_operator::{
    acks::Acks,
    args::{Cli, Command, Sidecar, WatchdogAction},
    controller::{
        self, Applied, Context, WebhookEndpoint, break_glass::Told, budget::Budget, provider::Providers,
        provisioning::Realms, watchdog::Watchdog,
    },
    discovery::Guard,
    events::Events,
    lease::fence::Fence,
    metrics::Metrics,
};
use serde_json::{Value, json};
use tower::util::MapRequestLayer;

use super::chart;

/// Nothing that a test waits for takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A namespace, the controller, and the way to both.
pub(crate) struct Cluster {
    /// Somebody who may do everything, also what the admission policies refuse to others.
    pub(crate) client: Client,
    /// Somebody who has every right of RBAC, but is held by the admission policies.
    pub(crate) somebody: Client,
    pub(crate) namespace: String,
    context: Arc<Context>,
    asked: Asked,
}

/// Requests of the controller, such as `GET /api/v1/...`.
type Asked = Arc<Mutex<Vec<String>>>;

/// The cluster of `RESTWARD_TEST_KUBECONFIG`, with the chart `restward-crds` installed. Fails when it is not usable: a test that is skipped proves nothing.
async fn connect() -> Config {
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let path =
        std::env::var("RESTWARD_TEST_KUBECONFIG").expect("RESTWARD_TEST_KUBECONFIG names a kubeconfig");
    let kubeconfig = Kubeconfig::read_from(PathBuf::from(path)).expect("the kubeconfig is readable");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let definitions: Api<CustomResourceDefinition> = Api::all(Client::try_from(config.clone()).unwrap());
    let established =
        await_condition(definitions, "restapiauthpolicies.restward.io", conditions::is_crd_established());
    let established = tokio::time::timeout(PATIENCE, established).await;
    established.expect("the chart restward-crds is installed").expect("the API server answers");
    config
}

/// A client of another user.
fn impersonate(config: &Config, user: &str, groups: &[&str]) -> Client {
    Client::try_from(as_user(config, user, groups)).unwrap()
}

fn as_user(config: &Config, user: &str, groups: &[&str]) -> Config {
    let mut config = config.clone();
    config.auth_info.impersonate = Some(user.to_owned());
    config.auth_info.impersonate_groups = Some(groups.iter().map(|group| (*group).to_owned()).collect());
    config
}

/// The operator with the rights of its ServiceAccount, and `more` groups.
pub(crate) async fn operator(more: &[&str]) -> Client {
    Client::try_from(operator_config(more).await).unwrap()
}

async fn operator_config(more: &[&str]) -> Config {
    let own = ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:t-operator-ns"];
    // What the API server refuses for the moment is to be seen, not tried again.
    let mut config = connect().await;
    config.default_retry = false;
    as_user(&config, chart::OPERATOR, &[&own, more].concat())
}

/// The same, with each of its requests noted.
async fn noted_operator(asked: &Asked) -> Client {
    let asked = Arc::clone(asked);
    let note = MapRequestLayer::new(move |request: http::Request<Body>| {
        asked.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
        request
    });
    ClientBuilder::try_from(operator_config(&[]).await).unwrap().with_layer(&note).build()
}

impl Cluster {
    /// A fresh namespace.
    pub(crate) async fn new(test: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let config = connect().await;
        chart::install(&Client::try_from(config.clone()).unwrap()).await;
        let client = impersonate(&config, "admin", &["system:masters", chart::BREAK_GLASS]);
        let somebody = impersonate(&config, "somebody", &["system:masters"]);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("t-{test}-{}-{number}", std::process::id());
        let metadata = json!({"name": namespace, "labels": {chart::NAMESPACE_LABEL: "true"}});
        let object: Namespace = serde_json::from_value(json!({ "metadata": metadata })).unwrap();
        Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &object).await.unwrap();
        let asked = Asked::default();
        let context = Arc::new(context(noted_operator(&asked).await));
        let holds = chart::holds(&somebody, &namespace);
        tokio::time::timeout(PATIENCE, holds).await.expect("the chart's policies hold");
        Self { client, somebody, namespace, context, asked }
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates a policy; `spec` is laid over the smallest one.
    pub(crate) async fn create(&self, name: &str, spec: Value) -> Result<RestApiAuthPolicy, kube::Error> {
        let policy = serde_json::from_value(policy(name, spec)).unwrap();
        self.api().create(&PostParams::default(), &policy).await
    }

    pub(crate) async fn edit(&self, name: &str, spec: Value) {
        let policies: Api<RestApiAuthPolicy> = self.api();
        policies.patch(name, &PatchParams::default(), &Patch::Merge(json!({ "spec": spec }))).await.unwrap();
    }

    /// Reconciles once and gives what the policy is then; `None` when it is gone.
    pub(crate) async fn reconcile(&self, name: &str) -> Option<RestApiAuthPolicy> {
        let policies: Api<RestApiAuthPolicy> = self.api();
        let policy = policies.get(name).await.unwrap();
        controller::reconcile(Arc::new(policy), Arc::clone(&self.context)).await.unwrap();
        policies.get_opt(name).await.unwrap()
    }

    /// What the controller asked of the API server since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// What the controller works with.
    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// What the operator injects.
    pub(crate) fn sidecar(&self) -> &Sidecar {
        &self.context.sidecar
    }

    /// From now on the operator accepts policies in such namespaces only.
    pub(crate) fn takes_policies_in(&mut self, labels: &Value) {
        let context = Arc::get_mut(&mut self.context).expect("nothing reconciles");
        context.scope = serde_json::from_value(json!({ "matchLabels": labels })).unwrap();
    }

    /// From now on the operator injects another image.
    pub(crate) fn changes_sidecar(&mut self, image: &str) {
        let context = Arc::get_mut(&mut self.context).expect("nothing reconciles");
        image.clone_into(&mut context.sidecar.image);
    }

    /// The operator's metrics.
    pub(crate) fn metrics(&self) -> String {
        self.context.metrics.encode().unwrap()
    }

    pub(crate) async fn config_map(&self, policy: &str) -> Option<ConfigMap> {
        self.api::<ConfigMap>().get_opt(&format!("restward-{policy}")).await.unwrap()
    }

    pub(crate) async fn keys(&self) -> Option<Secret> {
        self.api::<Secret>().get_opt(names::KEYS_SECRET).await.unwrap()
    }

    /// The bindings of this namespace's policies to the backstop.
    pub(crate) async fn bindings(&self) -> Vec<ValidatingAdmissionPolicyBinding> {
        let ours = format!("{}={}", names::LABEL_POLICY_NAMESPACE, self.namespace);
        let api: Api<ValidatingAdmissionPolicyBinding> = Api::all(self.client.clone());
        api.list(&ListParams::default().labels(&ours)).await.unwrap().items
    }

    /// The webhook configurations of this namespace's policies.
    pub(crate) async fn webhooks(&self) -> Vec<MutatingWebhookConfiguration> {
        let ours = format!("{}={}", names::LABEL_POLICY_NAMESPACE, self.namespace);
        let api: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
        api.list(&ListParams::default().labels(&ours)).await.unwrap().items
    }

    /// A pod that no scheduler takes, as the policy with this UID would have injected it. The marks come afterwards: a
    /// pod that says it is injected is not taken before a policy is in force.
    pub(crate) async fn injected_pod(&self, name: &str, uid: &str) {
        let pod = json!({
            "metadata": {"name": name, "labels": {"app": "wiki"}},
            "spec": {
                "schedulerName": "nobody", "automountServiceAccountToken": false,
                "initContainers": [{"name": names::SIDECAR_CONTAINER, "image": "localhost/none", "restartPolicy": "Always"}],
                "containers": [{"name": "confluence", "image": "localhost/none"}],
            },
        });
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let pods: Api<Pod> = self.api();
        // A new namespace gets its ServiceAccount a moment later; until then pods are refused.
        let created = async {
            while pods.create(&PostParams::default(), &pod).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, created).await.expect("the pod is created");
        let marks = json!({"metadata": {
            "labels": {names::LABEL_INJECTED: uid}, "annotations": {names::ANNOTATION_INJECTED_HASH: "h"},
        }});
        pods.patch(name, &PatchParams::default(), &Patch::Merge(marks)).await.unwrap();
    }

    pub(crate) async fn delete_pod(&self, name: &str) {
        let pods: Api<Pod> = self.api();
        pods.delete(name, &DeleteParams::default().grace_period(0)).await.unwrap();
        let gone = async {
            while pods.get_opt(name).await.unwrap().is_some() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("the pod goes");
    }

    /// Removes what the test made.
    pub(crate) async fn clean_up(self) {
        let policies: Api<RestApiAuthPolicy> = self.api();
        for policy in policies.list(&ListParams::default()).await.unwrap() {
            let unheld = Patch::Merge(json!({"metadata": {"finalizers": null}}));
            policies.patch(&policy.name_any(), &PatchParams::default(), &unheld).await.unwrap();
        }
        let webhooks: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
        for webhook in self.webhooks().await {
            webhooks.delete(&webhook.name_any(), &DeleteParams::default()).await.unwrap();
        }
        let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(self.client.clone());
        for binding in self.bindings().await {
            bindings.delete(&binding.name_any(), &DeleteParams::default()).await.unwrap();
        }
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.delete(&self.namespace, &DeleteParams::background()).await.unwrap();
    }
}

/// The smallest policy, with `spec` laid over it. Nobody is at its Keycloak.
pub(crate) fn policy(name: &str, spec: Value) -> Value {
    let mut policy = json!({
        "apiVersion": "restward.io/v1alpha1",
        "kind": "RestApiAuthPolicy",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": "wiki"}},
            "keycloak": {"host": "http://127.0.0.1:9", "realm": "staff"},
        },
    });
    if let (Some(under), Value::Object(over)) = (policy["spec"].as_object_mut(), spec) {
        under.extend(over);
    }
    policy
}

/// `True/Accepted` and the like.
pub(crate) fn condition(policy: &RestApiAuthPolicy, kind: &str) -> String {
    let status = policy.status.as_ref().expect("there is a status");
    let condition = status.conditions.iter().find(|condition| condition.type_ == kind).expect(kind);
    format!("{}/{}", condition.status, condition.reason)
}

fn context(client: Client) -> Context {
    let arguments =
        ["restward-operator", "run", "--namespace=t", "--pod-name=t", "--sidecar-image=localhost/none:1"];
    let cli = <Cli as clap::Parser>::try_parse_from(arguments).unwrap();
    let Command::Run(run) = cli.command else { unreachable!() };
    let authority = rcgen::generate_simple_self_signed(["restward.t.svc".to_owned()]).unwrap();
    let (sender, ca_bundle) = tokio::sync::watch::channel(Some(authority.cert.pem()));
    drop(sender);
    let watchdog = Watchdog::new(WatchdogAction::Report, client.clone(), Instant::now());
    Context {
        events: Events::new(client.clone(), "t"),
        client,
        sidecar: run.sidecar,
        webhook: WebhookEndpoint { namespace: "t".into(), service: "restward".into(), ca_bundle },
        backstop_policy: chart::BACKSTOP.into(),
        scope: None,
        acks: Acks::new(names::ADMIN_PORT).unwrap(),
        providers: Providers::new(Guard::AllowLoopback),
        realms: Realms::new(Guard::AllowLoopback, Fence::default()),
        metrics: Metrics::default(),
        told: Told::default(),
        watchdog,
        applied: Applied::default(),
        budget: Budget::default(),
        rollouts: Told::default(),
        upgrades: Told::default(),
    }
}
