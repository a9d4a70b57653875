//! Which policies are in force, as injection sees them: the boundary between controller and webhook.
//!
//! The controller writes a [`Candidate`] into the policy's ConfigMap with everything else that it programs; the webhook
//! reads it from there. So injection follows what was accepted and programmed last, never an edit that was not accepted.

use futures::future::BoxFuture;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::LabelSelector, jiff::Timestamp};
use restward_crds::api::v1alpha1::{Interception, LoopbackBind, SecretKeyRef};
use serde::{Deserialize, Serialize};

use crate::server_xml::ServerXml;

/// What injection has to know about one programmed policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Candidate {
    /// Namespace of the policy.
    pub namespace: String,
    /// Name of the policy.
    pub name: String,
    /// UID of the policy.
    pub uid: String,
    /// When the policy was created; of two that select one pod the older wins, then the name.
    pub created: Timestamp,
    /// Pods that the policy selects; never empty.
    pub selector: LabelSelector,
    /// Name of the Confluence container, when the policy gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Name of the Secret with the sidecar's credentials at the identity provider, when the policy gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Audience of the ServiceAccount token that the sidecar shows instead, when the policy wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_assertion_audience: Option<String>,
    /// Where Tomcat listens behind the sidecar.
    #[serde(default)]
    pub interception: Interception,
    /// Where the token is by which the sidecar keeps the application link, when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_token: Option<SecretKeyRef>,
    /// Whether Tomcat is told to listen on loopback only.
    #[serde(default)]
    pub loopback_bind: LoopbackBind,
    /// Name of the pod's volume for audit lines, when the policy gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_volume: Option<String>,
    /// ConfigMaps whose `server.xml` the policy's pods mount.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server_xml: Vec<ServerXml>,
}

impl Candidate {
    /// Of two that select one pod the lesser wins.
    pub fn seniority(&self) -> (Timestamp, &str) {
        (self.created, &self.name)
    }

    /// Name of the policy's ConfigMap, in the policy's namespace.
    pub fn config_map(&self) -> String {
        config_map_name(&self.name)
    }

    /// Item of the Secret `restward-keys` with the consumer's private key.
    pub fn consumer_key_item(&self) -> String {
        consumer_key_item(&self.uid)
    }

    /// Item of the Secret `restward-keys` with the private key that is to follow it.
    pub fn next_consumer_key_item(&self) -> String {
        next_consumer_key_item(&self.uid)
    }

    /// Item of the Secret `restward-keys` with the status key.
    pub fn status_key_item(&self) -> String {
        status_key_item(&self.uid)
    }
}

/// Key of the policy's ConfigMap that holds its [`Candidate`] as JSON.
pub const FILE_CANDIDATE: &str = "candidate.json";

/// Name of the ConfigMap of the policy `policy`.
pub fn config_map_name(policy: &str) -> String {
    format!("restward-{policy}")
}

/// Item of the Secret `restward-keys` with the consumer's private key of the policy with this UID.
pub fn consumer_key_item(uid: &str) -> String {
    format!("{uid}.consumer-key.pem")
}

/// Item of the Secret `restward-keys` with the key that is to follow it; only while it is being replaced.
pub fn next_consumer_key_item(uid: &str) -> String {
    format!("{uid}.next-consumer-key.pem")
}

/// Item of the Secret `restward-keys` with the request for a new key that was answered last: it is written with the key, so
/// that no request is answered twice.
pub fn answered_request_item(uid: &str) -> String {
    format!("{uid}.answered-request")
}

/// Item of the Secret `restward-keys` with the status key of the policy with this UID.
pub fn status_key_item(uid: &str) -> String {
    format!("{uid}.status-key")
}

/// Item of the Secret `restward-keys` with the status key from before, while a new one reaches the sidecars. None of them mounts
/// it.
pub fn previous_status_key_item(uid: &str) -> String {
    format!("{uid}.previous-status-key")
}

/// Gives the programmed policies.
pub trait PolicySource: Send + Sync + 'static {
    /// The programmed policies of a namespace, as far as this replica has heard.
    fn policies_of(&self, namespace: &str) -> Vec<Candidate>;

    /// The same, asked of the API server: for a policy that this replica has not heard of yet.
    ///
    /// # Errors
    /// The API server could not be asked.
    fn fetch_policies_of(&self, namespace: &str) -> BoxFuture<'_, Result<Vec<Candidate>, kube::Error>>;

    /// The `server.xml` of a ConfigMap as it is at the moment.
    ///
    /// # Errors
    /// The API server could not be asked.
    fn fetch_server_xml<'a>(
        &'a self,
        namespace: &'a str,
        config_map: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, kube::Error>>;
}
