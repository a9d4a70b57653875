//! The controller against a real API server: `RESTWARD_TEST_KUBECONFIG=... cargo test -p restward-operator --features
//! cluster-tests --test api_server`.
//!
//! Each test has a namespace and policies of its own and calls `reconcile` for them only, so that nothing else in the
//! cluster is touched. The chart `restward-crds` must be installed, but no operator may run
//! meanwhile: both would write the same objects.

mod cel;
mod deletion;
mod programming;
mod support;
