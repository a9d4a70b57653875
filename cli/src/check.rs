//! `check`: operator, webhook, certificates, backstop and policies, in the manner of `linkerd check`.
//!
//! - [`facts`]: what is there (I/O)
//! - [`certificate`]: whether the API server would trust a replica of the webhook (I/O)
//! - [`findings`]: what is right, what is not

mod certificate;
mod facts;
mod findings;

use crate::{
    args::Output,
    cluster::Session,
    failure::{Failure, Verdict},
    output,
};

/// Look at operator, webhook, certificates, backstop and policies, and say how to put right what is wrong.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without -n the policies of all namespaces are looked at. Exit code 1: something is wrong (×); what is only \
                        better known (‼) is no error. 3: nothing is wrong, but something could not be looked at (?). A certificate is looked at by a connection to each replica of the operator, \
                        which takes the right to create pods/portforward."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    output: Output,
}

pub(crate) async fn run(arguments: &Arguments, session: &Session) -> Result<Verdict, Failure> {
    let report = findings::of(&facts::gather(session).await?);
    output::show(arguments.output.format, &report)?;
    Ok(report.verdict())
}
