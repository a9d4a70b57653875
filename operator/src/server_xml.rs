//! Tomcat's `server.xml` out of a ConfigMap, as the official chart makes it where the image does not render one
//! (`confluence.tomcatConfig.generateByHelm`, `openshift.runWithRestrictedSCC`). The image's variables have no effect
//! then, so the operator derives a file of its own: the same, with the connector on loopback and Tomcat's internal port.
//! Pure.
//!
//! What is derived is written into the policy's ConfigMap under a name that follows from its content. So a running pod
//! keeps the file that it was injected with, whatever becomes of the source, and sidecar and Tomcat never disagree.
//!
//! - [`edit`]: one pass over the XML, which changes it and notes what is judged afterwards

mod edit;

use std::collections::BTreeMap;

use restward_crds::{api::v1alpha1::Interception, names, sidecar::terms::Scheme};
use serde::{Deserialize, Serialize};

use crate::keys::sha256_hex;

/// Key of `server.xml` in the chart's ConfigMap, and its file name in every pod.
pub const FILE: &str = "server.xml";
/// The chart's file has 5 KiB.
const MAX_BYTES: usize = 64 * 1024;
/// Most ConfigMaps for one policy.
pub const MAX_SOURCES: usize = 8;
/// Most bytes of derived files together: they share the policy's ConfigMap (1 MiB) with certificates and key sets of 256 KiB
/// each, and one that is too large could not be written at all.
pub const MAX_TOTAL: usize = 320 * 1024;
/// Tomcat's own name of its connector by java.nio, with which the image's is.
pub const NIO: &str = "org.apache.coyote.http11.Http11NioProtocol";
/// The sidecar, as Tomcat's RemoteIpValve sees it.
const LOOPBACK: &str = r"|127\.0\.0\.1|::1|0:0:0:0:0:0:0:1";

/// A ConfigMap whose `server.xml` pods mount, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServerXml {
    /// Name of the ConfigMap.
    pub config_map: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a `server.xml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It was derived from.
    Derived(Connector),
    /// Pods with it cannot be protected: what is wrong, and what to change.
    Refused(String),
}

/// What the sidecar has to know of a derived file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Connector {
    /// Key of the derived file in the policy's ConfigMap.
    pub file: String,
    /// Port of the connector in the source.
    pub port: u16,
    /// Its `scheme`; none when only Tomcat knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// Its `proxyName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_name: Option<String>,
    /// Its `proxyPort`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_port: Option<u16>,
    /// Path of Confluence's context: empty or `/name`.
    #[serde(default)]
    pub context_path: String,
}

/// A derived file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// Its content.
    pub xml: String,
    /// What the sidecar has to know of it.
    pub connector: Connector,
}

impl ServerXml {
    /// Judges the `server.xml` of the ConfigMap `config_map`, and gives the file that is derived from it.
    pub fn of(config_map: &str, source: &str, interception: Interception) -> (Self, Option<Derived>) {
        let derived = derive(source, interception);
        let outcome = match &derived {
            Ok(derived) => Outcome::Derived(derived.connector.clone()),
            Err(why) => Outcome::Refused(why.clone()),
        };
        (Self { config_map: config_map.to_owned(), outcome }, derived.ok())
    }

    fn refused(config_map: &str, why: String) -> Self {
        Self { config_map: config_map.to_owned(), outcome: Outcome::Refused(why) }
    }

    /// One that is too many.
    fn surplus(config_map: &str) -> Self {
        let why = format!(
            "is not read, as the policy selects pods with {MAX_SOURCES} others already; make another policy for them"
        );
        Self::refused(config_map, why)
    }

    /// One for which there is no room.
    fn without_room(config_map: &str) -> Self {
        let why = format!(
            "finds no room beside those that the policy's pods have already ({MAX_TOTAL} bytes together); make it shorter, \
             restart pods that run with older files, or make another policy for them"
        );
        Self::refused(config_map, why)
    }
}

/// Judges all of them, in their order, the most needed first. `mounted` are files, by their keys, that running pods have and
/// keep: what is derived anew finds room beside them or is refused.
pub fn all<'a>(
    sources: impl Iterator<Item = (&'a str, &'a str)>,
    interception: Interception,
    mounted: &BTreeMap<&str, &str>,
) -> (Vec<ServerXml>, Vec<Derived>) {
    let mut kept: BTreeMap<String, usize> =
        mounted.iter().map(|(key, xml)| ((*key).to_owned(), xml.len())).collect();
    let (mut judged, mut files) = (Vec::new(), Vec::new());
    for (index, (name, source)) in sources.enumerate() {
        if index >= MAX_SOURCES {
            judged.push(ServerXml::surplus(name));
            continue;
        }
        let (known, derived) = ServerXml::of(name, source, interception);
        let Some(derived) = derived else {
            judged.push(known);
            continue;
        };
        let file = &derived.connector.file;
        let taken: usize = kept.iter().filter(|(key, _)| *key != file).map(|(_, bytes)| bytes).sum();
        if !kept.contains_key(file) && taken + derived.xml.len() > MAX_TOTAL {
            judged.push(ServerXml::without_room(name));
            continue;
        }
        kept.insert(file.clone(), derived.xml.len());
        judged.push(known);
        files.push(derived);
    }
    (judged, files)
}

/// A file with the connector behind the sidecar. An error continues the sentence "its server.xml …".
fn derive(source: &str, interception: Interception) -> Result<Derived, String> {
    if source.len() > MAX_BYTES {
        return Err(format!("is longer than {MAX_BYTES} bytes"));
    }
    let (xml, found) = edit::edit(source, interception)?;
    let file = format!("server-{}.xml", sha256_hex(xml.as_bytes()).get(..16).unwrap_or_default());
    let connector = found.connector(file)?;
    Ok(Derived { xml, connector })
}

/// Attributes that put a connector behind the sidecar, the port first. Address and port stay beside a socket: a Tomcat that
/// knows no sockets passes over their attributes, and is not to be open to everybody for that.
pub fn connector_attributes(interception: Interception) -> Vec<(&'static str, String)> {
    let mut attributes =
        vec![("port", names::UPSTREAM_PORT.to_string()), ("address", "127.0.0.1".to_owned())];
    if interception == Interception::UnixSocket {
        attributes.push(("unixDomainSocketPath", names::SOCKET.to_owned()));
        // Tomcat's user made it, and the sidecar is in its group: the directory hands the pod's `fsGroup` down.
        attributes.push(("unixDomainSocketPathPermissions", "rw-rw----".to_owned()));
    }
    attributes
}

/// Protocols of Tomcat that can listen on a Unix socket (NIO, as the image's default is).
pub fn has_sockets(protocol: &str) -> bool {
    matches!(protocol, "" | "HTTP/1.1" | NIO)
}

/// Whether a key of the policy's ConfigMap holds a derived file.
pub fn is_derived(key: &str) -> bool {
    key.strip_prefix("server-").and_then(|rest| rest.strip_suffix(".xml")).is_some()
}

/// A setting of RemoteIpValve about whom it trusts. Where it trusts the proxy in front of it, it must trust the sidecar,
/// which passes on what that proxy said; where it trusts nobody, it goes on to.
pub fn with_loopback(trusted: &str) -> String {
    if trusted.is_empty() || trusted.ends_with(LOOPBACK) {
        trusted.to_owned()
    } else {
        format!("{trusted}{LOOPBACK}")
    }
}

#[cfg(test)]
mod tests;
