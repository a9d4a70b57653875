//! Measures the sidecar beside others that check the same token: CPU time per request, latency at a fixed rate, memory.
//! Run by `bench/run`, which gives it a network of its own and one core for the proxy.

#![allow(clippy::print_stdout, reason = "a report is written")]

mod issuer;
mod load;
mod process;
mod proxy;
mod report;
mod upstream;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;

use crate::{issuer::Issuer, load::Case, proxy::Proxy};

/// What to measure.
#[derive(Debug, Parser)]
struct Args {
    /// Proxies, in the order in which each round measures them.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Proxy::ALL)]
    proxies: Vec<Proxy>,
    /// Cases.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Case::ALL)]
    cases: Vec<Case>,
    /// Rounds; what is reported is the median.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Requests of a case in a round.
    #[arg(long, default_value_t = 20_000)]
    requests: usize,
    /// The sidecar's program.
    #[arg(long)]
    sidecar: PathBuf,
    /// Envoy's program.
    #[arg(long)]
    envoy: PathBuf,
    /// oauth2-proxy's program.
    #[arg(long)]
    oauth2_proxy: PathBuf,
    /// An empty directory for configurations and logs.
    #[arg(long)]
    directory: PathBuf,
    /// Core of the proxies.
    #[arg(long, default_value_t = 0)]
    core: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let issuer = Issuer::start().await.context("the issuer cannot be started")?;
    let upstream = upstream::start().await.context("the upstream cannot be started")?;
    let mut results = report::Results::default();
    for round in 1..=args.rounds {
        for proxy in &args.proxies {
            println!("round {round} of {}: {proxy}", args.rounds);
            let running = proxy.start(&args, &issuer, upstream).await.with_context(|| format!("{proxy}"))?;
            for case in args.cases.iter().filter(|case| proxy.takes(**case)) {
                let measured = load::run(*case, &running, &issuer, args.requests)
                    .await
                    .with_context(|| format!("{proxy}: {case}"))?;
                results.add(*proxy, *case, measured);
            }
            running.stop().await?;
        }
    }
    print!("{}", results.table());
    Ok(())
}
