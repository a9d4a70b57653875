//! Logs.

use restward_crds::names;
use tracing_subscriber::EnvFilter;

/// For containers: one JSON object a line on standard output. The filter is taken from `RESTWARD_LOG`, else `info`.
pub fn start_for_machines() {
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter()).init();
}

/// For a command that people read: plain lines.
pub fn start_for_people() {
    tracing_subscriber::fmt()
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .with_env_filter(filter())
        .init();
}

fn filter() -> EnvFilter {
    EnvFilter::try_from_env(names::ENV_LOG).unwrap_or_else(|_| EnvFilter::new("info"))
}
