//! `self-test`: called by `helm test`, in a pod of its own that has no rights.

use std::{error::Error, io, time::Duration};

use anyhow::{Context, bail};
use reqwest::{Certificate, Client, Response, redirect};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{args::SelfTestArgs, webhook};

/// As long as the API server waits at most.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a network plug-in may take to let through a pod that is new. kube-router refuses its connections for a second or two.
const NEWCOMER: Duration = Duration::from_secs(20);
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_secs(1);
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
    let answer = reach(&client, &url).await.context("the webhook was not reached")?;
    let status = answer.status().as_u16();
    judge(status, &answer.bytes().await.context("the webhook's answer broke off")?)?;
    tracing::info!("{} answers as the webhook, with a certificate that its authority signed", args.webhook);
    Ok(())
}

async fn reach(client: &Client, url: &str) -> reqwest::Result<Response> {
    let begin = Instant::now();
    loop {
        match client.post(url).body(question().to_string()).send().await {
            Err(error) if is_kept_out(&error) && begin.elapsed() < NEWCOMER => {
                tracing::info!(%error, "not reached yet");
                sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

/// Whether nobody was reached, or no name was resolved. A certificate of somebody else is no matter of time.
fn is_kept_out(error: &reqwest::Error) -> bool {
    let mut causes = std::iter::successors(error.source(), |cause| {
        // What an I/O error wraps is not its source.
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|error| error as &(dyn Error + 'static)).or_else(|| (*cause).source())
    });
    let is_of_tls = causes.any(<dyn Error>::is::<rustls::Error>);
    error.is_timeout() || error.is_connect() && !is_of_tls
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
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

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

    #[tokio::test]
    async fn who_is_let_through_after_a_moment_is_reached() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        // Only the first call in a process succeeds.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{address}/");
        assert!(is_kept_out(&client.get(&url).send().await.unwrap_err()));
        let later = tokio::spawn(async move {
            sleep(PAUSE / 2).await;
            let (mut stream, _) = TcpListener::bind(address).await.unwrap().accept().await.unwrap();
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        });
        assert_eq!(reach(&client, &url).await.unwrap().status(), 200);
        later.await.unwrap();
    }
}
