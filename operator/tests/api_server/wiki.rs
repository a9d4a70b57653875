//! StatefulSet `wiki` on a real API server with its controllers, and the webhook. The API server must reach this machine's
//! loopback, where the webhook of these tests listens, as `tests/cluster` does. Nobody schedules the pods; these tests say when
//! one is ready.

use std::{sync::Arc, time::Duration};

use k8s_openapi::{
    ByteString,
    api::{
        admissionregistration::v1::{MutatingWebhookConfiguration, ServiceReference, WebhookClientConfig},
        apps::v1::StatefulSet,
        core::v1::Pod,
    },
};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use restward_crds::api::v1alpha1::RestApiAuthPolicy;
use restward_operator::{
    controller::{
        break_glass,
        census::{self, Census},
        dereference,
    },
    metrics::Metrics,
    policy_source::Candidate,
    store::ProgrammedPolicies,
    webhook,
};
use rustls::{
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SingleCertAndKey},
};
use serde_json::json;
use tokio::net::TcpListener;

use super::{
    requests::{allowed, confluence, try_pod},
    support::{Cluster, PATIENCE, operator},
};

/// Makes it, with one pod.
pub(crate) async fn stateful_set(cluster: &Cluster) {
    let template = confluence("", json!({"app": "wiki"}));
    let mut spec = template["spec"].clone();
    spec["containers"][0]["volumeMounts"] = json!([{"name": "local-home", "mountPath": "/home"}]);
    let set: StatefulSet = serde_json::from_value(json!({
        "metadata": {"name": "wiki"},
        "spec": {
            "serviceName": "wiki", "replicas": 1,
            "selector": {"matchLabels": {"app": "wiki"}},
            "template": {"metadata": {"labels": {"app": "wiki"}}, "spec": spec},
            "volumeClaimTemplates": [{"metadata": {"name": "local-home"}, "spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}},
            }}],
        },
    }))
    .unwrap();
    cluster.api().create(&PostParams::default(), &set).await.unwrap();
}

/// Says of `wiki-0` that it runs and is ready.
pub(crate) async fn ready(cluster: &Cluster) {
    let status = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    let pods: Api<Pod> = cluster.api();
    pods.patch_status("wiki-0", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
}

/// Waits for `wiki-0` to be there and as it is meant.
pub(crate) async fn until(cluster: &Cluster, is_meant: impl Fn(&Pod) -> bool) -> Pod {
    let pods: Api<Pod> = cluster.api();
    let seen = async {
        loop {
            match pods.get_opt("wiki-0").await.unwrap() {
                Some(pod) if is_meant(&pod) => return pod,
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.expect("the pod is as it is meant")
}

/// Where a webhook of these tests listens.
pub(crate) struct Endpoint {
    pub(crate) listener: TcpListener,
    pub(crate) certificate: Arc<SingleCertAndKey>,
    /// `https://` with address and port.
    pub(crate) base: String,
    /// What the API server is to trust, PEM.
    pub(crate) ca: String,
}

impl Endpoint {
    pub(crate) async fn open() -> Self {
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let served = CertifiedKey::from_der(vec![certified.cert.der().clone()], key, &provider).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("https://{}", listener.local_addr().unwrap());
        Self {
            listener,
            certificate: Arc::new(SingleCertAndKey::from(served)),
            base,
            ca: certified.cert.pem(),
        }
    }
}

/// Puts a webhook that injects behind the policy's configuration, until [`withdraw_webhook`].
pub(crate) async fn serve_webhook(cluster: &Cluster) {
    let Endpoint { listener, certificate, base, ca } = Endpoint::open().await;
    // It hears of nothing and so asks for each pod.
    let (policies, _) = ProgrammedPolicies::watch(operator(&[]).await);
    tokio::spawn(webhook::serve(
        listener,
        certificate,
        Arc::new(policies),
        cluster.sidecar().clone(),
        Metrics::default().webhook,
        None,
        std::future::pending(),
    ));
    let ca_bundle = Some(ByteString(ca.into_bytes()));
    lead_to(cluster, |path| WebhookClientConfig {
        url: Some(format!("{base}{path}")),
        ca_bundle: ca_bundle.clone(),
        service: None,
    })
    .await;
    let probe = confluence("probe", json!({"app": "wiki"}));
    allowed("a new pod is injected", async || try_pod(&cluster.somebody, &cluster.namespace, &probe).await)
        .await;
}

/// Takes away what [`serve_webhook`] put, which the operator's own could not stand beside: nobody answers.
pub(crate) async fn withdraw_webhook(cluster: &Cluster) {
    let service = |path: &str| ServiceReference {
        namespace: cluster.namespace.clone(),
        name: "nobody".into(),
        path: Some(path.to_owned()),
        port: None,
    };
    lead_to(cluster, |path| WebhookClientConfig { service: Some(service(path)), ca_bundle: None, url: None })
        .await;
}

/// Has the policy's webhooks asked elsewhere, by their paths.
async fn lead_to(cluster: &Cluster, config: impl Fn(&str) -> WebhookClientConfig) {
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(cluster.client.clone());
    for mut configuration in cluster.webhooks().await {
        for hook in configuration.webhooks.iter_mut().flatten() {
            let asked = &hook.client_config;
            let path = asked.service.as_ref().and_then(|service| service.path.clone()).unwrap_or_else(|| {
                let url = asked.url.as_deref().unwrap();
                url[url.find("/mutate").unwrap()..].to_owned()
            });
            hook.client_config = config(&path);
        }
        let name = configuration.name_any();
        configurations.replace(&name, &PostParams::default(), &configuration).await.unwrap();
    }
}

/// The policy, what there is of it, what is programmed, and which pods it has.
pub(crate) async fn taken_stock(
    cluster: &Cluster,
    client: &Client,
) -> (RestApiAuthPolicy, dereference::Observed, Candidate, Census) {
    let policy = cluster.api::<RestApiAuthPolicy>().get("wiki").await.unwrap();
    let observed = dereference::dereference(client, &policy).await.unwrap();
    let candidate = observed.programmed.clone().expect("the policy is programmed").candidate;
    let since = break_glass::in_force_since(&policy);
    let census = census::census(&candidate, &observed, cluster.sidecar(), since);
    (policy, observed, candidate, census)
}
