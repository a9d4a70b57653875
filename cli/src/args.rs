//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{
    applink, basic_report, check, completion, diff, explain, output::Format, preflight, support_bundle,
    token, uninstall, verify,
};

/// Look at Restward in a cluster, at pods and at tokens.
#[derive(Debug, Parser)]
#[command(name = "kubectl-restward", bin_name = "kubectl restward", version, propagate_version = false)]
#[command(
    after_help = "Exit codes: 0 all is well; 1 something is wrong, and was shown; 2 the command line is wrong; \
                        3 it could not be found out or done."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which cluster, as kubectl's.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Connection {
    /// The kubeconfig file. Default: $KUBECONFIG, else ~/.kube/config
    #[arg(long, global = true, value_name = "FILE", help_heading = "Cluster")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME", help_heading = "Cluster")]
    pub(crate) context: Option<String>,
    /// The namespace. Default: that of the context
    #[arg(short, long, global = true, value_name = "NAME", help_heading = "Cluster")]
    pub(crate) namespace: Option<String>,
}

/// How the result is shown.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Output {
    /// How the result is shown
    #[arg(short = 'o', long = "output", value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
}

/// Which policy.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PolicyName {
    /// The policy. Default: the only one of the namespace
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at operator, webhook, certificates, backstop and policies, and say how to put right what is wrong
    Check(check::Arguments),
    /// Say what was injected into a pod and why, or why nothing was
    Explain(explain::Arguments),
    /// Try the next pod of a workload as a dry run, and list the risks of a restart with what removes each
    Preflight(preflight::Arguments),
    /// Show what a restart would change in a pod: the one that runs against the next one, as a dry run
    Diff(diff::Arguments),
    /// Get a token, read one, ask why one is refused
    Token(token::Arguments),
    /// Show, make, verify, renew and remove the application link by which Confluence accepts the users of tokens
    Applink(applink::Arguments),
    /// Try what a wiki does behind its policy, case by case, such as before an upgrade; best on a staging wiki
    Verify(Box<verify::Arguments>),
    /// Show who still logs in by password, from the sidecars of all pods of a policy
    BasicReport(basic_report::Arguments),
    /// Write what somebody needs who is to help: objects, status of the sidecars, metrics and logs, without secrets
    SupportBundle(support_bundle::Arguments),
    /// Take Restward out of the cluster in the right order: policies, the sidecars of their pods, the operator. Asks first
    Uninstall(uninstall::Arguments),
    /// Write a script that completes the command line, for a shell or for kubectl
    Completion(completion::Arguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_cluster_is_chosen_before_and_after_the_command() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap();
        for line in [
            "kubectl-restward -n wiki --context c check -o json",
            "kubectl-restward check -n wiki --context=c --output=json",
        ] {
            let cli = parse(line);
            assert_eq!(cli.connection.namespace.as_deref(), Some("wiki"), "{line}");
            assert_eq!(cli.connection.context.as_deref(), Some("c"), "{line}");
        }
        assert_eq!(
            Cli::try_parse_from(["kubectl-restward", "check", "-o", "xml"]).unwrap_err().exit_code(),
            2
        );
    }
}
