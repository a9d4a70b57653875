//! Runs the flow of the original guide on the test cluster and prints what came of each request.

use std::process::ExitCode;

use restward_tests::{guide, table::Table, world::World};

#[tokio::main]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]
async fn main() -> ExitCode {
    let table = match run().await {
        Ok(table) => table,
        Err(error) => {
            eprintln!("\nthe demo stopped: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let (lines, hold) = table.count();
    println!("\n{hold} of {lines} lines are as they must be.");
    match table.require_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<Table> {
    guide::run(&World::find().await?).await
}
