//! Logs: one JSON object a line, on standard error's sibling that containers log, standard output.

use restward_crds::names;
use tracing_subscriber::EnvFilter;

/// Starts logging; the filter is taken from `RESTWARD_LOG`, else `info`.
pub fn start() {
    let filter = EnvFilter::try_from_env(names::ENV_LOG).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).init();
}
