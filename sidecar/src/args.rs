//! Command line and environment.

use std::path::PathBuf;

use clap::Parser;
use restward_crds::names;

/// Authenticates calls of Confluence's REST API by tokens of an identity provider, as a sidecar in Confluence's pod.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Args {
    /// What the sidecar needs to know about its pod, as JSON; written by the operator's injection
    #[arg(long, env = names::ENV_POD, value_name = "JSON")]
    pub pod: String,

    /// Directory with config.json, consumer-key.pem, status-key and perhaps ca.crt
    #[arg(long, env = names::ENV_CONFIG_DIR, value_name = "DIRECTORY", default_value = names::CONFIG_DIR)]
    pub config_dir: PathBuf,

    /// Directory for what outlives a restart; without it nothing does
    #[arg(long, env = names::ENV_STATE_DIR, value_name = "DIRECTORY", default_value = names::STATE_DIR)]
    pub state_dir: PathBuf,

    /// File for the audit lines instead of standard output
    #[arg(long, env = names::ENV_AUDIT_FILE, value_name = "FILE")]
    pub audit_file: Option<PathBuf>,

    /// Log filter, such as 'info' or 'restward_sidecar=debug'
    #[arg(long, env = names::ENV_LOG, value_name = "FILTER", default_value = "info")]
    pub log: String,
}
