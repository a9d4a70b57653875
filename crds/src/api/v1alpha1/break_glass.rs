//! What status says of uses of the chart's `breakGlass.groups`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The last use of the chart's `breakGlass.groups` that concerns the policy. Who it was is in the Event of reason
/// `BreakGlassUsed` and in the API server's audit log.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BreakGlassStatus {
    /// When the API server was asked.
    pub time: Time,
    /// What was done that is refused to everybody else.
    pub what: BreakGlassUse,
    /// CREATE, UPDATE or DELETE.
    pub operation: String,
    /// Kind and name of the object.
    pub object: String,
}

/// What the admission policies refuse to all but `breakGlass.groups`.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BreakGlassUse {
    /// Another container than the sidecar got at the Secret `restward-keys`.
    KeysExposed,
    /// What injection put into a running pod was changed.
    InjectedPodChanged,
    /// A ConfigMap or Secret of Restward, or the status of a policy, was made, changed or deleted.
    ManagedObjectChanged,
    /// A container was added to a protected pod.
    EphemeralContainerAdded,
    /// A selected pod came without the sidecar in front of Confluence, or was selected late.
    SidecarMissing,
    /// A pod came with the marks of injection, and not as injection makes it.
    SidecarForged,
}

impl BreakGlassUse {
    /// As it stands in status, in Events and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeysExposed => "KeysExposed",
            Self::InjectedPodChanged => "InjectedPodChanged",
            Self::ManagedObjectChanged => "ManagedObjectChanged",
            Self::EphemeralContainerAdded => "EphemeralContainerAdded",
            Self::SidecarMissing => "SidecarMissing",
            Self::SidecarForged => "SidecarForged",
        }
    }

    /// What the user did, for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::KeysExposed => "gave another container than the sidecar the keys",
            Self::InjectedPodChanged => "changed what injection put into a running pod",
            Self::ManagedObjectChanged => "made, changed or deleted what is the operator's alone",
            Self::EphemeralContainerAdded => "added a container to a protected pod",
            Self::SidecarMissing => "had a selected pod without the sidecar in front of Confluence",
            Self::SidecarForged => "made a pod with the marks of injection that is not as injection makes it",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn status_events_and_metrics_say_the_same_word() {
        for what in [
            BreakGlassUse::KeysExposed,
            BreakGlassUse::InjectedPodChanged,
            BreakGlassUse::ManagedObjectChanged,
            BreakGlassUse::EphemeralContainerAdded,
            BreakGlassUse::SidecarMissing,
            BreakGlassUse::SidecarForged,
        ] {
            assert_eq!(json!(what), json!(what.as_str()));
        }
    }
}
