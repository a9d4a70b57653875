//! What one sidecar needs to know about its pod: written by injection into [`crate::names::ENV_POD`].

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    parse::{FieldError, is_context_path},
    terms::Scheme,
};
use crate::names;

/// Ports, probes, and what the pod says about Tomcat's connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodSettings {
    /// Port to serve: the pod's own HTTP port.
    pub listen_port: u16,
    /// Port of the admin server.
    #[serde(default = "default_admin_port")]
    pub admin_port: u16,
    /// Port on loopback to which Tomcat was moved.
    #[serde(default = "default_upstream_port")]
    pub upstream_port: u16,
    /// Tomcat was told to listen on loopback only.
    #[serde(default)]
    pub loopback_bind: bool,
    /// Unix socket on which Tomcat was told to listen instead, and on no port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_socket: Option<String>,
    /// `ATL_TOMCAT_SCHEME` of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// `ATL_PROXY_NAME` of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_name: Option<String>,
    /// `ATL_PROXY_PORT` of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_port: Option<u16>,
    /// `ATL_TOMCAT_CONTEXTPATH` of the pod: empty or `/name`.
    #[serde(default)]
    pub context_path: String,
    /// The pod's probes and hooks that aimed at the HTTP port. The admin server answers each under
    /// `/app-health/<name>` by really asking Tomcat on loopback.
    #[serde(default)]
    pub probes: Vec<AppProbe>,
}

/// One rewritten probe or lifecycle hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppProbe {
    /// `<container>/<kind>`, such as `confluence/readinessProbe`.
    pub name: String,
    /// What the probe does.
    pub action: ProbeAction,
    /// Seconds after which the probe has failed (`timeoutSeconds`).
    pub timeout_seconds: u32,
}

/// What a probe does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kubernetes", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum ProbeAction {
    /// GET this path; 200 to 399 is success.
    HttpGet {
        /// Path with query, as in the pod.
        path: String,
        /// Headers, as in the pod.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// Open a connection.
    TcpSocket {},
}

const fn default_admin_port() -> u16 {
    names::ADMIN_PORT
}

const fn default_upstream_port() -> u16 {
    names::UPSTREAM_PORT
}

impl PodSettings {
    /// Reads and checks the variable's value.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(json: &str) -> Result<Self, FieldError> {
        let refuse = |field: &str, message: String| {
            Err(FieldError { field: format!("{}.{field}", names::ENV_POD), message })
        };
        let pod: Self = match serde_json::from_str(json) {
            Ok(pod) => pod,
            Err(error) => return refuse("json", error.to_string()),
        };
        let ports = [pod.listen_port, pod.admin_port, pod.upstream_port];
        if ports.contains(&0) || ports[0] == ports[1] || ports[0] == ports[2] || ports[1] == ports[2] {
            return refuse(
                "listenPort",
                "listen, admin and upstream port must be three different ports".into(),
            );
        }
        if !pod.upstream_socket.as_deref().is_none_or(is_socket_path) {
            return refuse(
                "upstreamSocket",
                format!("is an absolute path of at most {MAX_SOCKET_PATH} bytes, without blanks"),
            );
        }
        if !is_context_path(&pod.context_path) {
            return refuse("contextPath", "is empty or starts with '/', without a trailing slash".into());
        }
        Ok(pod)
    }

    /// Where Tomcat is reached.
    pub fn tomcat(&self) -> TomcatAddress {
        match &self.upstream_socket {
            Some(path) => TomcatAddress::Socket(path.into()),
            None => TomcatAddress::Port(self.upstream_port),
        }
    }
}

/// Longest path of a Unix socket, without the zero behind it (`sun_path` of `unix(7)`).
const MAX_SOCKET_PATH: usize = 107;

/// Without blanks, as `/proc/net/unix` is read by them.
fn is_socket_path(path: &str) -> bool {
    path.starts_with('/')
        && path.len() <= MAX_SOCKET_PATH
        && !path.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Where Tomcat is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TomcatAddress {
    /// This port on loopback.
    Port(u16),
    /// This Unix socket.
    Socket(PathBuf),
}

impl TomcatAddress {
    /// `Host` of the sidecar's own calls: nobody else's, and no `proxyName`.
    pub fn host(&self) -> String {
        match self {
            Self::Port(port) => format!("127.0.0.1:{port}"),
            Self::Socket(_) => "127.0.0.1".to_owned(),
        }
    }
}

impl From<u16> for TomcatAddress {
    fn from(port: u16) -> Self {
        Self::Port(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_ports_are_defaults() {
        let pod = PodSettings::from_json(r#"{"listenPort": 8090}"#).unwrap();
        assert_eq!((pod.admin_port, pod.upstream_port), (19090, 18090));
        assert_eq!(pod.tomcat(), TomcatAddress::Port(18090));
    }

    #[test]
    fn equal_ports_unknown_members_and_odd_context_paths_are_refused() {
        for json in [
            r#"{"listenPort": 18090}"#,
            r#"{"listenPort": 0}"#,
            r#"{"listenPort": 8090, "x": 1}"#,
            r#"{"listenPort": 8090, "contextPath": "wiki"}"#,
            r#"{"listenPort": 8090, "upstreamSocket": ""}"#,
            r#"{"listenPort": 8090, "upstreamSocket": "tomcat.sock"}"#,
            r#"{"listenPort": 8090, "upstreamSocket": "/a b"}"#,
        ] {
            assert!(PodSettings::from_json(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_socket_goes_before_the_port_and_is_as_long_as_the_kernel_takes() {
        let of_length = |length: usize| format!("/{}", "x".repeat(length - 1));
        let read = |path: &str| {
            PodSettings::from_json(&format!(r#"{{"listenPort": 8090, "upstreamSocket": "{path}"}}"#))
        };
        let longest = of_length(MAX_SOCKET_PATH);
        assert_eq!(read(&longest).unwrap().tomcat(), TomcatAddress::Socket(longest.into()));
        assert!(read(&of_length(MAX_SOCKET_PATH + 1)).is_err());
        assert!(
            names::SOCKET.starts_with(&format!("{}/", names::SOCKET_DIR)) && is_socket_path(names::SOCKET)
        );
    }
}
