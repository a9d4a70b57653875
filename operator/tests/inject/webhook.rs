//! The webhook over TLS, called as the API server calls it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::future::BoxFuture;
use restward_operator::{
    args::SelfTestArgs,
    policy_source::{Candidate, PolicySource},
    self_test, webhook,
};
use rustls::{
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SingleCertAndKey},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::support::{injected, pod, policy, sidecar};

/// What this replica has heard of, and what the API server would say.
#[derive(Clone, Default)]
struct Source {
    known: Vec<Candidate>,
    stored: Option<Vec<Candidate>>,
    /// The `server.xml` of every ConfigMap.
    server_xml: Option<String>,
    /// ConfigMaps that were asked for.
    asked: Arc<Mutex<Vec<String>>>,
    /// Whether the API server answers about ConfigMaps never.
    is_silent: bool,
}

impl PolicySource for Source {
    fn policies_of(&self, namespace: &str) -> Vec<Candidate> {
        self.known.iter().filter(|policy| policy.namespace == namespace).cloned().collect()
    }

    fn fetch_policies_of(&self, _: &str) -> BoxFuture<'_, Result<Vec<Candidate>, kube::Error>> {
        let answer = self.stored.clone().ok_or(kube::Error::LinesCodecMaxLineLengthExceeded);
        Box::pin(std::future::ready(answer))
    }

    fn fetch_server_xml<'a>(
        &'a self,
        namespace: &'a str,
        config_map: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, kube::Error>> {
        assert_eq!(namespace, "atlassian");
        self.asked.lock().unwrap().push(config_map.to_owned());
        if self.is_silent {
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(Ok(self.server_xml.clone())))
    }
}

/// A running webhook.
struct Webhook {
    url: String,
    /// PEM.
    authority: String,
    client: reqwest::Client,
    certificate: Vec<u8>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<()>>,
    registry: prometheus_client::registry::Registry,
}

impl Webhook {
    async fn start(source: Source) -> Self {
        Self::with_witness(source, None).await
    }

    async fn with_witness(source: Source, witness: Option<webhook::Witness>) -> Self {
        // Another test may have installed it already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = certified.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let served = CertifiedKey::from_der(vec![certificate.clone()], key, &provider).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (certificate, address) = (certificate.to_vec(), listener.local_addr().unwrap());
        let client = client(&certificate, address);
        let mut registry = prometheus_client::registry::Registry::default();
        let metrics = webhook::Metrics::register(&mut registry);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(webhook::serve(
            listener,
            Arc::new(SingleCertAndKey::from(served)),
            Arc::new(source),
            sidecar(),
            metrics,
            witness,
            async {
                let _ = stopped.await;
            },
        ));
        Self { url, authority: certified.cert.pem(), client, certificate, address, stop, task, registry }
    }

    async fn post(&self, path: &str, body: Vec<u8>) -> (u16, Value) {
        let answer = self.client.post(format!("{}{path}", self.url)).body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    /// Asks about a pod and gives `response`.
    async fn ask(&self, review: &Value) -> Value {
        let path = webhook::path("atlassian", &policy().uid);
        let (status, answer) = self.post(&path, review.to_string().into_bytes()).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(
            (&answer["apiVersion"], &answer["kind"]),
            (&json!("admission.k8s.io/v1"), &json!("AdmissionReview"))
        );
        assert_eq!(answer["response"]["uid"], review["request"]["uid"]);
        answer["response"].clone()
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }
}

/// With connections of its own.
fn client(certificate: &[u8], address: SocketAddr) -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_der(certificate).unwrap()])
        .resolve("localhost", address)
        .build()
        .unwrap()
}

fn review(pod: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "question-1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "atlassian",
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:statefulset-controller"},
            "dryRun": false,
            "object": pod
        }
    })
}

fn knowing() -> Source {
    Source { known: vec![policy()], ..Source::default() }
}

#[tokio::test]
async fn a_selected_pod_is_patched() {
    let webhook = Webhook::start(knowing()).await;
    let pod = pod("default.yaml");
    let response = webhook.ask(&review(&pod)).await;
    assert_eq!((&response["allowed"], &response["patchType"]), (&json!(true), &json!("JSONPatch")));
    let patch = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
    let mut patched = pod.clone();
    json_patch::patch(&mut patched, &patch).unwrap();
    assert_eq!(patched, injected(&pod));

    let again = webhook.ask(&review(&patched)).await;
    assert_eq!((&again["allowed"], &again["patch"]), (&json!(true), &Value::Null));
    let metrics = webhook.metrics();
    for line in [
        "restward_operator_injections_total{decision=\"inject\",reason=\"changed\"} 1",
        "restward_operator_injections_total{decision=\"inject\",reason=\"unchanged\"} 1",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

#[tokio::test]
async fn a_pod_that_is_not_confluence_passes_unchanged() {
    let webhook = Webhook::start(knowing()).await;
    let response = webhook.ask(&review(&pod("helm-test.yaml"))).await;
    assert_eq!((&response["allowed"], &response["patch"]), (&json!(true), &Value::Null));
}

#[tokio::test]
async fn a_pod_that_cannot_be_protected_is_refused_with_a_message() {
    let webhook = Webhook::start(knowing()).await;
    let mut pod = pod("default.yaml");
    pod["spec"]["hostNetwork"] = json!(true);
    let response = webhook.ask(&review(&pod)).await;
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["code"], 403);
    let message = response["status"]["message"].as_str().unwrap();
    assert!(message.contains("\"wiki\"") && message.contains("remove hostNetwork"), "{message}");
}

#[tokio::test]
async fn an_unknown_policy_is_asked_for_and_never_let_through() {
    let pod = pod("default.yaml");
    let late = Webhook::start(Source { stored: Some(vec![policy()]), ..Source::default() }).await;
    assert!(late.ask(&review(&pod)).await["patch"].is_string());

    let gone = Webhook::start(Source { stored: Some(vec![]), ..Source::default() }).await;
    let response = gone.ask(&review(&pod)).await;
    assert_eq!((&response["allowed"], &response["status"]["code"]), (&json!(false), &json!(403)));

    let deaf = Webhook::start(Source::default()).await;
    let response = deaf.ask(&review(&pod)).await;
    assert_eq!((&response["allowed"], &response["status"]["code"]), (&json!(false), &json!(503)));
}

/// A change of the keys, as the API server asks the witness about it.
fn keys_changed() -> Value {
    let secret = json!({"metadata": {"name": "restward-keys"}, "data": {"k": "U0VDUkVU"}});
    let mut review = review(&secret);
    let request = &mut review["request"];
    request["operation"] = json!("UPDATE");
    request["kind"] = json!({"group": "", "version": "v1", "kind": "Secret"});
    request["resource"] = json!({"group": "", "version": "v1", "resource": "secrets"});
    request["userInfo"] = json!({"username": "alice"});
    review
}

#[tokio::test]
async fn the_witness_allows_everything_and_hears_nobody_without_the_secret_path() {
    const USED: &str = "restward_operator_break_glass_uses_total{kind=\"ManagedObjectChanged\"} 1";
    let (path, known) = tokio::sync::watch::channel(Some("0123".to_owned()));
    let (witness, mut seen) = webhook::Witness::new(known);
    let webhook = Webhook::with_witness(knowing(), Some(witness)).await;
    let review = keys_changed();
    let mut dry_run = review.clone();
    dry_run["request"]["dryRun"] = json!(true);
    for (path, body, status) in [
        ("/witness/9999/managed-objects", review.to_string(), 404),
        ("/witness//managed-objects", review.to_string(), 404),
        ("/witness/0123/other", review.to_string(), 404),
        ("/witness/0123/managed-objects", "{}".to_owned(), 400),
        ("/witness/0123/managed-objects", dry_run.to_string(), 200),
    ] {
        assert_eq!(webhook.post(path, body.into_bytes()).await.0, status, "{path}");
    }
    assert!(seen.try_recv().is_err() && !webhook.metrics().contains("_uses_total{"));

    let path_of_rule = webhook::witness::path("0123", "managed-objects");
    let (status, answer) = webhook.post(&path_of_rule, review.to_string().into_bytes()).await;
    assert_eq!((status, &answer["response"]), (200, &json!({"uid": "question-1", "allowed": true})));
    assert!(seen.try_recv().is_ok() && webhook.metrics().contains(USED), "{}", webhook.metrics());

    path.send(Some("4567".into())).unwrap();
    assert_eq!(webhook.post(&path_of_rule, review.to_string().into_bytes()).await.0, 404);
    // Without groups there is no witness.
    let webhook = Webhook::start(knowing()).await;
    assert_eq!(webhook.post(&path_of_rule, review.to_string().into_bytes()).await.0, 404);
}

/// A StatefulSet whose template is this pod, before and after a change.
fn workload_review(before: Option<&Value>, after: &Value) -> Value {
    let workload = |pod: &Value| {
        let template = json!({"metadata": {"labels": pod["metadata"]["labels"]}, "spec": pod["spec"]});
        json!({"metadata": {"name": "wiki"}, "spec": {"replicas": 1, "template": template}})
    };
    let mut review = review(&workload(after));
    let request = &mut review["request"];
    request["resource"] = json!({"group": "apps", "version": "v1", "resource": "statefulsets"});
    request["operation"] = json!(if before.is_some() { "UPDATE" } else { "CREATE" });
    request["oldObject"] = before.map(workload).unwrap_or_default();
    review
}

#[tokio::test]
async fn a_workload_whose_pods_would_be_refused_is_refused_early() {
    let webhook = Webhook::start(knowing()).await;
    let good = pod("default.yaml");
    let mut bad = good.clone();
    bad["spec"]["hostNetwork"] = json!(true);
    for before in [None, Some(&good)] {
        let response = webhook.ask(&workload_review(before, &bad)).await;
        let message = response["status"]["message"].as_str().unwrap();
        assert!(message.contains("\"wiki\"") && message.contains("remove hostNetwork"), "{message}");
        assert!(message.contains("running pods go on"), "{message}");
        let response = webhook.ask(&workload_review(before, &good)).await;
        assert_eq!((&response["allowed"], &response["patch"]), (&json!(true), &Value::Null));
    }
    let refused =
        "restward_operator_injections_total{decision=\"refuse_workload\",reason=\"host_network\"} 2";
    assert!(webhook.metrics().contains(refused), "{}", webhook.metrics());
    // Scaling and labels must go on where the template is as it was.
    assert_eq!(webhook.ask(&workload_review(Some(&bad), &bad)).await["allowed"], true);
    let mut others = bad.clone();
    others["metadata"]["labels"] = json!({"app": "other"});
    assert_eq!(webhook.ask(&workload_review(None, &others)).await["allowed"], true, "not selected");
    let deaf = Webhook::start(Source::default()).await;
    assert_eq!(deaf.ask(&workload_review(None, &bad)).await["allowed"], true, "its pods are decided about");
}

/// The pod of the official chart with its own `server.xml`, out of the ConfigMap `map`.
fn with_server_xml_of(map: &str) -> Value {
    let mut pod = pod("chart-server-xml.yaml");
    pod["spec"]["volumes"][1]["configMap"]["name"] = json!(map);
    pod
}

const GOOD: &str = include_str!("../../src/server_xml/testdata/chart.xml");
const BAD: &str = "<Server/>";

#[tokio::test]
async fn a_pod_whose_server_xml_is_not_derived_yet_is_refused_for_now() {
    let webhook = Webhook::start(knowing()).await;
    let response = webhook.ask(&review(&with_server_xml_of("new"))).await;
    assert_eq!((&response["allowed"], &response["status"]["code"]), (&json!(false), &json!(503)));
    let refused = "restward_operator_injections_total{decision=\"refuse\",reason=\"server_xml_pending\"} 1";
    assert!(webhook.metrics().contains(refused), "{}", webhook.metrics());
    let response = webhook.ask(&review(&with_server_xml_of("odd"))).await;
    assert_eq!((&response["allowed"], &response["status"]["code"]), (&json!(false), &json!(403)));
}

#[tokio::test]
async fn a_workload_is_judged_by_its_server_xml_as_it_is_now() {
    for (now, map, allowed) in [
        // Its pods are decided about when they come.
        (None, "new", true),
        (Some(GOOD), "new", true),
        (Some(BAD), "new", false),
        // What the operator knows is of a moment ago.
        (None, "odd", false),
        (Some(GOOD), "odd", true),
        (Some(BAD), "wiki-confluence-server-config", false),
    ] {
        let source = Source { server_xml: now.map(str::to_owned), ..knowing() };
        let response =
            Webhook::start(source).await.ask(&workload_review(None, &with_server_xml_of(map))).await;
        assert_eq!(response["allowed"], allowed, "{now:?} {map}: {response}");
    }
}

#[tokio::test]
async fn however_many_config_maps_a_workload_mounts_it_is_judged_in_time() {
    let mut pod = with_server_xml_of("map-0");
    let (mount, volume) =
        (pod["spec"]["containers"][0]["volumeMounts"][1].clone(), pod["spec"]["volumes"][1].clone());
    for number in 0..12 {
        let (mut mount, mut volume) = (mount.clone(), volume.clone());
        mount["name"] = json!(format!("server-xml-{number}"));
        volume["name"] = mount["name"].clone();
        volume["configMap"]["name"] = json!(format!("map-{number}"));
        pod["spec"]["volumes"].as_array_mut().unwrap().push(volume);
        let container = json!({"name": format!("other-{number}"), "volumeMounts": [mount, mount]});
        pod["spec"]["containers"].as_array_mut().unwrap().push(container);
    }
    let source = Source { server_xml: Some(GOOD.into()), ..knowing() };
    Webhook::start(source.clone()).await.ask(&workload_review(None, &pod)).await;
    let mut asked = source.asked.lock().unwrap().clone();
    asked.dedup();
    assert_eq!((asked.len(), source.asked.lock().unwrap().len()), (8, 8));

    let silent = Source { is_silent: true, ..knowing() };
    let begun = Instant::now();
    Webhook::start(silent).await.ask(&workload_review(None, &pod)).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn only_pods_and_workloads_of_the_policys_namespace_are_decided() {
    let webhook = Webhook::start(knowing()).await;
    for (place, value) in [
        ("/request/operation", "UPDATE"),
        ("/request/namespace", "elsewhere"),
        ("/request/resource/resource", "deployments"),
        ("/request/resource/group", "apps"),
        ("/request/subResource", "ephemeralcontainers"),
    ] {
        let mut review = review(&pod("default.yaml"));
        let patch = json!([{"op": "add", "path": place, "value": value}]);
        json_patch::patch(&mut review, &serde_json::from_value::<json_patch::Patch>(patch).unwrap()).unwrap();
        assert_eq!(webhook.ask(&review).await["allowed"], false, "{place}");
    }
}

#[tokio::test]
async fn garbage_is_answered_and_the_webhook_lives_on() {
    let webhook = Webhook::start(knowing()).await;
    let path = webhook::path("atlassian", &policy().uid);
    let deep = [b"[".repeat(200_000), b"]".repeat(200_000)].concat();
    let deep_object = format!("{{\"request\":{}", "{\"object\":".repeat(50_000)).into_bytes();
    for body in [vec![], b"{}".to_vec(), b"[1]".to_vec(), vec![0xff; 64], deep, deep_object] {
        assert_eq!(webhook.post(&path, body).await.0, 400);
    }
    let too_big = vec![b' '; (3 << 20) + 1];
    assert_eq!(webhook.post(&path, too_big).await.0, 413);
    assert_eq!(webhook.post("/mutate/atlassian", vec![]).await.0, 404);
    let not_a_pod = review(&json!("pod"));
    assert_eq!(
        webhook.ask(&not_a_pod).await["allowed"],
        true,
        "it has no container, so it is not Confluence"
    );
    assert!(webhook.ask(&review(&pod("default.yaml"))).await["patch"].is_string());
}

#[tokio::test]
async fn callers_that_leave_their_connections_open_keep_nobody_out() {
    let webhook = Webhook::start(knowing()).await;
    let url = format!("{}{}", webhook.url, webhook::path("atlassian", &policy().uid));
    let body = review(&pod("default.yaml")).to_string();
    let mut open = Vec::new();
    for call in 0..300 {
        let client = client(&webhook.certificate, webhook.address);
        let answer = client.post(&url).body(body.clone()).timeout(Duration::from_secs(5)).send().await;
        assert_eq!(answer.unwrap_or_else(|error| panic!("call {call}: {error}")).status(), 200);
        open.push(client);
    }
}

#[tokio::test]
async fn it_ends_when_told_to() {
    let webhook = Webhook::start(knowing()).await;
    webhook.ask(&review(&pod("default.yaml"))).await;
    drop(webhook.client);
    webhook.stop.send(()).unwrap();
    webhook.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_replica_that_is_told_to_stop_serves_on_and_has_its_connections_closed_from_the_other_side() {
    let webhook = Webhook::start(knowing()).await;
    let url = format!("{}{}", webhook.url, webhook::path("atlassian", &policy().uid));
    let body = review(&pod("default.yaml")).to_string();
    let ask = async || webhook.client.post(&url).body(body.clone()).send().await.unwrap();
    let before = ask().await;
    assert_eq!((before.status().as_u16(), before.headers().get("connection")), (200, None));
    before.bytes().await.unwrap();
    webhook.stop.send(()).unwrap();
    // The first is on the connection from before, the second on a new one.
    let mut last = Vec::new();
    while last.len() < 2 {
        let answer = ask().await;
        assert_eq!(answer.status().as_u16(), 200);
        last.extend(answer.headers().get("connection").cloned());
        answer.bytes().await.unwrap();
    }
    assert_eq!(last, ["close", "close"]);
    webhook.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_self_test_passes_by_the_authority_of_the_webhook_alone_and_is_counted_nowhere() {
    let webhook = Webhook::start(Source::default()).await;
    let scratch = std::env::temp_dir().join(format!("restward-self-test-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).unwrap();
    let ask = async |address: &str, authority: &str| {
        let file = scratch.join("ca.crt");
        std::fs::write(&file, authority).unwrap();
        self_test::run(&SelfTestArgs { webhook: address.to_owned(), authority: file }).await
    };
    ask(&webhook.url, &webhook.authority).await.unwrap();
    assert!(!webhook.metrics().contains("_total"), "{}", webhook.metrics());

    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    let refused = ask(&webhook.url, &other).await.unwrap_err();
    assert!(format!("{refused:?}").contains("certificate"), "{refused:?}");
    let by_another_name = webhook.url.replace("localhost", "127.0.0.1");
    assert!(ask(&by_another_name, &webhook.authority).await.is_err(), "the name was not looked at");
    assert!(ask(&webhook.url, "").await.is_err(), "nothing was given to trust");
    std::fs::remove_dir_all(&scratch).unwrap();
}
