//! Argo CD beside the test cluster (`tests/argo-cd/run`), and the Git repository that it follows.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{
    command::{apply, kubectl, kubectl_json, run},
    wait::eventually,
};

/// Where Applications are.
pub const NAMESPACE: &str = "argocd";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/argo-cd/run");

/// A running Argo CD; it ends with this. Of one in whose time a test failed the logs stay.
pub struct ArgoCd {
    home: PathBuf,
}

impl ArgoCd {
    /// Starts it beside the cluster of `KUBECONFIG`, with an empty repository and these settings beside its own.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(settings: &str) -> Result<Self> {
        let home = std::env::temp_dir().join(format!("restward-argo-cd-{}", std::process::id()));
        fs::create_dir_all(&home)?;
        let argo_cd = Self { home };
        run(SCRIPT, &["--home", &argo_cd.home.to_string_lossy()], None).await?;
        let file = argo_cd.home.join("argocd-cm.yaml");
        fs::write(&file, settings)?;
        let file = file.to_string_lossy();
        kubectl(&["patch", "configmap", "argocd-cm", "-n", NAMESPACE, "--patch-file", &file]).await?;
        argo_cd.git(&["init", "--quiet", "--initial-branch=main", "."]).await?;
        Ok(argo_cd)
    }

    /// The repository, as an Application names it.
    pub fn repository(&self) -> String {
        format!("file://{}", self.tree().display())
    }

    fn tree(&self) -> PathBuf {
        self.home.join("repository")
    }

    async fn git(&self, arguments: &[&str]) -> Result<String> {
        fs::create_dir_all(self.tree())?;
        let tree = self.tree();
        let place =
            ["-C", &tree.to_string_lossy(), "-c", "user.name=tests", "-c", "user.email=tests@example.test"];
        run("git", &[&place, arguments].concat(), None).await
    }

    /// Copies a folder of the project into the repository.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn copy(&self, folder: &str) -> Result<()> {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
        run("cp", &["-r", &from.to_string_lossy(), &self.tree().to_string_lossy()], None).await.map(drop)
    }

    /// What Git has in this file from now on; `None`: it is gone. Argo CD is told to look. Gives the revision.
    ///
    /// # Errors
    /// When Git refuses it.
    pub async fn commit(&self, file: &str, content: Option<&str>) -> Result<String> {
        let path = self.tree().join(file);
        match content {
            Some(content) => {
                fs::create_dir_all(path.parent().unwrap_or(&self.home))?;
                fs::write(&path, content)?;
            }
            None => fs::remove_file(&path)?,
        }
        self.git(&["add", "--all"]).await?;
        self.git(&["commit", "--quiet", "--message", file]).await?;
        refresh().await?;
        Ok(self.git(&["rev-parse", "HEAD"]).await?.trim().to_owned())
    }
}

impl Drop for ArgoCd {
    fn drop(&mut self) {
        let stopped = Command::new(SCRIPT).args(["--stop", "--home"]).arg(&self.home).output();
        match stopped {
            Ok(output) if output.status.success() => {
                if std::thread::panicking() {
                    eprintln!("Argo CD's logs: {}", self.home.display());
                } else {
                    let _ = fs::remove_dir_all(&self.home);
                }
            }
            other => eprintln!("Argo CD may still run: {other:?}"),
        }
    }
}

/// Has Argo CD look at Git and at the cluster, as its button does.
///
/// # Errors
/// When the API server refuses it.
pub async fn refresh() -> Result<()> {
    let mark = "argocd.argoproj.io/refresh=hard";
    kubectl(&["annotate", "applications", "--all", "-n", NAMESPACE, "--overwrite", mark]).await.map(drop)
}

/// Makes the Application of Applications, which follows the folder `apps`.
///
/// # Errors
/// When the API server refuses it.
pub async fn make_root(argo_cd: &ArgoCd) -> Result<()> {
    let root = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "root", "namespace": NAMESPACE},
        "spec": {
            "project": "default",
            "source": {"repoURL": argo_cd.repository(), "path": "apps", "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": NAMESPACE},
            "syncPolicy": {"automated": {"selfHeal": true}},
        },
    });
    apply(&root.to_string()).await.map(drop)
}

/// An Application as it is.
///
/// # Errors
/// When there is none of that name.
pub async fn application(name: &str) -> Result<Value> {
    kubectl_json(&["get", "application", name, "-n", NAMESPACE]).await
}

/// Waits until Argo CD has done for an Application what this revision asks for.
///
/// # Errors
/// When it does not.
pub async fn synced(name: &str, revision: &str, patience: Duration) -> Result<()> {
    eventually(&format!("Application {name} is synced to {revision}"), patience, || async {
        let state = application(name).await?["status"]["operationState"].clone();
        let is_done = state["phase"] == "Succeeded" && state["syncResult"]["revision"] == revision;
        ensure!(is_done, "{}: {}", state["phase"], state["message"]);
        Ok(())
    })
    .await
}

/// Waits until an Application has this sync status and this health, and Argo CD has looked at what Git has now.
///
/// # Errors
/// When it does not get there.
pub async fn until(name: &str, sync: &str, health: &str, patience: Duration) -> Result<Value> {
    eventually(&format!("Application {name} is {sync} and {health}"), patience, || async {
        let found = application(name).await?;
        let is_asked = found["metadata"]["annotations"]["argocd.argoproj.io/refresh"].is_string();
        let (status, said) = (&found["status"], &found["status"]["operationState"]["message"]);
        let is = (status["sync"]["status"].as_str(), status["health"]["status"].as_str());
        ensure!(!is_asked && is == (Some(sync), Some(health)), "{is:?}: {said} {}", status["conditions"]);
        Ok(found)
    })
    .await
}
