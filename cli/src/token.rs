//! `token`: get one, read one, ask why one is refused.

mod decode;
mod device;
mod get;
mod provider;
mod why;

use clap::Subcommand;
pub(crate) use get::Grant;
pub(crate) use provider::Issuer;

use crate::{
    args::Connection,
    cluster::Session,
    failure::{Failure, Verdict},
};

/// Get a token, read one, ask why one is refused.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Get an access token, by client credentials or by a device code (RFC 8628), and write it to standard output
    Get(get::Arguments),
    /// Show what a token says, without any check of whether it is true
    Decode(decode::Arguments),
    /// Ask a sidecar what each of its checks says about a token
    Why(why::Arguments),
}

pub(crate) async fn run(arguments: &Arguments, connection: &Connection) -> Result<Verdict, Failure> {
    match &arguments.command {
        // Without a cluster where --issuer says whom to ask.
        Command::Get(arguments) => get::run(arguments, connection).await,
        Command::Decode(arguments) => decode::run(arguments),
        Command::Why(arguments) => why::run(arguments, &Session::open(connection).await?).await,
    }
}
