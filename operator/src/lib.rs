//! The operator: makes the Confluence pods that a `RestApiAuthPolicy` selects come up with the sidecar, and keeps
//! configured those that run.
//!
//! - [`args`]: the command line
//! - [`policy_source`]: which policies are in force, as injection sees them

pub mod args;
pub mod policy_source;
