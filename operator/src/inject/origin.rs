//! Where Tomcat's `server.xml` comes from, and so how Tomcat is moved: the image renders it from variables, or the pod
//! mounts the one of the official chart. Any other leaves it unknown where Tomcat listens.

use restward_crds::names;
use serde_json::{Value, json};

use super::{
    draft::Draft,
    refusal::{Refusal, RefusalReason},
    target::{TOMCAT_PORT, Target},
    tomcat, view,
};
use crate::{
    policy_source::Candidate,
    server_xml::{self, Connector, Outcome},
};

/// Where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin<'a> {
    /// The image renders it at each start.
    Image,
    /// It is derived from the one of a ConfigMap.
    ConfigMap(&'a Connector),
}

/// The mount of the derived file. By `subPath`, so that the rest of the directory stays as it is.
pub(super) fn mount() -> Value {
    json!({
        "name": names::SERVER_XML_VOLUME,
        "mountPath": format!("{}/{}", tomcat::CONF, server_xml::FILE),
        "subPath": server_xml::FILE,
        "readOnly": true
    })
}

/// The volume of the derived file, for pods of this policy.
pub(super) fn volume(policy: &Candidate, connector: &Connector) -> Value {
    json!({
        "name": names::SERVER_XML_VOLUME,
        "configMap": {
            "name": policy.config_map(),
            "defaultMode": 0o444,
            "items": [{"key": connector.file, "path": server_xml::FILE}]
        }
    })
}

/// Puts the derived file where the pod mounted the chart's.
pub(super) fn swap(draft: &mut Draft, target: &Target) -> Result<(), Refusal> {
    let list = format!("{}/volumeMounts", target.pointer);
    let mounts = view::list(draft.pod(), &list);
    match mounts.iter().position(is_server_xml) {
        Some(index) if mounts.get(index) == Some(&mount()) => Ok(()),
        Some(index) => {
            draft.remove(&format!("{list}/{index}"))?;
            draft.insert(&list, index, mount())
        }
        None => draft.insert(&list, mounts.len(), mount()),
    }
}

/// Finds it.
pub(super) fn find<'a>(pod: &Value, target: &Target, policy: &'a Candidate) -> Result<Origin<'a>, Refusal> {
    let mounts: Vec<&Value> = view::list(target.container(pod), "/volumeMounts")
        .iter()
        .filter(|mount| **mount != tomcat::valve_mount() && tomcat::decides_connectors(&path(mount)))
        .collect();
    match mounts.as_slice() {
        [] => must_be_root(pod, target).map(|()| Origin::Image),
        [only] if **only == mount() => match file(pod) {
            Some(chosen) => derived_before(chosen, policy),
            None => Err(unknown(only)),
        },
        [only] => match config_map(pod, only) {
            Some(name) => derived(name, target, policy),
            None => Err(unknown(only)),
        },
        [_, other, ..] => Err(unknown(other)),
    }
}

/// ConfigMaps whose `server.xml` containers of the pod mount as the official chart does.
pub(super) fn config_maps(pod: &Value) -> impl Iterator<Item = &str> {
    view::others(pod)
        .flat_map(|(_, container)| view::list(container, "/volumeMounts"))
        .filter_map(|mount| config_map(pod, mount))
}

/// Key of the derived file that an injected pod mounts.
pub(super) fn file(pod: &Value) -> Option<&str> {
    let volume = volume_named(pod, names::SERVER_XML_VOLUME)?;
    Some(view::text(volume, "/configMap/items/0/key")).filter(|key| server_xml::is_derived(key))
}

/// The ConfigMap that such a mount takes `server.xml` from: one file of it, under its own name.
fn config_map<'a>(pod: &'a Value, mount: &Value) -> Option<&'a str> {
    let one_file = is_server_xml(mount) && view::text(mount, "/subPath") == server_xml::FILE;
    let map = volume_named(pod, view::name(mount)).filter(|_| one_file)?.get("configMap")?;
    let items = view::list(map, "/items");
    let is_whole = items.is_empty()
        || items.iter().any(|item| {
            view::text(item, "/key") == server_xml::FILE && view::text(item, "/path") == server_xml::FILE
        });
    Some(view::name(map)).filter(|name| is_whole && !name.is_empty())
}

fn volume_named<'a>(pod: &'a Value, name: &str) -> Option<&'a Value> {
    view::list(pod, "/spec/volumes").iter().find(|volume| view::name(volume) == name)
}

/// Where the runtime puts it: the API server takes `//` and `.` in such paths as they are.
fn path(mount: &Value) -> String {
    let parts = view::text(mount, "/mountPath").split('/').filter(|part| !matches!(*part, "" | "."));
    parts.flat_map(|part| ["/", part]).collect()
}

fn is_server_xml(mount: &Value) -> bool {
    path(mount) == format!("{}/{}", tomcat::CONF, server_xml::FILE)
}

fn derived<'a>(name: &str, target: &Target, policy: &'a Candidate) -> Result<Origin<'a>, Refusal> {
    match policy.server_xml.iter().find(|known| known.config_map == name).map(|known| &known.outcome) {
        None => Err(pending(name)),
        Some(Outcome::Refused(why)) => {
            Err(Refusal::new(RefusalReason::ServerXml, format!("the server.xml of ConfigMap {name:?} {why}")))
        }
        Some(Outcome::Derived(connector)) if connector.port != target.http_port => Err(Refusal::new(
            RefusalReason::ServerXml,
            format!(
                "the server.xml of ConfigMap {name:?} has its connector on port {}, but the HTTP port of container {:?} is \
                 {}; set both to the same (confluence.tomcatConfig.port and confluence.ports.http of the official chart)",
                connector.port, target.name, target.http_port
            ),
        )),
        Some(Outcome::Derived(connector)) => Ok(Origin::ConfigMap(connector)),
    }
}

/// On a second pass: the file that the first one chose.
fn derived_before<'a>(chosen: &str, policy: &'a Candidate) -> Result<Origin<'a>, Refusal> {
    let connectors = policy.server_xml.iter().filter_map(|known| match &known.outcome {
        Outcome::Derived(connector) => Some(connector),
        Outcome::Refused(_) => None,
    });
    let found = connectors.into_iter().find(|connector| connector.file == chosen);
    found.map(Origin::ConfigMap).ok_or_else(|| pending(chosen))
}

/// Not a fault of the pod's: it may be created in a moment.
fn pending(name: &str) -> Refusal {
    Refusal::new(
        RefusalReason::ServerXmlPending,
        format!(
            "the operator has no server.xml derived from {name:?} yet; it reads the ConfigMaps that StatefulSets and \
             Deployments mount within seconds. If this stays, see that the ConfigMap exists and has the key {}",
            server_xml::FILE
        ),
    )
}

fn unknown(mount: &Value) -> Refusal {
    Refusal::new(
        RefusalReason::ServerXml,
        format!(
            "a volume is mounted at {:?}, so that Tomcat's server.xml, its template or its contexts are neither those of the image nor \
             those of the official chart, and it is not known where Tomcat listens; let the image render them \
             (confluence.tomcatConfig.generateByHelm: false, openshift.runWithRestrictedSCC: false) or the chart \
             (confluence.tomcatConfig.generateByHelm: true, confluence.tomcatConfig.customServerXml empty), which mounts the \
             key {file} of a ConfigMap with subPath {file}, and remove other mounts there",
            path(mount),
            file = server_xml::FILE
        ),
    )
}

/// The image's entrypoint renders `server.xml` only when it runs as root (it starts Confluence as another user).
fn must_be_root(pod: &Value, target: &Target) -> Result<(), Refusal> {
    let container = target.container(pod);
    let user = view::run_as_user(pod, container);
    let refuses_root = view::security_setting(pod, container, "runAsNonRoot") == Some(&Value::Bool(true));
    let what = match user {
        Some(0) => return Ok(()),
        Some(user) => format!("runs as user {user}"),
        None if refuses_root => "must not run as root (runAsNonRoot: true)".to_owned(),
        None => return Ok(()),
    };
    Err(Refusal::new(
        RefusalReason::NotRoot,
        format!(
            "container {:?} {what}, but the Confluence image follows {TOMCAT_PORT} only when it starts as root, from \
             which it steps down to its own user; let the chart make server.xml (confluence.tomcatConfig.generateByHelm: \
             true), or remove runAsUser and runAsNonRoot from confluence.securityContext and \
             confluence.containerSecurityContext in the values of the official chart",
            target.name
        ),
    ))
}
