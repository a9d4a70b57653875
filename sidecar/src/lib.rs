//! The auth sidecar: one module per phase of a request.

pub mod auth;
pub mod bounded;
pub mod keys;
pub mod refusal;
pub mod time;
