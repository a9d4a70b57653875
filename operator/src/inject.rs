//! Injection: from a pod as it was sent to the API server, and the policy that selects it, to a JSON Patch.
//!
//! Pure: no clock, no cluster, no files. It works on raw JSON, because a typed pod would drop every field that this
//! build does not know. Injecting an injected pod changes nothing, so the API server may call as often as it likes.
//!
//! A pod that is selected is injected as a whole or refused with a sentence that says what to change; it is left alone
//! only when it is visibly not Confluence.
//!
//! - [`target`]: which container is Confluence, and on which port
//! - [`refusal`], [`checks`]: what cannot be protected, and what to change
//! - [`rendered`]: what the image makes `server.xml` of
//! - [`origin`]: where Tomcat's `server.xml` comes from
//! - [`listen`]: where Tomcat is told to listen
//! - [`tomcat`], [`probes`], [`container`], [`volumes`], [`marks`]: one file for each thing that changes in the pod
//! - [`audit`]: the pod's volume for audit lines
//! - [`advisories`]: what is left as it is, but worth a word in status
//! - [`draft`]: the working copy that records each change as an operation
//! - [`view`]: reading raw pod JSON

mod advisories;
mod audit;
mod checks;
mod container;
mod draft;
mod listen;
mod marks;
mod origin;
mod probes;
mod refusal;
mod rendered;
mod target;
mod tomcat;
mod view;
mod volumes;

use std::collections::BTreeMap;

use json_patch::PatchOperation;
use restward_crds::{names, sidecar::PodSettings};
use serde_json::Value;

pub use refusal::{Refusal, RefusalReason};

use crate::{args::Sidecar, policy_source::Candidate, selector};
use draft::Draft;
use target::Target;

/// What happens to a pod that a policy selects.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// These operations, in this order. None when the pod is injected already.
    Inject(Vec<PatchOperation>),
    /// The pod does not run Confluence, such as the pods of `helm test`; why that is believed.
    LeaveAlone(&'static str),
    /// The pod cannot be protected.
    Refuse(Refusal),
}

/// The policy that a pod belongs to. `called` is the UID of the policy whose webhook was called for that very pod: the API
/// server has matched its selector already, so it counts whatever `candidates` say by now. Of several the oldest wins whole.
pub fn choose<'a>(
    candidates: &'a [Candidate],
    called: Option<&str>,
    labels: &BTreeMap<String, String>,
) -> Option<&'a Candidate> {
    candidates
        .iter()
        .filter(|policy| called == Some(&policy.uid) || selector::matches(&policy.selector, labels))
        .min_by_key(|policy| policy.seniority())
}

/// Decides about one pod.
pub fn decide(pod: &Value, policy: &Candidate, sidecar: &Sidecar) -> Decision {
    match target::find(pod, policy) {
        Ok(Some(target)) => match inject(pod, &target, policy, sidecar) {
            Ok((operations, _)) => Decision::Inject(operations),
            Err(refusal) => Decision::Refuse(refusal),
        },
        Ok(None) => {
            Decision::LeaveAlone("no container has a port named http or the variable ATL_TOMCAT_PORT")
        }
        Err(refusal) => Decision::Refuse(refusal),
    }
}

/// Hash of what this pod would be injected with now; `None` when it would not be. Of a pod that is injected already it is what
/// its annotation says, unless policy or operator have changed since.
pub fn wanted_hash(pod: &Value, policy: &Candidate, sidecar: &Sidecar) -> Option<String> {
    let target = target::find(pod, policy).ok()??;
    inject(pod, &target, policy, sidecar).ok().map(|(_, hash)| hash)
}

/// Hash of what the policy itself says of injection. An operator of another version gives the same.
pub fn policy_hash(policy: &Candidate) -> String {
    marks::policy_hash(policy)
}

/// What injection leaves as it is in a pod of Confluence, but people should know; sentences for status.
pub fn advisories(pod: &Value, policy: &Candidate) -> Vec<String> {
    match target::find(pod, policy) {
        Ok(Some(target)) => advisories::of(pod, &target, policy),
        Ok(None) | Err(_) => Vec::new(),
    }
}

/// ConfigMaps whose `server.xml` containers of the pod mount as the official chart does.
pub fn server_xml_config_maps(pod: &Value) -> impl Iterator<Item = &str> {
    origin::config_maps(pod)
}

/// Key of the policy's ConfigMap with the `server.xml` that an injected pod mounts.
pub fn server_xml_file(pod: &Value) -> Option<&str> {
    origin::file(pod)
}

fn inject(
    pod: &Value,
    target: &Target,
    policy: &Candidate,
    sidecar: &Sidecar,
) -> Result<(Vec<PatchOperation>, String), Refusal> {
    checks::all(pod, target)?;
    audit::check(pod, policy)?;
    let origin = origin::find(pod, target, policy)?;
    let before = previous_settings(pod);
    let mut draft = Draft::new(pod);
    let probes = probes::rewrite(&mut draft, target, before.as_ref())?;
    let listen = listen::of(pod, target, origin, policy)?;
    let settings = tomcat::settings(pod, target, origin, listen, probes)?;
    tomcat::move_behind(&mut draft, target, origin, listen)?;
    let volumes = volumes::of(policy, origin, listen);
    let container = container::build(sidecar, policy, &settings);
    let hash = marks::hash(&container, &volumes);
    container::place(&mut draft, container)?;
    volumes::place(&mut draft, volumes, &sidecar.pull_secrets)?;
    marks::place(&mut draft, target, policy, &hash)?;
    Ok((draft.into_operations(), hash))
}

/// What an earlier pass told the sidecar; only read for the probes that it rewrote.
fn previous_settings(pod: &Value) -> Option<PodSettings> {
    let sidecar = view::own_sidecar(pod)?;
    match view::variable(sidecar, names::ENV_POD) {
        view::Variable::Plain(text) => PodSettings::from_json(&container::unescape(text)).ok(),
        _ => None,
    }
}
