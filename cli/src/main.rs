//! `kubectl restward`: looks at Restward in a cluster, at pods and at tokens, and takes an administrator's steps.
//!
//! - [`args`]: the command line
//! - [`cluster`], [`forward`]: the way to the API server, and through it to a pod's port; [`reach`]: to other servers
//! - [`input`]: secrets, which never come by the command line
//! - [`sidecar`], [`workload`]: what several commands ask for
//! - [`output`], [`report`], [`failure`]: what people see
//! - the others: one file for each command. What is found out is separate from what is concluded: facts in, findings out

mod applink;
mod args;
mod basic_report;
mod check;
mod cluster;
mod completion;
mod diff;
mod explain;
mod failure;
mod forward;
mod input;
mod output;
mod preflight;
mod reach;
#[cfg(test)]
mod reference;
mod report;
mod sidecar;
mod support_bundle;
mod token;
mod uninstall;
mod workload;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command};
use cluster::Session;
use failure::{Failure, Verdict};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // The first call in a process cannot fail.
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match Box::pin(run(Cli::parse())).await {
        Ok(verdict) => verdict.into(),
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure::NOT_DONE)
        }
    }
}

async fn run(cli: Cli) -> Result<Verdict, Failure> {
    let session = || Session::open(&cli.connection);
    match &cli.command {
        Command::Check(args) => check::run(args, &session().await?).await,
        Command::Explain(args) => explain::run(args, &session().await?).await,
        Command::Preflight(args) => Box::pin(preflight::run(args, &session().await?)).await,
        Command::Diff(args) => diff::run(args, &session().await?).await,
        Command::Token(args) => Box::pin(token::run(args, &cli.connection)).await,
        Command::Applink(args) => Box::pin(applink::run(args, &session().await?)).await,
        Command::BasicReport(args) => basic_report::run(args, &session().await?).await,
        Command::SupportBundle(args) => support_bundle::run(args, &session().await?).await,
        Command::Uninstall(args) => uninstall::run(args, &session().await?).await,
        Command::Completion(args) => completion::run(args),
    }
}
