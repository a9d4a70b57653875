//! `spec.audit`: which requests get an audit line, and where the lines go.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::sidecar::terms::{Audit, AuditLines};

/// The audit lines.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditSpec {
    /// Decisions writes a line for every request to a protected path, and elsewhere for every one that was refused, would
    /// have been refused, lost its token or was sent on as a token's user. All writes one for every request.
    #[serde(default)]
    pub lines: AuditLines,
    /// Name of a volume of the pod, to whose top directory the lines go, into `restward-audit-<pod>.jsonl`, instead of the
    /// sidecar's standard output: for agents that collect files. At 100 MiB the file is renamed to `….jsonl.1`, which
    /// replaces the one before. What cannot be written there goes to standard output. New pods have it. Default: standard
    /// output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = ("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && !self.startsWith('restward-')",
        "audit.volume must be the name of a volume of the pod, and not one that Restward adds"))]
    pub volume: Option<String>,
}

impl AuditSpec {
    /// What of it the sidecar's configuration says.
    pub fn rules(&self) -> Audit {
        Audit { lines: self.lines }
    }
}
