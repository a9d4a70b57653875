//! Clients that people really use, run as they come: curl, and Python libraries in an environment of their own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use tokio::process::Command;

use crate::{
    command::run,
    world::{ISSUER_HOST, World},
};

/// What a client did, as its user sees it.
#[derive(Debug)]
pub struct Shown {
    /// Its exit code was 0.
    pub succeeded: bool,
    /// All that it printed.
    pub text: String,
}

/// The installed clients.
pub struct Clients {
    python: PathBuf,
    /// Keycloak's certificate authority, in a file that goes with this.
    ca: PathBuf,
    resolve: String,
}

impl Clients {
    /// Installs them, if they are not there yet.
    ///
    /// # Errors
    /// When one cannot be installed.
    pub async fn install(world: &World) -> Result<Self> {
        let python = run(&in_clients("install").to_string_lossy(), &[], None).await?;
        let ca = std::env::temp_dir().join(format!("restward-clients-{}.crt", std::process::id()));
        fs::write(&ca, &world.ca_pem)?;
        Ok(Self {
            python: python.trim().into(),
            ca,
            resolve: format!("{ISSUER_HOST}:443={}", world.keycloak_address),
        })
    }

    /// Runs a script of `tests/clients` with these variables.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn python(&self, script: &str, args: &[&str], variables: &[(&str, &str)]) -> Result<Shown> {
        let mut command = Command::new(&self.python);
        command
            .arg(in_clients(script))
            .args(args)
            .env("REQUESTS_CA_BUNDLE", &self.ca)
            .env("RESOLVE", &self.resolve)
            .env("NO_PROXY", "*")
            // The wiki of the test cluster is reached without TLS.
            .env("OAUTHLIB_INSECURE_TRANSPORT", "1")
            .envs(variables.iter().copied());
        shown(command).await
    }

    /// Runs curl, which shows the body of an error and fails by it.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn curl(&self, args: &[&str]) -> Result<Shown> {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail-with-body", "--noproxy", "*"]).args(args);
        shown(command).await
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.ca);
    }
}

fn in_clients(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

async fn shown(mut command: Command) -> Result<Shown> {
    let output = command.kill_on_drop(true).output().await.with_context(|| format!("{command:?}"))?;
    let text = [output.stdout, output.stderr].concat();
    Ok(Shown { succeeded: output.status.success(), text: String::from_utf8_lossy(&text).into_owned() })
}
