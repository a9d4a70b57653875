//! Command line and environment.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use restward_crds::names;

/// Authenticates calls of Confluence's REST API by tokens of an identity provider, as a sidecar in Confluence's pod.
#[derive(Debug, Parser)]
#[command(version, about, subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// What is done instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,

    /// What the sidecar needs to know about its pod, as JSON; written by the operator's injection
    #[arg(long, env = names::ENV_POD, value_name = "JSON", required = true)]
    pub pod: Option<String>,

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

/// What is done instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say whether the identity providers of a configuration answer from here, and end: 0 they do, 1 the sentences say why not
    Probe {
        /// Directory with config.json and perhaps ca.crt; no keys are needed
        #[arg(long, env = names::ENV_CONFIG_DIR, value_name = "DIRECTORY", default_value = names::CONFIG_DIR)]
        config_dir: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_serve_takes_a_pod_and_to_probe_does_not() {
        let parse = |line: &str| Args::try_parse_from(line.split(' '));
        assert!(parse("restward-sidecar --log=info").is_err());
        assert_eq!(parse("restward-sidecar --pod={}").unwrap().pod.as_deref(), Some("{}"));
        let args = parse("restward-sidecar probe").unwrap();
        assert!(
            matches!(args.command, Some(Command::Probe { config_dir }) if config_dir == *names::CONFIG_DIR)
        );
    }
}
