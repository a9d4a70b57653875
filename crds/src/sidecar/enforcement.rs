//! Ways around the sidecar: words that the policy and the configuration share, and what they become when parsed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::parse::Errors;
use crate::names;

/// What happens when a sidecar finds a way around itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
pub enum OnBypass {
    /// The pod becomes unready while `mode` is Enforce, so that Services send nobody to it.
    #[default]
    Block,
    /// Status, Events and metrics say so; the pod stays ready.
    Report,
}

/// A port of the pod on which something else than Restward and Confluence's own connector may listen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AllowedListener {
    /// The port.
    #[cfg_attr(feature = "kubernetes", schemars(range(min = 1, max = 65535)))]
    pub port: u16,
    /// Why it is there, for whoever reads the policy later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kubernetes", schemars(length(min = 1, max = 255)))]
    pub reason: Option<String>,
}

/// How the sidecar looks for ways around itself, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnforcementSettings {
    /// What happens when there is one.
    pub on_bypass: OnBypass,
    /// Ports that are not looked at.
    pub allowed_ports: BTreeSet<u16>,
}

impl EnforcementSettings {
    pub(super) fn parse(on_bypass: OnBypass, allowed: &[AllowedListener], errors: &mut Errors) -> Self {
        for (i, listener) in allowed.iter().enumerate() {
            let field = format!("allowedListeners[{i}].port");
            errors.require(listener.port != 0, &field, "must be 1 to 65535");
            errors.require(
                listener.port != names::UPSTREAM_PORT,
                &field,
                "is Tomcat's own port behind the sidecar, which is never allowed to answer anybody else",
            );
        }
        Self { on_bypass, allowed_ports: allowed.iter().map(|listener| listener.port).collect() }
    }
}
