//! `preflight WORKLOAD`: what comes of the next pod, and what could go wrong on the way, before anything is restarted.
//!
//! - [`facts`]: the dry run, and what stands around the workload (I/O)
//! - [`nodes`]: where the pod could come to run
//! - [`probe`]: what a pod on each node finds out (I/O)
//! - [`findings`]: what is right, and each risk with what removes it

mod facts;
mod findings;
mod nodes;
mod probe;

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
                        to create pods. With --probe a pod runs for a moment on each node on which the workload could run: with the sidecar's image and \
                        pull secrets, on the workload's network, and without Confluence; it says whether the image comes there and the identity provider \
                        answers from there, and is deleted. Exit code 1: the next pod would be refused, would come without the sidecar, or a \
                        node that was probed could not run it or reach the identity provider."
)]
pub(crate) struct Arguments {
    /// The StatefulSet, or KIND/NAME
    #[arg(value_name = "STATEFULSET|KIND/NAME")]
    workload: WorkloadName,
    /// Have a pod on each node try image and identity provider; takes the rights to create, get and delete pods
    #[arg(long)]
    probe: bool,
    #[command(flatten)]
    output: Output,
}

pub(crate) async fn run(arguments: &Arguments, session: &Session) -> Result<Verdict, Failure> {
    let workload = Workload::read(&session.client, &session.namespace, &arguments.workload).await?;
    let mut facts = facts::gather(session, workload).await?;
    if arguments.probe {
        facts.probed = Some(probe::run(&session.client, &facts).await);
    }
    let report = findings::of(&facts);
    output::show(arguments.output.format, &report)?;
    Ok(report.verdict())
}
