//! How Tomcat is put behind the sidecar.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where Tomcat listens behind the sidecar.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Interception {
    /// On port 18090 of the pod's loopback.
    #[default]
    Port,
    /// On a Unix socket in a volume that only Confluence and the sidecar mount, and on no port at all: neither `kubectl
    /// port-forward` nor another container of the pod gets through. Needs a Tomcat since 9.0.42 with Java 16 or later
    /// (Confluence 8 and later bring both), and `fsGroup` in the pod's security context (the official chart sets it).
    UnixSocket,
}

/// Whether Tomcat is told to listen on loopback only. The image has no setting for that. But its template writes the value
/// of `ATL_TOMCAT_PORT` into the connector without escaping, so a value can bring the attribute along:
/// `18090" address="127.0.0.1`.
#[derive(JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LoopbackBind {
    /// Yes, so that nobody else gets a connection, except where a command among the container's probes and hooks reads
    /// `ATL_TOMCAT_PORT` and so needs a plain number. When Tomcat does not start with that, its log names the connector or
    /// `server.xml`, and advisory `TomcatNotListening` is in status: set Off. When the image takes no notice of the
    /// address, advisory `LoopbackBindWithoutEffect` says so.
    #[default]
    Auto,
    /// No: only the port is moved, and Tomcat's valve answers everybody else with 403. For images whose template escapes
    /// values, or in which something else than the template reads `ATL_TOMCAT_PORT`.
    Off,
}
