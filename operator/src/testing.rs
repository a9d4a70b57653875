//! Minimal objects for tests. The names differ from the product's, so that a swapped value is caught.

pub(crate) mod api_server;
pub(crate) mod keycloak;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use clap::Parser;
use kube::Client;
use restward_crds::api::v1alpha1::RestApiAuthPolicy;
use serde_json::{Value, json};

use crate::{
    acks::Acks,
    args::{Cli, Command, Sidecar, WatchdogAction},
    controller::{
        Applied, Context, WebhookEndpoint,
        break_glass::Told,
        budget::Budget,
        dereference::{Observed, ObservedPod, StoredKeys, Template, Update, Workload},
        provider::Providers,
        provisioning::Realms,
        validate::validate,
        watchdog::Watchdog,
    },
    discovery::Guard,
    events::Events,
    inject,
    lease::fence::Fence,
    metrics::Metrics,
};

/// A policy `atlassian/wiki`; `spec` is laid over the smallest one.
pub(crate) fn policy(spec: Value) -> RestApiAuthPolicy {
    let mut policy = json!({
        "apiVersion": "restward.io/v1alpha1",
        "kind": "RestApiAuthPolicy",
        "metadata": {
            "namespace": "atlassian", "name": "wiki", "uid": "11112222-3333-4444-5555-666677778888", "generation": 7,
            "creationTimestamp": "2026-01-02T03:04:05Z",
        },
        "spec": {
            "selector": {"matchLabels": {"app": "wiki"}},
            "keycloak": {"host": "https://sso.example.com", "realm": "staff"},
        },
    });
    if let (Some(under), Value::Object(over)) = (policy["spec"].as_object_mut(), spec) {
        under.extend(over);
    }
    serde_json::from_value(policy).unwrap()
}

/// The sidecar with the command line's defaults.
pub(crate) fn sidecar() -> Sidecar {
    let arguments = [
        "restward-operator",
        "run",
        "--namespace=n",
        "--pod-name=p",
        "--sidecar-image=example.com/sidecar:1",
    ];
    match Cli::try_parse_from(arguments).unwrap().command {
        Command::Run(run) => run.sidecar,
        Command::UninstallCheck | Command::SelfTest(_) => unreachable!(),
    }
}

/// A namespace with nothing in it.
pub(crate) fn observed() -> Observed {
    Observed {
        programmed: None,
        name_is_taken: false,
        neighbours: Vec::new(),
        authorities: Vec::new(),
        stored_keys: StoredKeys::default(),
        pods: Vec::new(),
        templates: Vec::new(),
        server_xmls: Vec::new(),
        at: 0,
    }
}

/// A pod of StatefulSet `wiki` that the smallest policy selects, without the sidecar.
pub(crate) fn pod(name: &str, more_labels: Value) -> ObservedPod {
    let raw = pod_json(name, more_labels, "confluence");
    ObservedPod {
        name: name.into(),
        labels: serde_json::from_value(raw["metadata"]["labels"].clone()).unwrap(),
        annotations: BTreeMap::default(),
        workload: Workload { kind: "StatefulSet".into(), name: name.into() },
        ip: Some("10.0.0.1".into()),
        raw,
    }
}

/// The template of a StatefulSet that the smallest policy selects.
pub(crate) fn template(name: &str, more_labels: Value, container: &str) -> Template {
    let raw = pod_json(name, more_labels, container);
    Template {
        workload: Workload { kind: "StatefulSet".into(), name: name.into() },
        labels: serde_json::from_value(raw["metadata"]["labels"].clone()).unwrap(),
        replicas: 1,
        claims: Vec::new(),
        uid: format!("uid-{name}"),
        update: Update::default(),
        unsettled: None,
        raw,
    }
}

fn pod_json(name: &str, more_labels: Value, container: &str) -> Value {
    let mut labels = json!({"app": "wiki"});
    if let (Some(under), Value::Object(over)) = (labels.as_object_mut(), more_labels) {
        under.extend(over);
    }
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{
            "name": container, "image": "atlassian/confluence:10.2.7",
            "ports": [{"name": "http", "containerPort": 8090}],
            "env": [{"name": "ATL_TOMCAT_PORT", "value": "8090"}],
        }]},
    })
}

/// The same pod as the smallest policy would inject it now, with the mark of the policy with this UID.
pub(crate) fn injected(mut pod: ObservedPod, uid: &str) -> ObservedPod {
    use restward_crds::names;
    let candidate = validate(&policy(json!({})), &observed()).unwrap().candidate;
    let hash = inject::wanted_hash(&pod.raw, &candidate, &sidecar()).unwrap_or_default();
    pod.labels.insert(names::LABEL_INJECTED.into(), uid.into());
    pod.annotations.insert(names::ANNOTATION_INJECTED_HASH.into(), hash);
    pod.raw["spec"]["initContainers"] = json!([{"name": names::SIDECAR_CONTAINER, "image": sidecar().image}]);
    pod
}

/// What reconciliation works with, in front of this API server. The last eviction was a while ago.
pub(crate) fn context(client: Client, action: WatchdogAction) -> Context {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let a_while_ago = Instant::now().checked_sub(Duration::from_mins(2)).unwrap();
    Context {
        events: Events::new(client.clone(), "t"),
        sidecar: sidecar(),
        webhook: WebhookEndpoint {
            namespace: "t".into(),
            service: "t".into(),
            ca_bundle: tokio::sync::watch::channel(None).1,
        },
        backstop_policy: "t".into(),
        scope: None,
        acks: Acks::new(1).unwrap(),
        providers: Providers::new(Guard::Strict),
        realms: Realms::new(Guard::Strict, Fence::default()),
        metrics: Metrics::default(),
        told: Told::default(),
        watchdog: Watchdog::new(action, client.clone(), a_while_ago),
        applied: Applied::default(),
        budget: Budget::default(),
        rollouts: Told::default(),
        upgrades: Told::default(),
        client,
    }
}
