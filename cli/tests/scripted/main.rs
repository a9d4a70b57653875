//! The built program against a scripted API server, behind whose port-forward are a scripted sidecar and a scripted Confluence: what
//! changes things (`applink`, `preflight --probe`, `uninstall`), step by step and where a step fails; what goes into a support bundle; and
//! what kubectl is told to complete.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panic; indexing a JSON value by a name gives Null"
)]

mod api;
mod applink;
mod completion;
mod probe;
mod support;
mod uninstall;
mod wiki;

use std::{
    ffi::OsString,
    fs,
    path::PathBuf,
    process::{Output, Stdio},
};

use serde_json::json;
use tokio::process::Command;

/// How the program ended, and what it wrote.
struct Ended {
    code: Option<i32>,
    said: String,
}

impl Ended {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), said: text(&output.stdout) + &text(&output.stderr) }
    }

    /// It ended like this, and said these.
    #[track_caller]
    fn is(&self, code: i32, says: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.said);
        for text in says {
            assert!(self.said.contains(text), "{text:?} is not in\n{}", self.said);
        }
    }
}

/// A directory of a test's own, with a kubeconfig.
struct Home(PathBuf);

impl Home {
    fn new(test: &str, server: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("restward-scripted-{test}-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": server}}], "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "n"}}],
        });
        fs::write(directory.join("kubeconfig"), config.to_string()).unwrap();
        Self(directory)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Runs it without a terminal, finding other programs in this directory first.
    async fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().await.unwrap())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut path = OsString::from(&self.0);
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-restward"));
        command
            .arg("--kubeconfig")
            .arg(self.0.join("kubeconfig"))
            .args(arguments)
            .env("PATH", path)
            .env_remove("RESTWARD_ADMIN_TOKEN")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}
