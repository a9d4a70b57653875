//! Why a pod is refused. Each message says what is wrong, why that cannot be protected, and what to change.

use std::fmt;

/// A refused pod.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The kind of refusal.
    pub reason: RefusalReason,
    /// What, why, and what to change.
    pub message: String,
}

impl Refusal {
    pub(super) fn new(reason: RefusalReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// The kinds of refusal: few, fixed, fit for a metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RefusalReason {
    /// The pod is selected and looks a little like Confluence, but not enough.
    NotConfluence,
    /// More than one container could be Confluence.
    Ambiguous,
    /// The pod shares the node's network.
    HostNetwork,
    /// The pod runs on Windows.
    Windows,
    /// The pod's containers see each other's processes.
    SharedProcesses,
    /// A name that starts with `restward-` is taken.
    ReservedName,
    /// Another container uses the HTTP port or one of Restward's ports.
    PortConflict,
    /// `ATL_TOMCAT_PORT` cannot be changed with effect.
    TomcatPort,
    /// A variable that must be known has no plain value.
    UnknownVariable,
    /// The container has a command of its own.
    Command,
    /// Tomcat has a second connector for application tunnels.
    TunnelConnector,
    /// Tomcat's `server.xml` is none that is known, or cannot be protected.
    ServerXml,
    /// The operator has not derived from the pod's `server.xml` yet.
    ServerXmlPending,
    /// The container does not start as root, so that the image renders nothing.
    NotRoot,
    /// A container runs as the sidecar's user.
    SameUser,
    /// Nothing can be written to the volume for audit lines.
    AuditVolume,
    /// Tomcat cannot listen on a Unix socket in this pod.
    UnixSocket,
    /// A probe cannot be moved.
    Probe,
    /// The pod is not of a pod's shape.
    Malformed,
}

impl RefusalReason {
    /// As a metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotConfluence => "not_confluence",
            Self::Ambiguous => "ambiguous",
            Self::HostNetwork => "host_network",
            Self::Windows => "windows",
            Self::SharedProcesses => "shared_processes",
            Self::ReservedName => "reserved_name",
            Self::PortConflict => "port_conflict",
            Self::TomcatPort => "tomcat_port",
            Self::UnknownVariable => "unknown_variable",
            Self::Command => "command",
            Self::TunnelConnector => "tunnel_connector",
            Self::ServerXml => "server_xml",
            Self::ServerXmlPending => "server_xml_pending",
            Self::NotRoot => "not_root",
            Self::SameUser => "same_user",
            Self::AuditVolume => "audit_volume",
            Self::UnixSocket => "unix_socket",
            Self::Probe => "probe",
            Self::Malformed => "malformed",
        }
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
