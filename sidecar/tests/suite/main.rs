//! The whole sidecar in process, between a scripted identity provider and a scripted Confluence that records what
//! reaches it byte for byte.

mod support;

mod admin;
mod bearer;
mod config;
mod credentials;
mod framing;
mod hygiene;
mod keys;
mod leaks;
mod modes;
mod paths;
mod streams;
