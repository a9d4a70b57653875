//! Status of `RestApiAuthPolicy`: only what was applied and what sidecars answered.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{break_glass::BreakGlassStatus, provisioning::ProvisioningStatus};

/// Observed state of a policy.
#[derive(KubeSchema, Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestApiAuthPolicyStatus {
    /// Generation of the spec that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions: Accepted, Programmed, Injected, ConfigCurrent, Enforced, IdentityProviderReachable, UpstreamTrusted, Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Injected and selected pods, such as `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<String>,
    /// Accepted audiences, or `ANY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Things that are allowed but better avoided, such as `PlainHttp: …`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advisories: Vec<String>,
    /// The selected workloads, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<WorkloadStatus>,
    /// The application link that Confluence needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_link: Option<ApplicationLinkStatus>,
    /// What the operator has made in the realm, with `keycloak.provisioning`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioning: Option<ProvisioningStatus>,
    /// What pods are held to: of the spec that was accepted last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<InForceStatus>,
    /// The last use of the chart's `breakGlass.groups` that concerns the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlassStatus>,
}

/// What the admission policies of the chart have to know about the policy.
#[derive(JsonSchema, Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InForceStatus {
    /// Pods that the policy selects.
    pub selector: LabelSelector,
    /// Name of the Confluence container, when the policy gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Image of the sidecar that new pods get.
    pub sidecar_image: String,
    /// UIDs of the policies whose sidecar the pods may have: this one, and the older ones of the namespace, which win the
    /// pods that both select.
    #[serde(default)]
    pub policies: Vec<String>,
}

/// A StatefulSet, Deployment or single pod whose pods are selected.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadStatus {
    /// Kind of the workload.
    pub kind: String,
    /// Name of the workload.
    pub name: String,
    /// Selected pods.
    pub pods: i32,
    /// Selected pods with the sidecar.
    pub injected: i32,
    /// Selected pods whose sidecar is one that an earlier policy or operator injected.
    #[serde(default)]
    pub outdated: i32,
    /// Selected pods whose sidecar runs the image that new pods get.
    #[serde(default)]
    pub image_current: i32,
    /// Selected pods whose sidecar says that it runs the policy as it is now.
    #[serde(default)]
    pub current: i32,
    /// Selected pods whose sidecar says that it finds no way around it.
    #[serde(default)]
    pub enforced: i32,
    /// Command that restarts the pods which lack it, or have an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_command: Option<String>,
    /// What the operator remembers of the workload's rollouts, with `rollout.strategy: Automatic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStatus>,
}

/// What the operator remembers of a workload's rollouts.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// What it put on the pod template last, in annotation `restward.io/injection-hash`. It is not put there again before something else is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Hash of what the policy said of injection when the pods were last as it wants them, or a rollout began. While that
    /// is the same, what else changed is the operator's, and restarts nothing.
    #[serde(default)]
    pub policy: String,
}

/// What the administrator of Confluence has to enter.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationLinkStatus {
    /// Consumer key.
    pub consumer_key: String,
    /// Public key (SPKI, PEM).
    pub public_key: String,
    /// SHA-256 of the public key (SPKI, DER), lower-case hexadecimal.
    pub fingerprint: String,
    /// The three REST calls, as curl lines, and the clicks; only while Confluence does not trust the link.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instructions: Vec<String>,
    /// What the sidecars put right about it last, and when; where they keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired: Option<String>,
    /// The key that is to follow, while the key is being replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextKeyStatus>,
}

/// A key that was asked for by the annotation `restward.io/rotate-consumer-key`. It takes the place of the other once every
/// sidecar has seen that Confluence takes it.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NextKeyStatus {
    /// Public key (SPKI, PEM).
    pub public_key: String,
    /// SHA-256 of the public key (SPKI, DER), lower-case hexadecimal.
    pub fingerprint: String,
    /// Whether every sidecar has it, so that it may be put into the application link.
    #[serde(default)]
    pub all_have_it: bool,
    /// How far it is, and what to do.
    pub message: String,
    /// The REST calls that put it there, as curl lines, and the clicks; once all sidecars have the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instructions: Vec<String>,
}
