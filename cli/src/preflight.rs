//! `preflight WORKLOAD`: what comes of the next pod, and what could go wrong on the way, before anything is restarted.
//!
//! - [`facts`]: the dry run, and what stands around the workload (I/O)
//! - [`nodes`]: where the pod could come to run
//! - [`findings`]: what is right, and each risk with what removes it

mod facts;
mod findings;
mod nodes;

use crate::{
    args::Output,
    cluster::Session,
    failure::{Failure, Verdict},
    output,
    workload::{Workload, WorkloadName},
};

/// Try the next pod of a workload as a dry run, and list the risks of a restart with what removes each.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A policy that selects the pods must exist for the dry run to say something of injection: applying one touches \
                        new pods only, and mode: Audit refuses nothing. Nothing is changed and nothing restarts. Takes the right \
                        to create pods. Exit code 1: the next pod would be refused, or would come without the sidecar."
)]
pub(crate) struct Arguments {
    /// The StatefulSet, or KIND/NAME
    #[arg(value_name = "STATEFULSET|KIND/NAME")]
    workload: WorkloadName,
    #[command(flatten)]
    output: Output,
}

pub(crate) async fn run(arguments: &Arguments, session: &Session) -> Result<Verdict, Failure> {
    let workload = Workload::read(&session.client, &session.namespace, &arguments.workload).await?;
    let report = findings::of(&facts::gather(session, workload).await?);
    output::show(arguments.output.format, &report)?;
    Ok(report.verdict())
}
