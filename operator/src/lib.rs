//! The operator: makes the Confluence pods that a `RestApiAuthPolicy` selects come up with the sidecar, and keeps
//! configured those that run.
//!
//! - [`args`]: the command line
//! - [`conditions`]: how findings become status conditions
//! - [`keys`]: the key pair and the status key of a policy
//! - [`policy_source`]: which policies are in force, as injection sees them
//! - [`selector`]: label selectors
//! - [`certs`]: the webhook's certificates
//! - [`inject`]: from a pod and its policy to a JSON Patch (pure)
//! - [`webhook`]: the admission webhook

pub mod args;
pub mod certs;
pub mod conditions;
pub mod inject;
pub mod keys;
pub mod policy_source;
pub mod selector;
pub mod webhook;
