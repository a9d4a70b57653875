//! What the sidecars say about themselves: their status endpoint, asked by the operator, proven by the policy's status key.

mod heard;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use reqwest::{Client, redirect};
use restward_crds::{
    names,
    sidecar::status::{SidecarStatus, Verification},
};
use tokio::time;

use crate::keys::{self, PolicyKeys, Proof};
use heard::Heard;

const PATIENCE: Duration = Duration::from_secs(2);
/// For all of one policy, so that many that are silent do not hold up what else is to be done for it. Whoever is not asked by
/// then counts as one that has not answered.
const ROUND: Duration = Duration::from_secs(30);
/// Sidecars that are asked at the same time.
const AT_ONCE: usize = 16;
/// Largest answer that is read.
const MAX_BODY: usize = 64 * 1024;

/// What one sidecar answered.
#[derive(Debug, Clone)]
pub struct Ack {
    /// The pod.
    pub pod: String,
    /// Its status; `None` when it did not answer, or not with a proof that it is this policy's sidecar.
    pub status: Option<SidecarStatus>,
    /// The same; of one that does not answer, what it said a moment ago.
    pub last: Option<SidecarStatus>,
    /// It proved its status by the key from before: the new one has not reached it yet.
    pub has_previous_key: bool,
    /// By how many seconds its clock is ahead of the operator's, or behind it where negative, when it says what time it has.
    pub clock_ahead: Option<i64>,
}

impl Ack {
    /// Whether the sidecar runs the configuration with this hash; any will do when it is not known.
    pub fn runs(&self, config_hash: Option<&str>) -> bool {
        self.status.as_ref().is_some_and(|status| config_hash.is_none_or(|hash| status.config_hash == hash))
    }

    /// What it says about ways around it, or said a moment ago.
    pub fn verification(&self) -> Option<&Verification> {
        self.last.as_ref()?.verification.as_ref()
    }

    /// Whether the sidecar runs the policy's configuration of this generation, and refuses no newer one; any will do when it
    /// is not known.
    pub fn is_current(&self, generation: Option<i64>) -> bool {
        self.status.as_ref().is_some_and(|status| {
            status.config_rejected.is_none()
                && generation.is_none_or(|wanted| status.policy.generation == wanted)
        })
    }

    /// Why the sidecar refuses the newest configuration, when it does.
    pub fn rejected(&self) -> Option<&str> {
        self.status.as_ref()?.config_rejected.as_deref()
    }
}

/// Asks sidecars.
#[derive(Debug, Clone)]
pub struct Acks {
    client: Client,
    port: u16,
    heard: Arc<Mutex<Heard>>,
}

impl Acks {
    /// For sidecars whose admin server is at `port`.
    ///
    /// # Errors
    /// No HTTP client could be made.
    pub fn new(port: u16) -> Result<Self, reqwest::Error> {
        // A sidecar is asked once in minutes: thousands of idle connections would cost more than new ones.
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(PATIENCE)
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { client, port, heard: Arc::default() })
    }

    /// Asks each of `pods` (name and address).
    pub async fn poll(&self, pods: &[(String, String)], policy_uid: &str, keys: &PolicyKeys) -> Vec<Ack> {
        let begin = time::Instant::now();
        stream::iter(pods.to_vec())
            .map(|(pod, ip)| async move {
                let is_late = begin.elapsed() >= ROUND;
                let answer = if is_late { None } else { self.ask(&ip, policy_uid, keys).await };
                let (status, proof) = answer.unzip();
                let now = Timestamp::now().as_second();
                let clock_ahead =
                    status.as_ref().and_then(|status: &SidecarStatus| Some(status.now?.saturating_sub(now)));
                if status.is_none() {
                    tracing::debug!(pod.name = %pod, "the sidecar gave no valid status");
                }
                let last = self.last(&pod, ip, policy_uid, status.as_ref());
                let has_previous_key = proof == Some(Proof::ByPreviousKey);
                Ack { pod, status, last, has_previous_key, clock_ahead }
            })
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    fn last(
        &self,
        pod: &str,
        ip: String,
        policy_uid: &str,
        status: Option<&SidecarStatus>,
    ) -> Option<SidecarStatus> {
        let (key, now) = ((policy_uid.to_owned(), pod.to_owned(), ip), Instant::now());
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(status) = status else { return heard.last(&key, now) };
        heard.note(key, status, now);
        Some(status.clone())
    }

    async fn ask(&self, ip: &str, policy_uid: &str, keys: &PolicyKeys) -> Option<(SidecarStatus, Proof)> {
        let nonce = keys::nonce().ok()?;
        let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
        let url = format!("http://{host}:{}/status?nonce={nonce}", self.port);
        let mut response = self.client.get(url).send().await.ok()?;
        let mac = response.headers().get(names::HEADER_STATUS_MAC)?.to_str().ok()?.to_owned();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BODY {
                return None;
            }
        }
        let proof = keys.proof(&nonce, &body, &mac)?;
        let status: SidecarStatus = serde_json::from_slice(&body).ok()?;
        (status.policy.uid == policy_uid).then_some((status, proof))
    }
}

#[cfg(test)]
mod tests;
