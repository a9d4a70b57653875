//! Entry point: arguments, signals, exit codes.

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use clap::Parser as _;
use restward_crds::sidecar::PodSettings;
use restward_sidecar::{
    app::{self, Listeners, Options},
    args::{Args, Command},
    audit::{Audit, file::AuditFile},
    reach,
    server::Bounds,
    telemetry, trace,
    verify::network::Network,
};
use rustix::process::DumpableBehavior;
use tokio::signal::unix::{SignalKind, signal};

/// A request is some two hundred small allocations; glibc's allocator was a fifth of its CPU time (`bench/`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(Command::Probe { config_dir }) = &args.command {
        return probe(config_dir).await;
    }
    telemetry::start(&args.log);
    if let Err(error) = hide_from_own_user() {
        tracing::error!(%error, "the sidecar cannot hide its files and memory from processes of its own user");
        return ExitCode::FAILURE;
    }
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(reason = format!("{error:#}"), "the sidecar cannot run");
            ExitCode::FAILURE
        }
    }
}

/// Only sentences are written, which become the message of the container's end.
async fn probe(config_dir: &Path) -> ExitCode {
    // The first call in a process cannot fail.
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match reach::providers(config_dir).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentences) => {
            _ = writeln!(io::stdout(), "{sentences}");
            ExitCode::FAILURE
        }
    }
}

/// Its `/proc/<pid>` belongs to root from now on, so that a process of the same user that sees this one (another container of
/// the pod, one with the node's processes) reads neither its memory nor, by `root`, its keys. There is no core dump either.
fn hide_from_own_user() -> rustix::io::Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

async fn run(args: Args) -> anyhow::Result<()> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
    let pod = PodSettings::from_json(args.pod.as_deref().unwrap_or_default())
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listeners =
        Listeners::bind(&pod).await.map_err(|error| anyhow::anyhow!("a port cannot be bound: {error}"))?;
    let traces = trace::collector::from_env().context("traces cannot be sent")?;
    let options = Options {
        pod,
        config_dir: args.config_dir,
        state_dir: args.state_dir,
        network: Arc::new(|| Network::read(Path::new("/proc"))),
        audit: args.audit_file.map_or_else(Audit::stdout, |file| Audit::to(AuditFile::new(file))),
        traces: traces.clone(),
        bounds: Bounds::default(),
    };
    let mut running = app::start(options, listeners)?;
    tracing::info!(data = %running.data, admin = %running.admin, version = env!("CARGO_PKG_VERSION"), "listening");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = running.failed() => anyhow::bail!("a part of the sidecar ended"),
    }
    tracing::info!("draining");
    if !running.drain(app::DRAIN).await {
        tracing::warn!("requests were still in flight at the deadline");
    }
    if let Some(traces) = traces {
        tokio::task::spawn_blocking(move || traces.finish()).await?;
    }
    Ok(())
}
