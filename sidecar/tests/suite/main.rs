//! The whole sidecar in process, between a scripted identity provider and a scripted Confluence that records what
//! reaches it byte for byte.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::similar_names,
    clippy::unwrap_used,
    reason = "a test that cannot go on should fail where it stands"
)]

mod support;

mod admin;
mod advisories;
mod ask;
mod basic_report;
mod bearer;
mod bounds;
mod config;
mod cors;
mod credentials;
mod departed;
mod deprecation;
mod dpop;
mod explain;
mod faults;
mod framing;
mod header;
mod hygiene;
mod issuers;
mod keys;
mod leaks;
mod legacy;
mod lies;
mod metadata;
mod modes;
mod moves;
mod mtls;
mod online;
mod paths;
mod process;
mod request_ids;
mod rotation;
mod socket;
mod streams;
mod traces;
mod verify;
mod who;
