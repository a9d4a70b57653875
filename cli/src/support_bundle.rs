//! `support-bundle`: what somebody needs who is to help, as text files in a directory, to be looked through before it is sent.
//!
//! - [`collect`]: fetching it (I/O). Secrets are not asked for
//! - [`redact`]: what is left out of it

mod collect;
mod redact;

use std::{fs, io, path::PathBuf};

use serde::Serialize;

use crate::{
    args::Output,
    cluster::Session,
    failure::{Failure, Verdict},
    output::{self, Shown, progress},
};

/// Write what somebody needs who is to help: objects, status of the sidecars, metrics and logs, without secrets.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Secrets are never asked for. Left out: values of variables that may be passwords, commands and arguments of containers \
                        that are not Restward's, whatever looks like a token or password. Audit lines and reports on password logins name \
                        people and addresses: logs are in it with --logs only. Look through the files before you send them."
)]
pub(crate) struct Arguments {
    /// The directory to make
    #[arg(long, value_name = "DIRECTORY", default_value = "restward-support")]
    directory: PathBuf,
    /// With the last lines of the operator's and the sidecars' logs, which name users and addresses
    #[arg(long)]
    logs: bool,
    #[command(flatten)]
    output: Output,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Bundle {
    directory: PathBuf,
    files: Vec<String>,
    /// Those of them that say why there is nothing else in them.
    missing: Vec<String>,
}

impl Shown for Bundle {
    fn text(&self) -> String {
        let (count, shown) = (self.files.len(), self.directory.display());
        format!("{count} files are in {shown}. Look through them, then: tar czf {shown}.tar.gz {shown}")
    }
}

pub(crate) async fn run(arguments: &Arguments, session: &Session) -> Result<Verdict, Failure> {
    let directory = &arguments.directory;
    let unwritten = |error: io::Error| {
        let what = format!("write to {}", directory.display());
        Failure::new(what, error, "name a directory that does not exist yet, by --directory")
    };
    // One that is there may hold what is nobody's to send.
    fs::create_dir(directory).map_err(unwritten)?;
    let files = Box::pin(collect::all(session, arguments.logs)).await;
    let mut bundle = Bundle { directory: directory.clone(), files: Vec::new(), missing: Vec::new() };
    for (name, content) in files {
        let text = match content {
            Ok(text) => redact::text(&text),
            Err(failure) => {
                bundle.missing.push(name.clone());
                format!("{failure}\n")
            }
        };
        fs::write(directory.join(&name), text).map_err(unwritten)?;
        bundle.files.push(name);
    }
    let (missing, all) = (bundle.missing.len(), bundle.files.len());
    if missing > 0 {
        progress(&format!("{missing} of {all} files could not be had and say why"));
    }
    output::show(arguments.output.format, &bundle)?;
    Ok(Verdict::Right)
}
