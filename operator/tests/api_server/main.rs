//! The controller against a real API server: `RESTWARD_TEST_KUBECONFIG=... cargo test -p restward-operator --features
//! cluster-tests --test api_server`.
//!
//! Each test has a namespace and policies of its own and calls `reconcile` for them only, so that nothing else in the
//! cluster is touched. The chart `restward-crds` must be installed, but no operator may run
//! meanwhile: both would write the same objects.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

mod backstop;
mod cel;
mod chart;
mod converge;
mod deletion;
mod fences;
mod origin;
mod programming;
mod provisioning;
mod rendered;
mod requests;
mod rollout;
mod rotation;
mod sources;
mod support;
mod upgrade;
mod watchdog;
mod wiki;
mod witness;
mod workloads;
