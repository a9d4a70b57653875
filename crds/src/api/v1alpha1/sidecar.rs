//! What a policy says of the injected container. What it is (image, resources, log) is the chart's alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The injected container.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SidecarSpec {
    /// How running pods get another image of the sidecar, such as after an upgrade of the operator. InPlace: the operator
    /// replaces the image in one pod after the other, which restarts the sidecar and not Confluence; for some seconds such a pod
    /// takes no connections. OnDelete: pods get it when they are made anew.
    #[serde(default)]
    pub update_strategy: SidecarUpdateStrategy,
}

/// How running pods get another image of the sidecar.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SidecarUpdateStrategy {
    /// The operator replaces it, in one pod of a policy at a time; the next waits until the one before is ready again. A pod
    /// that does not come up with it ends the round. Where injection differs in more than the image, the pod keeps the image until
    /// it is made anew.
    #[default]
    InPlace,
    /// Nothing is changed in a running pod.
    OnDelete,
}
