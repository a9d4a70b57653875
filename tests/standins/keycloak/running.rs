//! A Keycloak of a test program's own, with the realms of this folder. Taken in by `#[path]`, as the crates whose tests use it
//! share no code.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

/// The running Keycloak; it ends when dropped.
pub(crate) struct Running {
    home: PathBuf,
    /// Port on 127.0.0.1.
    pub(crate) port: u16,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/standins/keycloak/run")
}

impl Running {
    /// Starts one on a free port.
    pub(crate) fn start() -> Self {
        let port = free_port();
        let home = std::env::temp_dir().join(format!("restward-keycloak-{}-{}", port, std::process::id()));
        fs::create_dir(&home).unwrap();
        let this = Self { home, port };
        let status = Command::new(script())
            .args(["--port", &port.to_string(), "--home"])
            .arg(&this.home)
            .arg("--background")
            .status()
            .unwrap();
        assert!(status.success(), "Keycloak did not start: {}", this.home.display());
        this
    }

    /// What stands in front of `/realms/`, and of `/admin/`.
    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Below the ports that Linux hands out by itself: one of these may be taken by somebody's outgoing connection before Keycloak
/// is there.
fn free_port() -> u16 {
    let begin = u16::try_from(std::process::id() % 8000).unwrap();
    (12_000 + begin..20_000)
        .chain(12_000..20_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new(script()).args(["--stop", "--home"]).arg(&self.home).status();
        let _ = fs::remove_dir_all(&self.home);
    }
}
