//! What holds for every input of the sidecar's parsers. Each module has one `check`, which panics where it does not hold:
//! called with every file of its corpus by `cargo test`, and with what libFuzzer makes of them by `sidecar/fuzz/run`.
//!
//! - [`token`]: only what the issuer has signed gives a permit
//! - [`headers`]: no header or parameter that could name a user is left in an asserted request
//! - [`target`]: what Tomcat serves from the APIs is protected
//! - [`form`]: parameters are read as they were meant, and written so that they can be read in one way only
//! - [`config`]: a configuration that is accepted means the same when it is written and read again

#![allow(clippy::missing_panics_doc, clippy::panic, reason = "a check that does not hold must end the run")]

pub mod config;
pub mod form;
pub mod headers;
pub mod target;
pub mod token;
