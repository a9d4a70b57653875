//! The auth sidecar: one module per phase of a request.

pub mod audit;
pub mod auth;
pub mod bounded;
pub mod calibrate;
pub mod credential;
pub mod decide;
pub mod flights;
pub mod forward;
pub mod identity;
pub mod keys;
pub mod loopback;
pub mod metrics;
pub mod preflight;
pub mod random;
pub mod refusal;
pub mod respond;
pub mod route;
pub mod target;
pub mod telemetry;
pub mod time;
pub mod user;
