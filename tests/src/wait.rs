//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks `probe` again and again until it gives a value; what it said last is in the error when `patience` runs out.
///
/// # Errors
/// When nothing came in time.
pub async fn eventually<T, F>(what: &str, patience: Duration, mut probe: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let begin = Instant::now();
    loop {
        match probe().await {
            Ok(value) => return Ok(value),
            Err(error) if begin.elapsed() > patience => {
                bail!("{what}: not within {} s; at last: {error:#}", patience.as_secs())
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    }
}

/// How long slow things may take: image starts, rollouts, Keycloak's start.
pub const SLOW: Duration = Duration::from_mins(6);
/// How long quick things may take: configuration, status, a condition.
pub const QUICK: Duration = Duration::from_mins(2);
