//! Password logins, as the policy says it.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::sidecar::{basic::BasicException, deprecation::BasicDeprecation, terms::Switch};

/// Password logins: the Basic header in any spelling, `os_username` and `os_password`, and the bodies of XML-RPC and SOAP.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    /// Allow passes them on. Audit passes them on and records each. Deny answers 401.
    #[serde(default)]
    pub mode: Switch,
    /// Logins that stay allowed, and unrecorded, while `mode` is Audit or Deny.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = ("self.all(e, (has(e.users) && size(e.users) > 0) || (has(e.paths) && size(e.paths) > 0) || (has(e.presets) && size(e.presets) > 0) || (has(e.cidrs) && size(e.cidrs) > 0))",
        "basicAuth.exceptions: an entry names users, paths, presets or cidrs; set mode to Allow if everybody is meant"))]
    pub exceptions: Vec<BasicException>,
    /// The end of password logins, told to those who still use them while `mode` is Allow or Audit. What `exceptions` lists
    /// stays allowed, and is told nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(
        validation = ("self.since <= self.sunset", "basicAuth.deprecation: sunset must not be earlier than since"),
        validation = ("!has(self.brownOuts) || self.brownOuts.all(b, b.start < b.end && self.since <= b.start && b.end <= self.sunset)",
            "basicAuth.deprecation.brownOuts: each ends after its start, and lies between since and sunset"),
        validation = ("!has(self.brownOuts) || self.brownOuts.all(a, self.brownOuts.exists_one(b, a.start < b.end && b.start < a.end))",
            "basicAuth.deprecation.brownOuts must not overlap")
    )]
    pub deprecation: Option<BasicDeprecation>,
}
