//! `self-test`: called by `helm test`, in a pod of its own that has no rights.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Certificate, Client, redirect};
use serde_json::{Value, json};

use crate::{args::SelfTestArgs, webhook};

/// As long as the API server waits at most.
const PATIENCE: Duration = Duration::from_secs(10);
/// UID of the question, and of the policy that it says to come from.
const UID: &str = "self-test";

/// Asks the webhook as the API server does: at the Service's name, with nothing trusted but the authority.
///
/// # Errors
/// It was not reached, shows a certificate of somebody else, or does not answer as the webhook does.
pub async fn run(args: &SelfTestArgs) -> anyhow::Result<()> {
    let path = args.authority.display();
    let pem = std::fs::read(&args.authority).with_context(|| format!("{path} cannot be read"))?;
    let client = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .timeout(PATIENCE)
        .tls_certs_only([Certificate::from_pem(&pem).with_context(|| format!("{path} is no certificate"))?])
        .build()?;
    let url = format!("{}{}", args.webhook.trim_end_matches('/'), webhook::path(UID, UID));
    let answer =
        client.post(&url).body(question().to_string()).send().await.context("the webhook was not reached")?;
    let status = answer.status().as_u16();
    judge(status, &answer.bytes().await.context("the webhook's answer broke off")?)?;
    tracing::info!("{} answers as the webhook, with a certificate that its authority signed", args.webhook);
    Ok(())
}

/// About a workload whose pods stay as they are: it is allowed without a look at any policy, and counted nowhere.
fn question() -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": UID,
            "kind": {"group": "apps", "version": "v1", "kind": "StatefulSet"},
            "resource": {"group": "apps", "version": "v1", "resource": "statefulsets"},
            "namespace": UID,
            "operation": "UPDATE",
            "dryRun": true,
        },
    })
}

/// Whether this is the webhook's answer to [`question`].
fn judge(status: u16, body: &[u8]) -> anyhow::Result<()> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = |member: &str| answer.get("response").and_then(|response| response.get(member));
    if status != 200 || said("uid") != Some(&UID.into()) || said("allowed") != Some(&true.into()) {
        bail!("the answer, with status {status}, is none of the webhook to what it was asked");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_the_question_passes() {
        let body = |response: Value| json!({"response": response}).to_string().into_bytes();
        judge(200, &body(json!({"uid": UID, "allowed": true}))).unwrap();
        for (status, body) in [
            (404, body(json!({"uid": UID, "allowed": true}))),
            (200, body(json!({"uid": UID, "allowed": false}))),
            (200, body(json!({"uid": "other", "allowed": true}))),
            (200, b"<html>".to_vec()),
        ] {
            assert!(judge(status, &body).is_err(), "{status} {}", String::from_utf8_lossy(&body));
        }
    }
}
