//! Logs for operators: to standard error, since standard output belongs to the audit lines.

use restward_crds::names;
use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging with the filter of `RESTWARD_LOG`; a filter that cannot be read is replaced by `info`.
pub fn start(filter: &str) {
    let parsed = EnvFilter::try_new(filter);
    let is_valid = parsed.is_ok();
    let filter = parsed.unwrap_or_else(|_| EnvFilter::new("info"));
    let started = fmt().json().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    if started.is_ok() && !is_valid {
        tracing::warn!(variable = names::ENV_LOG, "the log filter cannot be read; using 'info'");
    }
}
