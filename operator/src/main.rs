//! Entry point: crypto provider, command line, signals, exit code.

use std::process::ExitCode;

use clap::Parser;
use restward_operator::{
    app,
    args::{Cli, Command},
    self_test, telemetry, uninstall,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Run(_) => telemetry::start_for_machines(),
        Command::UninstallCheck | Command::SelfTest(_) => telemetry::start_for_people(),
    }
    // On the heap: the future of the whole operator is large.
    match Box::pin(run(cli)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    // It fails only when one was chosen already, and then that one serves.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match cli.command {
        Command::Run(args) => {
            let client = kube::Client::try_default().await?;
            Box::pin(app::run(client, *args, stop_on_signal()?)).await
        }
        Command::UninstallCheck => uninstall::check(&kube::Client::try_default().await?).await,
        Command::SelfTest(args) => self_test::run(&args).await,
    }
}

fn stop_on_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let (sender, stop) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop");
        sender.send_replace(true);
        sender.closed().await;
    });
    Ok(stop)
}
