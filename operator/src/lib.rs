//! The operator: makes the Confluence pods that a `RestApiAuthPolicy` selects come up with the sidecar, and keeps
//! configured those that run.
//!
//! What decides is pure; what talks to somebody is marked `[io]`.
//!
//! - [`args`]: the command line; [`app`] `[io]`: wiring; [`lease`] `[io]`: who leads; [`uninstall`] and
//!   [`self_test`] `[io]`: the chart's hooks
//! - [`controller`]: from a policy to keys, configuration, webhook and status, in five steps
//! - [`policy_source`]: which policies are in force, as injection sees them; [`store`] `[io]`: the same, watched;
//!   [`pages`] `[io]`: long lists, some objects at a time
//! - [`inject`]: from a pod and its policy to a JSON Patch; [`webhook`] `[io]`: the admission webhook; [`certs`] `[io]`: its
//!   certificates
//! - [`discovery`] `[io]`: what the identity provider says; [`acks`] `[io]`: what the sidecars say; [`ask`] `[io]`: what they
//!   are asked for people; [`page`] `[io]`: the page in the browser
//! - [`provision`] `[io]`: what the operator makes in the realm, where a policy has it do so
//! - [`keys`]: the key pair and the status key of a policy; [`selector`]: label selectors; [`server_xml`]: Tomcat's
//!   `server.xml` from a ConfigMap, moved to loopback
//! - [`conditions`]: how findings become status conditions; [`events`] `[io]`: and Events
//! - [`admin`] `[io]`: probes and metrics; [`metrics`]; [`telemetry`] `[io]`: logs

pub mod acks;
pub mod admin;
pub mod app;
pub mod args;
pub mod ask;
pub mod certs;
pub mod conditions;
pub mod controller;
pub mod discovery;
pub mod events;
pub mod inject;
pub mod keys;
pub mod lease;
pub mod metrics;
pub mod page;
pub mod pages;
pub mod policy_source;
pub mod provision;
pub mod selector;
pub mod self_test;
pub mod server_xml;
pub mod store;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod uninstall;
pub mod webhook;
