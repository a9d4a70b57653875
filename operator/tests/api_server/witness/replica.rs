//! A replica of the operator that the API server asks about uses of break-glass.

use std::{sync::Arc, time::Duration};

use k8s_openapi::{
    ByteString,
    api::{
        admissionregistration::v1::{ValidatingWebhookConfiguration, WebhookClientConfig},
        core::v1::{ConfigMap, Pod},
        events::v1::Event,
    },
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};
use restward_operator::{
    events::Events,
    metrics::Metrics,
    store::ProgrammedPolicies,
    webhook::{self, Witness, witness},
};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    chart,
    requests::{allowed, without_webhook},
    support::{Cluster, PATIENCE, operator},
    wiki::Endpoint,
};

const SECRET_PATH: &str = "0123";

/// A replica of the operator that is asked about one namespace.
pub(crate) struct Replica {
    pub(crate) cluster: Cluster,
    metrics: Metrics,
}

impl Replica {
    /// With policy `wiki`, whose injecting webhook somebody deleted.
    pub(crate) async fn start(test: &str) -> Self {
        let cluster = Cluster::new(test).await;
        without_webhook(&cluster, json!({})).await;
        let Endpoint { listener, certificate, base, ca } = Endpoint::open().await;
        let (known, path) = watch::channel(Some(SECRET_PATH.to_owned()));
        let (witness, seen) = Witness::new(path);
        let client = operator(&[]).await;
        tokio::spawn(witness::tell(seen, client.clone(), Events::new(client.clone(), "t")));
        // It hears of nothing and so asks.
        let (policies, _) = ProgrammedPolicies::watch(client);
        let metrics = Metrics::default();
        tokio::spawn(webhook::serve(
            listener,
            certificate,
            Arc::new(policies),
            cluster.sidecar().clone(),
            metrics.webhook.clone(),
            Some(witness),
            async move {
                let _known = known;
                std::future::pending::<()>().await;
            },
        ));
        let mut configuration = chart::break_glass(&cluster.namespace, &cluster.namespace);
        for hook in configuration.webhooks.iter_mut().flatten() {
            let path = witness::path(SECRET_PATH, hook.name.split('.').next().unwrap());
            hook.client_config = WebhookClientConfig {
                url: Some(format!("{base}{path}")),
                ca_bundle: Some(ByteString(ca.clone().into_bytes())),
                service: None,
            };
        }
        let configurations: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client.clone());
        configurations.create(&PostParams::default(), &configuration).await.unwrap();
        let replica = Self { cluster, metrics };
        replica.is_asked().await;
        replica
    }

    /// Waits until the API server knows of the configuration.
    async fn is_asked(&self) {
        let maps: Api<ConfigMap> = self.cluster.api();
        let asked = async {
            for number in 0.. {
                let map = json!({"metadata": {"name": format!("probe-{number}"), "labels": {names::LABEL_MANAGED: "true"}}});
                maps.create(&PostParams::default(), &serde_json::from_value(map).unwrap()).await.unwrap();
                if self.counted("ManagedObjectChanged") > 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("the API server asks about uses");
    }

    fn counted(&self, kind: &str) -> u32 {
        let series = format!("restward_operator_break_glass_uses_total{{kind=\"{kind}\"}} ");
        let text = self.metrics.encode().unwrap();
        text.lines().find_map(|line| line.strip_prefix(&series)).map_or(0, |count| count.parse().unwrap())
    }

    /// Counts of all kinds.
    pub(crate) fn counts(&self) -> Vec<u32> {
        KINDS.into_iter().map(|kind| self.counted(kind)).collect()
    }

    /// Requires that the request is counted once as `kind` and as nothing else, and told on object and policy.
    pub(crate) async fn is_use(
        &self,
        kind: &str,
        object: &str,
        request: impl AsyncFn() -> Result<(), kube::Error>,
    ) {
        let before = self.counts();
        allowed(object, request).await;
        let more: Vec<_> =
            KINDS.into_iter().zip(before).map(|(of, before)| (of, self.counted(of) - before)).collect();
        assert!(
            more.iter().all(|(of, more)| *more == u32::from(*of == kind)),
            "{kind} of {object}: {more:?}"
        );
        let told = async {
            while !self.is_told(kind, object).await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("{kind} of {object} is told"));
    }

    async fn is_told(&self, kind: &str, object: &str) -> bool {
        let events: Api<Event> = self.cluster.api();
        let events = events.list(&ListParams::default()).await.unwrap();
        let is_about = |name: &str| {
            events.iter().any(|event| {
                let note = event.note.as_deref().unwrap_or_default();
                event.reason.as_deref() == Some("BreakGlassUsed")
                    && event.action.as_deref() == Some(kind)
                    && event.regarding.as_ref().and_then(|on| on.name.as_deref()) == Some(name)
                    && note.starts_with("\"admin\" ")
                    && note.contains(&format!(" {object})"))
            })
        };
        let policies: Api<RestApiAuthPolicy> = self.cluster.api();
        let used = policies.get("wiki").await.unwrap().status.unwrap().break_glass;
        let is_shown = used.is_some_and(|used| used.what.as_str() == kind && used.object == object);
        let name = object.rsplit(' ').next().unwrap();
        is_about(name) && is_about("wiki") && is_shown
    }

    /// Requires that the request is allowed and no use.
    pub(crate) async fn is_none(&self, what: &str, request: impl AsyncFn() -> Result<(), kube::Error>) {
        let before = self.counts();
        allowed(what, request).await;
        assert_eq!(self.counts(), before, "{what}");
    }

    pub(crate) async fn make(&self, pod: &Value) -> Result<(), kube::Error> {
        let pods: Api<Pod> = self.cluster.api();
        pods.create(&PostParams::default(), &serde_json::from_value(pod.clone()).unwrap()).await.map(drop)
    }

    pub(crate) async fn change(
        &self,
        (name, part): (&str, Option<&str>),
        patch: &Patch<Value>,
    ) -> Result<(), kube::Error> {
        let (pods, params): (Api<Pod>, _) = (self.cluster.api(), PatchParams::default());
        match part {
            None => pods.patch(name, &params, patch).await.map(drop),
            Some(part) => pods.patch_subresource(part, name, &params, patch).await.map(drop),
        }
    }

    pub(crate) async fn clean_up(self) {
        let configurations: Api<ValidatingWebhookConfiguration> = Api::all(self.cluster.client.clone());
        configurations.delete(&self.cluster.namespace, &DeleteParams::default()).await.unwrap();
        self.cluster.clean_up().await;
    }
}

const KINDS: [&str; 6] = [
    "KeysExposed",
    "InjectedPodChanged",
    "ManagedObjectChanged",
    "EphemeralContainerAdded",
    "SidecarMissing",
    "SidecarForged",
];
