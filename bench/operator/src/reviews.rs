//! The webhook asked as the API server asks it: over TLS, on connections that are kept.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::{Api, Client, ResourceExt as _, api::ListParams};
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, names};
use serde_json::{Value, json};

use crate::{
    api_server::{ADDRESS, NAMESPACE},
    objects::{self, Size},
    percentiles::Percentiles,
};

/// At the same time.
const AT_ONCE: usize = 4;

/// Asks so often about pods of all policies, one after the other and then some at the same time.
pub(crate) async fn measure(client: &Client, size: Size, reviews: usize) -> anyhow::Result<()> {
    let host = format!("{}.{NAMESPACE}.svc", "restward");
    let webhooks = Api::<MutatingWebhookConfiguration>::all(client.clone())
        .list(&ListParams::default().limit(1))
        .await?;
    let trusted =
        webhooks.items.into_iter().find_map(|webhook| webhook.webhooks?.pop()?.client_config.ca_bundle);
    let asking = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only(reqwest::Certificate::from_pem_bundle(&trusted.context("no webhook")?.0)?)
        .resolve(&host, format!("{ADDRESS}:{}", names::WEBHOOK_PORT).parse()?)
        .build()?;
    let policies = Api::<RestApiAuthPolicy>::all(client.clone()).list(&ListParams::default()).await?;
    let questions: Vec<(String, Vec<u8>)> = policies
        .iter()
        .filter_map(|policy| {
            let index = policy.name_any().strip_prefix("wiki-")?.parse().ok()?;
            let path = format!("/mutate/{}/{}", policy.namespace()?, policy.uid()?);
            Some((format!("https://{host}{path}"), question(index, size).to_string().into_bytes()))
        })
        .collect();
    for at_once in [1, AT_ONCE] {
        let asked = questions.iter().cycle().take(reviews).map(|(url, body)| ask(&asking, url, body.clone()));
        let times = stream::iter(asked).buffer_unordered(at_once).try_collect().await?;
        println!("{reviews} reviews, {at_once} at a time: {}", Percentiles::of(times));
    }
    Ok(())
}

async fn ask(client: &reqwest::Client, url: &str, body: Vec<u8>) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    let answer = client.post(url).header("content-type", "application/json").body(body).send().await?;
    let answer: Value = serde_json::from_slice(&answer.bytes().await?)?;
    let took = begin.elapsed();
    ensure!(answer["response"]["patch"].is_string(), "not injected: {answer}");
    Ok(took)
}

fn question(policy: usize, size: Size) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "11112222-3333-4444-5555-666677778888",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": objects::namespace(policy),
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:statefulset-controller"},
            "dryRun": true,
            "object": objects::pod(policy, size.pods_each, "u"),
        }
    })
}
