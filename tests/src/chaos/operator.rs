//! The operator's Deployment, its leader and its certificate authority.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    command::{kubectl, kubectl_json},
    policy,
    wait::{QUICK, eventually},
    world::{OPERATOR, WIKI_NAMESPACE},
};

/// Namespace; release, Deployment, Lease and ServiceAccount have its name.
pub(super) const NAMESPACE: &str = OPERATOR;
/// Secret of the certificate authority.
const SECRET: &str = "restward-webhook-ca";
const DEPLOYMENT: &str = "deployment/restward";

/// How many replicas the chart makes.
const REPLICAS: usize = 2;

/// Waits for the chart's replicas to be ready, and no other to be there.
pub(super) async fn complete() -> Result<()> {
    of_replicas(REPLICAS).await
}

async fn of_replicas(count: usize) -> Result<()> {
    kubectl(&["rollout", "status", DEPLOYMENT, "-n", NAMESPACE, "--timeout=180s"]).await?;
    eventually(&format!("{count} replicas of the operator"), QUICK, || async {
        let pods = pods().await?;
        ensure!(pods.len() == count, "{pods:?}");
        Ok(())
    })
    .await
}

/// Another one beside those of the chart.
pub(super) async fn one_more() -> Result<()> {
    scale(REPLICAS + 1).await
}

/// The chart's number again.
pub(super) async fn one_less() -> Result<()> {
    scale(REPLICAS).await
}

async fn scale(count: usize) -> Result<()> {
    kubectl(&["scale", DEPLOYMENT, "-n", NAMESPACE, &format!("--replicas={count}")]).await?;
    of_replicas(count).await
}

/// Replaces every pod, as an upgrade does.
pub(super) async fn restart() -> Result<()> {
    let count = pods().await?.len();
    kubectl(&["rollout", "restart", DEPLOYMENT, "-n", NAMESPACE]).await?;
    of_replicas(count).await
}

/// Names of its pods.
pub(super) async fn pods() -> Result<Vec<String>> {
    let path = "jsonpath={.items[*].metadata.name}";
    let names =
        kubectl(&["get", "pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=operator", "-o", path])
            .await?;
    Ok(names.split_whitespace().map(str::to_owned).collect())
}

/// How often the kubelet started this pod's container again.
pub(super) async fn restarts(pod: &str) -> Result<u32> {
    let path = "jsonpath={.status.containerStatuses[0].restartCount}";
    Ok(kubectl(&["get", "pod", pod, "-n", NAMESPACE, "-o", path]).await?.parse()?)
}

/// Who leads. For a moment nobody does: a leader that ends gives its Lease back.
pub(super) async fn leader() -> Result<String> {
    another_leads_than("").await
}

/// Waits for another leader than this.
pub(super) async fn another_leads_than(before: &str) -> Result<String> {
    eventually("another replica leads", QUICK, || async {
        let holder = ["-o", "jsonpath={.spec.holderIdentity}"];
        let lease = ["get", "lease", NAMESPACE, "-n", NAMESPACE];
        let now = kubectl(&[&lease[..], &holder].concat()).await?;
        ensure!(!now.is_empty() && now != before, "{now:?} leads");
        Ok(now)
    })
    .await
}

/// Which certificates the API server trusts when it calls the webhook of the wiki's policy, the one that signs first.
pub(super) async fn trusted() -> Result<Vec<String>> {
    let uid = policy::read().await?["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let label = format!("restward.io/policy={uid}");
    let listed = kubectl_json(&["get", "mutatingwebhookconfigurations", "-l", &label]).await?;
    let bundle = listed["items"][0]["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap_or_default();
    let text = String::from_utf8(BASE64_STANDARD.decode(bundle)?)?;
    Ok(text
        .split_inclusive("-----END CERTIFICATE-----")
        .map(|one| one.trim().to_owned())
        .filter(|one| !one.is_empty())
        .collect())
}

/// Asks for another authority.
pub(super) async fn replace_authority() -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let request = format!("restward.io/rotate-webhook-ca={now}");
    kubectl(&["annotate", "secret", SECRET, "-n", NAMESPACE, "--overwrite", &request]).await.map(drop)
}

/// As if the hour had passed for which the one before is trusted.
pub(super) async fn end_the_authority_before() -> Result<()> {
    let ended = format!(r#"{{"data":{{"retired-until":"{}"}}}}"#, BASE64_STANDARD.encode("1"));
    kubectl(&["patch", "secret", SECRET, "-n", NAMESPACE, "--type=merge", "-p", &ended]).await.map(drop)
}

/// Revision of the configuration that the wiki's pods mount.
pub(super) async fn configuration() -> Result<String> {
    let name = format!("restward-{}", policy::NAME);
    kubectl(&["get", "configmap", &name, "-n", WIKI_NAMESPACE, "-o", "jsonpath={.metadata.resourceVersion}"])
        .await
}
