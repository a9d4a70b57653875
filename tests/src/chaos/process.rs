//! Processes of the test cluster on this node, by their number; never anybody else's.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::operator;
use crate::command::{kubectl, run};

/// One process.
pub(super) struct Process(u32);

impl Process {
    /// The operator's in this pod: known by its program, and by the pod's UID in its cgroup's name.
    pub(super) async fn of_operator(pod: &str) -> Result<Self> {
        let path = "jsonpath={.metadata.uid}";
        let uid = kubectl(&["get", "pod", pod, "-n", operator::NAMESPACE, "-o", path]).await?;
        ensure!(!uid.is_empty(), "pod {pod} has no UID");
        let names = [uid.clone(), uid.replace('-', "_")];
        Self::find("restward-operator", |cgroup| names.iter().any(|name| cgroup.contains(name)))
    }

    /// A daemon of `tests/cluster`: known by its name and by the cluster's directory in its command line.
    pub(super) async fn of_daemon(program: &str) -> Result<Self> {
        let pid = run("bash", &["-c", DAEMON, "daemon", program], None).await?;
        Ok(Self(pid.trim().parse().with_context(|| format!("{program} does not run: {pid:?}"))?))
    }

    fn find(program: &str, is_its_cgroup: impl Fn(&str) -> bool) -> Result<Self> {
        for entry in fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let is_program = fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe.ends_with(program));
            if is_program
                && fs::read_to_string(entry.path().join("cgroup")).is_ok_and(|text| is_its_cgroup(&text))
            {
                return Ok(Self(pid));
            }
        }
        anyhow::bail!("no process {program} of this pod on this node")
    }

    pub(super) async fn pause(&self) -> Result<()> {
        self.signal("-STOP").await
    }

    pub(super) async fn go_on(&self) -> Result<()> {
        self.signal("-CONT").await
    }

    pub(super) async fn kill(&self) -> Result<()> {
        self.signal("-KILL").await
    }

    async fn signal(&self, signal: &str) -> Result<()> {
        run("kill", &[signal, &self.0.to_string()], None).await.map(drop)
    }
}

/// The process of this name whose command line names a file of the test cluster.
const DAEMON: &str = r#"
for process in /proc/[0-9]*; do
  [[ $(cat "$process/comm") == "$1" ]] && tr '\0' ' ' <"$process/cmdline" | grep -q /restward-cluster/ && echo "${process#/proc/}"
done | head -n 1
"#;

/// A script of `tests/cluster`.
pub(super) fn cluster_script(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cluster").join(name).to_string_lossy().into_owned()
}
