//! `explain POD`: what was injected into a pod and why, or why nothing was.
//!
//! - [`injected`]: what is in the pod, and what each part is for
//! - [`reason`]: why it is injected or not

mod injected;
mod reason;

use k8s_openapi::api::core::v1::Pod;
use restward_crds::sidecar::status::SidecarStatus;
use serde::Serialize;

use crate::{
    args::Output,
    cluster::Session,
    failure::{Failure, Verdict},
    output::{self, Shown, table, wrapped},
    sidecar::Sidecar,
};

/// Say what was injected into a pod and why, or why nothing was.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code 1: a policy selects the pod, and it has not that policy's sidecar.")]
pub(crate) struct Arguments {
    /// The pod
    #[arg(value_name = "POD")]
    pod: String,
    #[command(flatten)]
    output: Output,
}

pub(crate) async fn run(arguments: &Arguments, session: &Session) -> Result<Verdict, Failure> {
    let pods = session.api::<Pod>();
    let pod = pods.get(&arguments.pod).await;
    let pod = pod.map_err(|error| {
        Failure::of_api(format!("read pod {} of namespace {}", arguments.pod, session.namespace), &error)
    })?;
    let policies = session.policies().await?;
    let reason = reason::of(&pod, &policies);
    let parts = injected::parts(&pod);
    let says = if parts.is_empty() { None } else { Some(Sidecar::of(pods, &pod).status().await) };
    let explained = Explained {
        pod: arguments.pod.clone(),
        namespace: session.namespace.clone(),
        verdict: reason,
        parts,
        unasked: says.as_ref().and_then(|says| says.as_ref().err()).map(Failure::in_a_line),
        sidecar: says.and_then(Result::ok),
    };
    output::show(arguments.output.format, &explained)?;
    Ok(Verdict::right_if(explained.verdict.is_right))
}

/// A part of what was injected.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Part {
    what: String,
    why: String,
}

impl Part {
    fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into() }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained {
    pod: String,
    namespace: String,
    #[serde(flatten)]
    verdict: reason::Verdict,
    parts: Vec<Part>,
    /// What the sidecar says now.
    #[serde(skip_serializing_if = "Option::is_none")]
    sidecar: Option<SidecarStatus>,
    /// Why it says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    unasked: Option<String>,
}

impl Shown for Explained {
    fn text(&self) -> String {
        let mut text = format!("pod {}/{}: {}", self.namespace, self.pod, wrapped(&self.verdict.why, 2));
        if let Some(fix) = &self.verdict.fix {
            text.push_str(&format!("\n  fix: {}", wrapped(fix, 7)));
        }
        if !self.parts.is_empty() {
            let rows: Vec<[String; 2]> =
                self.parts.iter().map(|part| [part.what.clone(), part.why.clone()]).collect();
            text.push_str(&format!("\n\n{}", table(["INJECTED", "WHY"], &rows)));
        }
        if let Some(status) = &self.sidecar {
            text.push_str(&format!("\n\n{}", says(status)));
        }
        if let Some(why) = &self.unasked {
            text.push_str(&format!("\n\nThe sidecar was not asked: {}", wrapped(why, 2)));
        }
        text
    }
}

fn says(status: &SidecarStatus) -> String {
    let mut rows = vec![
        ["version".to_owned(), status.sidecar_version.clone()],
        [
            "configuration".to_owned(),
            match &status.config_rejected {
                None => format!("generation {} of policy {}", status.policy.generation, status.policy.name),
                Some(why) => format!("an older one stays in force, the newest is refused: {why}"),
            },
        ],
        [
            "identity provider".to_owned(),
            said(status.identity_provider.reason.as_str(), &status.identity_provider.message),
        ],
        ["Confluence".to_owned(), said(status.upstream.reason.as_str(), &status.upstream.message)],
    ];
    if let Some(found) = &status.verification {
        rows.push(["ways around it".to_owned(), said(found.reason.as_str(), &found.message)]);
    }
    rows.extend(status.advisories.iter().map(|advisory| ["advisory".to_owned(), advisory.clone()]));
    table(["SIDECAR", "SAYS"], &rows)
}

fn said(reason: &str, message: &str) -> String {
    if message.is_empty() { reason.to_owned() } else { format!("{reason}: {message}") }
}
