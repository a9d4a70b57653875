//! Injection seen from outside: pods in, pods out.
//!
//! - [`golden`]: pods shaped like the official chart's, and variations that are refused
//! - [`again`]: a second pass, after the API server and other injectors had the pod in hand
//! - [`choice`]: which of several policies a pod belongs to
//! - [`listen`]: where Tomcat is told to listen
//! - [`probes`]: which probes and hooks are moved, and to what effect
//! - [`properties`]: what holds for any pod
//! - [`webhook`]: the same over TLS, as the API server calls it
//! - [`authority`]: the webhook's certificate authority in its Secret (feature `cluster-tests`)
//! - [`lease`]: one leader, and what it writes (feature `cluster-tests`)
//! - [`cluster`]: whether a real API server takes injected pods (feature `cluster-tests`)

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this crate is a test, its helpers too"
)]

mod again;
mod audit;
#[cfg(feature = "cluster-tests")]
mod authority;
mod choice;
#[cfg(feature = "cluster-tests")]
mod cluster;
mod golden;
#[cfg(feature = "cluster-tests")]
mod lease;
mod listen;
mod probes;
mod properties;
mod support;
mod webhook;
