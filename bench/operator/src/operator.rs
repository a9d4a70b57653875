//! The operator as a process, and what it uses.

use std::{fs, path::Path, process::Stdio, time::Duration};

use anyhow::Context as _;
use tokio::process::{Child, Command};

use crate::api_server::{ADDRESS, ApiServer, NAMESPACE};

/// Where its admin server listens.
const ADMIN: &str = "192.0.2.10:8080";

/// The operator.
pub(crate) struct Operator {
    _process: Child,
    pid: u32,
}

impl Operator {
    /// Starts it, and waits until it is ready.
    pub(crate) async fn start(program: &Path, server: &ApiServer) -> anyhow::Result<Self> {
        let log = fs::File::create(server.directory().join("operator.log"))?;
        let mut process = Command::new(program)
            .args([
                "run",
                "--namespace",
                NAMESPACE,
                "--pod-name",
                "bench",
                "--sidecar-image",
                "example.com/sidecar:1",
            ])
            .args(["--webhook-listen", &format!("{ADDRESS}:10250"), "--admin-listen", ADMIN])
            .args(["--lease", "restward", "--backstop", "restward-system-restward-require-sidecar"])
            .env("KUBECONFIG", server.operator_kubeconfig())
            .env("RESTWARD_LOG", "warn")
            .stdout(log.try_clone()?)
            .stderr(log)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let pid = process.id().context("the operator has ended")?;
        let ready = async {
            while !reqwest::get(format!("http://{ADMIN}/readyz"))
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                if let Some(status) = process.try_wait()? {
                    let said = fs::read_to_string(server.directory().join("operator.log"))?;
                    anyhow::bail!("the operator has ended: {status}\n{said}");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(())
        };
        tokio::time::timeout(Duration::from_mins(1), ready)
            .await
            .context("the operator does not get ready")??;
        Ok(Self { _process: process, pid })
    }

    /// Reconciliations so far.
    pub(crate) async fn reconciliations(&self) -> anyhow::Result<u64> {
        let text = reqwest::get(format!("http://{ADMIN}/metrics")).await?.text().await?;
        let lines = text.lines().filter(|line| line.starts_with("restward_operator_reconciliations_total"));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
    }

    /// CPU time so far.
    pub(crate) fn used(&self) -> anyhow::Result<Duration> {
        let mut sum = Duration::ZERO;
        for thread in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            sum += Duration::from_nanos(text.split(' ').next().context("schedstat")?.parse()?);
        }
        Ok(sum)
    }

    /// Resident memory, and the most that was, in MiB.
    pub(crate) fn memory(&self) -> anyhow::Result<(u64, u64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = |name: &str| -> anyhow::Result<u64> {
            let line =
                status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| name.to_owned())?;
            Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
        };
        Ok((line("VmRSS:")?, line("VmHWM:")?))
    }

    /// Open file descriptors.
    pub(crate) fn descriptors(&self) -> anyhow::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.pid))?.count())
    }
}
