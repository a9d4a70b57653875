//! The contract between the parts of Restward. No I/O, no async, no other crate of the workspace.
//!
//! - [`advisory`]: what is told of a policy beside its conditions, with the next step
//! - [`names`]: every label, annotation, port, file and variable that two parts must spell alike
//! - [`reason`]: why a request was refused: code, status, explanation
//! - [`condition`]: the conditions of a policy and their reasons
//! - [`fix`]: what to do about each reason of a condition
//! - [`link`]: the REST calls that make and keep the application link in Confluence
//! - [`text`]: checked strings: URLs, durations, user names
//! - [`sidecar`]: the sidecar's configuration: what the operator writes, the sidecar reads, and both parse
//! - `seal`: what the operator asks a sidecar for people, sealed on its way (feature `seal`)
//! - `api`: the Kubernetes kinds (feature `kubernetes`)
//! - `generate`: every file that is generated from this crate (feature `kubernetes`)

pub mod advisory;
#[cfg(feature = "kubernetes")]
pub mod api;
pub mod condition;
pub mod fix;
#[cfg(feature = "kubernetes")]
pub mod generate;
pub mod link;
pub mod names;
pub mod reason;
#[cfg(feature = "seal")]
pub mod seal;
pub mod sidecar;
pub mod text;
