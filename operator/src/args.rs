//! The command line. The chart sets every flag; the defaults are for runs from a shell.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use restward_crds::names;
use serde_json::Value;

use crate::page;

/// The operator of Restward.
#[derive(Debug, Clone, Parser)]
#[command(name = "restward-operator", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run the operator until it is told to stop.
    Run(Box<RunArgs>),
    /// Refuse to be uninstalled while policies exist, naming them; without any, remove leftover webhook
    /// configurations. Called by the chart before it is uninstalled.
    UninstallCheck,
    /// Ask the webhook through its Service whether it answers with a certificate of its authority. Called by `helm test`.
    SelfTest(SelfTestArgs),
}

/// Settings of [`Command::SelfTest`].
#[derive(Debug, Clone, Args)]
pub struct SelfTestArgs {
    /// Where the webhook is, as the API server calls it, such as `https://restward.restward.svc`.
    #[arg(long)]
    pub webhook: String,
    /// File with the certificate of its authority, PEM.
    #[arg(long)]
    pub authority: PathBuf,
}

/// Settings of [`Command::Run`].
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Namespace that the operator runs in.
    #[arg(long, env = "RESTWARD_NAMESPACE")]
    pub namespace: String,
    /// Name of this replica, unique among the replicas.
    #[arg(long, env = "RESTWARD_POD_NAME")]
    pub pod_name: String,
    /// Name of the Service in front of the webhook server, in the operator's namespace.
    #[arg(long, default_value = "restward")]
    pub webhook_service: String,
    /// Name of the Secret with the webhook's certificate authority, in the operator's namespace.
    #[arg(long, default_value = "restward-webhook-ca")]
    pub ca_secret: String,
    /// Name of the Lease that elects the one replica that writes.
    #[arg(long, default_value = "restward-operator")]
    pub lease: String,
    /// Name of the ValidatingAdmissionPolicy that refuses selected pods without the sidecar.
    #[arg(long, default_value = "restward-require-sidecar")]
    pub backstop: String,
    /// Name of the chart's ValidatingWebhookConfiguration by which uses of break-glass are seen; none when nobody may.
    #[arg(long)]
    pub break_glass_webhook: Option<String>,
    /// Address of the webhook server.
    #[arg(long, default_value_t = SocketAddr::from(([0, 0, 0, 0], names::WEBHOOK_PORT)))]
    pub webhook_listen: SocketAddr,
    /// Address of the admin server: liveness, readiness, metrics.
    #[arg(long, default_value = "0.0.0.0:8080")]
    pub admin_listen: SocketAddr,
    /// Loopback address of the page in the browser, such as `127.0.0.1:8081`; none without.
    #[arg(long, value_parser = page::loopback_only)]
    pub page_listen: Option<SocketAddr>,
    /// What happens to selected pods from before a policy, which run without the sidecar.
    #[arg(long, value_enum, default_value_t = WatchdogAction::Report)]
    pub watchdog: WatchdogAction,
    /// The injected container.
    #[command(flatten)]
    pub sidecar: Sidecar,
}

/// What happens to selected pods from before a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum WatchdogAction {
    /// Status says which they are, and how to restart them.
    Report,
    /// They are evicted, one at a time, to be made anew with the sidecar.
    Evict,
}

/// What the cluster's administrator decides about the injected container. Never a policy's author.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct Sidecar {
    /// Image of the sidecar.
    #[arg(long = "sidecar-image", env = "RESTWARD_SIDECAR_IMAGE")]
    pub image: String,
    /// Pull policy of the sidecar's image.
    #[arg(long = "sidecar-pull-policy", value_enum, default_value_t = PullPolicy::IfNotPresent)]
    pub pull_policy: PullPolicy,
    /// Names of pull secrets, which must exist in the policies' namespaces; repeatable.
    #[arg(long = "sidecar-pull-secret")]
    pub pull_secrets: Vec<String>,
    /// Resources of the sidecar, as JSON in the form of a container's `resources`.
    #[arg(long = "sidecar-resources", value_parser = parse_resources, default_value = DEFAULT_RESOURCES)]
    pub resources: Value,
    /// Log filter of the sidecar (`tracing` directives).
    #[arg(long = "sidecar-log", default_value = "info")]
    pub log: String,
    /// OpenTelemetry's variables for the sidecar, as a JSON object of texts.
    #[arg(long = "sidecar-open-telemetry", value_parser = parse_open_telemetry, default_value = "{}")]
    pub open_telemetry: OpenTelemetry,
}

/// Requests and limits for everything, so that quotas and LimitRanges of the namespace neither refuse nor change the pod.
const DEFAULT_RESOURCES: &str = r#"{"requests": {"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "16Mi"}, "limits": {"cpu": "2", "memory": "256Mi", "ephemeral-storage": "64Mi"}}"#;

/// When the kubelet pulls the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum PullPolicy {
    /// Each time.
    Always,
    /// When the node lacks it.
    IfNotPresent,
    /// Never: the node has it.
    Never,
}

impl PullPolicy {
    /// As it stands in a container.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// OpenTelemetry's variables, by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenTelemetry(pub BTreeMap<String, String>);

fn parse_open_telemetry(text: &str) -> Result<OpenTelemetry, String> {
    let variables: BTreeMap<String, String> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    match variables.keys().find(|name| !names::OTEL_VARIABLES.contains(&name.as_str())) {
        Some(name) => Err(format!("{name} is none of {}", names::OTEL_VARIABLES.join(", "))),
        None => Ok(OpenTelemetry(variables)),
    }
}

fn parse_resources(text: &str) -> Result<Value, String> {
    let resources: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for list in ["requests", "limits"] {
        for resource in ["cpu", "memory", "ephemeral-storage"] {
            if resources.pointer(&format!("/{list}/{resource}")).is_none() {
                return Err(format!("needs {list}.{resource}"));
            }
        }
    }
    Ok(resources)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: [&str; 8] = [
        "restward-operator",
        "run",
        "--namespace",
        "restward-system",
        "--pod-name",
        "restward-0",
        "--sidecar-image",
        "example.com/restward-sidecar:1",
    ];

    #[test]
    fn the_defaults_are_complete() {
        let cli = Cli::try_parse_from(REQUIRED).unwrap();
        let Command::Run(run) = cli.command else { panic!("not run") };
        assert_eq!(run.sidecar.pull_policy, PullPolicy::IfNotPresent);
        assert_eq!(run.webhook_listen.port(), names::WEBHOOK_PORT);
        assert_eq!(run.watchdog, WatchdogAction::Report, "nothing restarts unasked");
    }

    #[test]
    fn only_variables_of_open_telemetry_that_hold_no_secret_are_passed_on() {
        let parse = |json: &str| {
            let arguments = REQUIRED.into_iter().chain(["--sidecar-open-telemetry", json]);
            Cli::try_parse_from(arguments).map_err(|error| error.to_string())
        };
        assert!(parse(r#"{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}"#).is_ok());
        for name in ["OTEL_EXPORTER_OTLP_HEADERS", "RESTWARD_POD", "LD_PRELOAD"] {
            let refused = parse(&format!(r#"{{"{name}": "x"}}"#)).unwrap_err();
            assert!(refused.contains(&format!("{name} is none of OTEL_")), "{refused}");
        }
    }

    #[test]
    fn resources_without_every_limit_are_refused() {
        let arguments = REQUIRED.into_iter().chain(["--sidecar-resources", r#"{"limits": {"cpu": "1"}}"#]);
        assert!(Cli::try_parse_from(arguments).unwrap_err().to_string().contains("requests.cpu"));
    }
}
