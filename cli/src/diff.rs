//! `diff WORKLOAD`: what a restart would change in a pod, from the pod that runs and the next one as a dry run.

mod changes;

use kube::ResourceExt as _;
use serde::Serialize;

use crate::{
    args::Output,
    cluster::Session,
    failure::{Failure, Verdict},
    output::{self, Shown, progress},
    workload::{Workload, WorkloadName},
};
use changes::Change;

/// Show what a restart would change in a pod: the one that runs against the next one, as a dry run.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nothing is changed. Takes the right to create pods. Exit code 1: a restart would change something."
)]
pub(crate) struct Arguments {
    /// The StatefulSet, or KIND/NAME
    #[arg(value_name = "STATEFULSET|KIND/NAME")]
    workload: WorkloadName,
    #[command(flatten)]
    output: Output,
}

pub(crate) async fn run(arguments: &Arguments, session: &Session) -> Result<Verdict, Failure> {
    let client = &session.client;
    let workload = Workload::read(client, &session.namespace, &arguments.workload).await?;
    let pods = workload.pods(client).await?;
    // The template itself stands in where no pod runs.
    let (name, running) = if let Some(pod) = pods.into_iter().min_by_key(kube::ResourceExt::name_any) {
        (Some(pod.name_any()), pod)
    } else {
        progress("no pod of it runs: its template is compared with the next pod");
        (None, workload.template.clone())
    };
    let next = workload.next_pod(client, name.as_deref()).await;
    let next = next.map_err(|error| Failure::of_api("try the next pod as a dry run", &error))?;
    let unreadable = |error| {
        Failure::new("compare the pods", error, "the pod is of a shape that this program does not know")
    };
    let before = serde_json::to_value(running).map_err(unreadable)?;
    let after = serde_json::to_value(next).map_err(unreadable)?;
    let diff = Diff { workload: workload.shown, pod: name, changes: changes::between(before, after) };
    output::show(arguments.output.format, &diff)?;
    Ok(Verdict::right_if(diff.changes.is_empty()))
}

#[derive(Debug, Serialize)]
struct Diff {
    workload: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<String>,
    changes: Vec<Change>,
}

impl Shown for Diff {
    fn text(&self) -> String {
        if self.changes.is_empty() {
            return format!("a restart of {} changes nothing", self.workload);
        }
        let lines = self.changes.iter().flat_map(|Change { path, before, after }| {
            let line = |sign: char, value: &serde_json::Value| format!("{sign} {path}: {value}");
            [before.as_ref().map(|value| line('-', value)), after.as_ref().map(|value| line('+', value))]
        });
        let of = self.pod.as_ref().map_or_else(|| self.workload.clone(), |pod| format!("pod {pod}"));
        format!("--- {of}\n+++ the next pod\n{}", lines.flatten().collect::<Vec<_>>().join("\n"))
    }
}
