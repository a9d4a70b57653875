//! What a process and its children have used, from `/proc`.

use std::{fs, time::Duration};

use anyhow::Context as _;

/// CPU time of a process and all below it, from the scheduler, in nanoseconds' steps.
pub(crate) fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let mut sum = Duration::ZERO;
    for pid in family(pid)? {
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let path = thread?.path().join("schedstat");
            let text = fs::read_to_string(path)?;
            let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok()).context("schedstat")?;
            sum += Duration::from_nanos(nanos);
        }
    }
    Ok(sum)
}

/// Resident memory of a process and all below it, in KiB; what they share counts once a process.
pub(crate) fn memory(pid: u32) -> anyhow::Result<u64> {
    let mut sum = 0;
    for pid in family(pid)? {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        sum += line.trim().trim_end_matches(" kB").parse::<u64>()?;
    }
    Ok(sum)
}

fn family(pid: u32) -> anyhow::Result<Vec<u32>> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let children = fs::read_to_string(thread?.path().join("children"))?;
            all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        next += 1;
    }
    Ok(all)
}
