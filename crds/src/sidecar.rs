//! What the sidecar is told and what it answers.
//!
//! - [`terms`]: words that the policy and the configuration share
//! - [`config`]: the configuration file as written by the operator (JSON, versioned, unknown members refused)
//! - [`settings`]: the same, parsed; what the sidecar's decisions work with
//! - [`parse`]: the only way from one to the other, used by both sides
//! - [`provider`]: what is said of an identity provider that is not where the policy says
//! - [`pod`]: what one pod's sidecar needs to know about its pod
//! - [`status`]: the answer of the status endpoint
//! - [`admin`]: what the admin port answers to people
//! - [`identity`]: how users are named to Confluence
//! - [`enforcement`]: what happens about ways around the sidecar
//! - [`tokens`]: what a token has to be
//! - [`who`]: who the caller is, and what that caller may do
//! - [`basic`]: which password logins stay allowed
//! - [`deprecation`]: how password logins end
//! - [`limits`]: how often

pub mod admin;
pub mod basic;
pub mod config;
pub mod deprecation;
pub mod enforcement;
pub mod identity;
pub mod limits;
pub mod parse;
pub mod pod;
pub mod provider;
pub mod settings;
pub mod status;
pub mod terms;
pub mod tokens;
pub mod who;

pub use config::Config;
pub use parse::FieldError;
pub use pod::PodSettings;
pub use settings::Settings;
