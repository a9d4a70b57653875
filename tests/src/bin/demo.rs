//! Runs the flow of the original guide on the test cluster and prints what came of each request.

use anyhow::{Result, ensure};
use restward_tests::{guide, world::World};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a program for people")]
async fn main() -> Result<()> {
    let world = World::find().await?;
    let table = guide::run(&world).await?;
    let (lines, hold) = table.count();
    println!("\n{hold} of {lines} lines are as they must be.");
    ensure!(
        hold == lines,
        "{}",
        table.require_all().err().map(|error| error.to_string()).unwrap_or_default()
    );
    Ok(())
}
