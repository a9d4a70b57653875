//! Measures the operator with many policies and pods, on a real API server without a node. Run by `bench/operator/run`, which
//! gives it a network of its own. What a kubelet and the sidecars would do is done here: pods get an address and are ready,
//! and at each address a sidecar says that all is well.

#![allow(clippy::print_stdout, reason = "a report is written")]
#![allow(clippy::indexing_slicing, reason = "of JSON values, which have a null where there is nothing")]

mod api_server;
mod edits;
mod fill;
mod objects;
mod operator;
mod percentiles;
mod requests;
mod reviews;
mod sidecars;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Parser;

use crate::{api_server::ApiServer, objects::Size, operator::Operator, requests::Requests};

/// What to measure.
#[derive(Debug, Parser)]
struct Args {
    /// Policies, ten in a namespace.
    #[arg(long, default_value_t = 1000)]
    policies: usize,
    /// Pods, as many of each policy.
    #[arg(long, default_value_t = 10_000)]
    pods: usize,
    /// Reviews that are sent to the webhook.
    #[arg(long, default_value_t = 10_000)]
    reviews: usize,
    /// Policies that are edited, one after the other.
    #[arg(long, default_value_t = 200)]
    edits: usize,
    /// Minutes that are looked at while nothing happens.
    #[arg(long, default_value_t = 5)]
    idle: u32,
    /// Seconds without an end after which a step has failed.
    #[arg(long, default_value_t = 1800)]
    patience: u64,
    /// The operator's program.
    #[arg(long)]
    operator: PathBuf,
    /// An empty directory.
    #[arg(long)]
    directory: PathBuf,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    // Only the first call in a process succeeds.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let size = Size { policies: args.policies, pods_each: (args.pods / args.policies.max(1)).max(1) };
    let patience = Duration::from_secs(args.patience);

    println!("an API server with the chart");
    let server = ApiServer::start(&args.directory).await?;
    let client = server.admin()?;
    sidecars::serve(client.clone(), size).await?;
    let mut requests = Requests::of(server.audit_log());
    let operator = Operator::start(&args.operator, &server).await?;

    let begin = Instant::now();
    fill::policies(&client, size).await.context("policies")?;
    println!(
        "{} policies in {} namespaces were made in {:.1} s",
        size.policies,
        size.namespaces(),
        secs(begin)
    );
    fill::until(&client, "Programmed", size.policies, patience).await?;
    println!("all are programmed {:.1} s after the first was made", secs(begin));
    phase(&operator, &mut requests).await?;

    let begin = Instant::now();
    fill::pods(&client, size).await.context("pods")?;
    println!("{} pods were made, injected through the API server, in {:.1} s", size.pods(), secs(begin));
    fill::until(&client, "Ready", size.policies, patience).await?;
    println!("all policies are Ready {:.1} s after the first pod was made", secs(begin));
    phase(&operator, &mut requests).await?;

    settle(&operator).await?;
    phase(&operator, &mut requests).await?;
    let before = operator.used()?;
    tokio::time::sleep(Duration::from_mins(1) * args.idle).await;
    let used = operator.used()?.saturating_sub(before);
    println!(
        "nothing happens for {} minutes: CPU {:.0} ms a minute",
        args.idle,
        1e3 * used.as_secs_f64() / f64::from(args.idle.max(1))
    );
    phase(&operator, &mut requests).await?;

    reviews::measure(&client, size, args.reviews).await.context("reviews")?;
    phase(&operator, &mut requests).await?;
    edits::measure(&client, size, args.edits).await.context("edits")?;
    phase(&operator, &mut requests).await?;
    Ok(())
}

/// What the operator did since the last phase, and what it holds.
async fn phase(operator: &Operator, requests: &mut Requests) -> anyhow::Result<()> {
    let reconciliations = operator.reconciliations().await?;
    print!("{}", requests.since(reconciliations).await?);
    let (resident, peak) = operator.memory()?;
    println!("    memory {resident} MiB, at most {peak} MiB; {} descriptors", operator.descriptors()?);
    Ok(())
}

/// Until nothing was reconciled for a moment by what went before.
async fn settle(operator: &Operator) -> anyhow::Result<()> {
    tokio::time::sleep(Duration::from_secs(90)).await;
    operator.reconciliations().await.map(drop)
}

fn secs(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}
