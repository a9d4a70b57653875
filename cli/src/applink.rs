//! `applink`: the application link in Confluence by which it accepts the users that sidecars name: what it is to be, making it,
//! whether it works, its next key, taking it away.
//!
//! - [`confluence`]: calls of Confluence's REST API with an administrator's token
//! - [`apply`], [`rotate`], [`verify`]: one file each; [`rotate::stage`] is the decision

mod apply;
mod confluence;
mod rotate;
mod verify;

use clap::Subcommand;
use kube::ResourceExt as _;
use restward_crds::{
    api::v1alpha1::{ApplicationLinkStatus, RestApiAuthPolicy},
    link::Consumer,
};
use serde::Serialize;

use crate::{
    args::{Output, PolicyName},
    cluster::Session,
    failure::{Failure, Verdict},
    input,
    output::{self, Format, Shown, progress},
};
use confluence::{Confluence, Place};

/// Show, make, verify, renew and remove the application link by which Confluence accepts the users of tokens.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "apply, rotate and remove need a personal access token of a system administrator of Confluence, from --token-file or \
                        the variable RESTWARD_ADMIN_TOKEN, never from the command line."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what the link is to be, and the REST calls and clicks that make it
    Show {
        #[command(flatten)]
        policy: PolicyName,
        #[command(flatten)]
        output: Output,
    },
    /// Make the link, or put right what is wrong about it, and see that Confluence takes it
    Apply {
        #[command(flatten)]
        policy: PolicyName,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Ask each sidecar whether Confluence takes what it signs
    Verify {
        #[command(flatten)]
        policy: PolicyName,
        #[command(flatten)]
        output: Output,
    },
    /// Replace the link's key without a failed call, or go on with a replacement that has begun
    Rotate {
        #[command(flatten)]
        policy: PolicyName,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Remove the link: calls by token get 503 from then on. Asks first
    Remove {
        #[command(flatten)]
        policy: PolicyName,
        #[command(flatten)]
        place: Place,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        output: Output,
    },
}

pub(crate) async fn run(arguments: &Arguments, session: &Session) -> Result<Verdict, Failure> {
    match &arguments.command {
        Command::Show { policy, output } => {
            let policy = session.policy(policy).await?;
            output::show(output.format, link_of(&policy)?)?;
            Ok(Verdict::Right)
        }
        Command::Apply { policy, place, output } => {
            apply::run(session, &session.policy(policy).await?, place, output.format).await
        }
        Command::Verify { policy, output } => {
            let report = verify::report(session, &session.policy(policy).await?).await?;
            output::show(output.format, &report)?;
            Ok(report.verdict())
        }
        Command::Rotate { policy, place, output } => {
            rotate::run(session, &session.policy(policy).await?, place, output.format).await
        }
        Command::Remove { policy, place, yes, output } => {
            remove(session, &session.policy(policy).await?, place, *yes, output.format).await
        }
    }
}

async fn remove(
    session: &Session,
    policy: &RestApiAuthPolicy,
    place: &Place,
    is_agreed: bool,
    format: Format,
) -> Result<Verdict, Failure> {
    let consumer = consumer(policy)?;
    let confluence = Confluence::reach(session, policy, place).await?;
    let Some(link) = confluence.find(&consumer).await? else {
        output::show(format, &Removed { consumer_key: consumer.key, id: None })?;
        return Ok(Verdict::Right);
    };
    let question = format!(
        "Remove application link {} ({})? Calls by token of policy {} get 503 from then on.",
        consumer.key,
        link.id,
        policy.name_any()
    );
    if !is_agreed && !input::agrees(&question) {
        progress("nothing was changed");
        return Ok(Verdict::Wrong);
    }
    confluence.call("delete the application link", restward_crds::link::delete(&link.id)).await?;
    output::show(format, &Removed { consumer_key: consumer.key, id: Some(link.id) })?;
    Ok(Verdict::Right)
}

/// What became of a link that was to be removed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Removed {
    consumer_key: String,
    /// Its id in Confluence; none where there was no link.
    id: Option<String>,
}

impl Shown for Removed {
    fn text(&self) -> String {
        match &self.id {
            Some(id) => format!("application link {} ({id}) is gone", self.consumer_key),
            None => format!("Confluence has no application link {}", self.consumer_key),
        }
    }
}

/// What the link of a policy is to be.
fn link_of(policy: &RestApiAuthPolicy) -> Result<&ApplicationLinkStatus, Failure> {
    policy.status.as_ref().and_then(|status| status.application_link.as_ref()).ok_or_else(|| {
        Failure::new(
            format!("find the application link of policy {}", policy.name_any()),
            "its status names none: users are named by a header, or the policy is not programmed yet",
            "kubectl restward check says which",
        )
    })
}

fn consumer(policy: &RestApiAuthPolicy) -> Result<Consumer, Failure> {
    Ok(Consumer::of_policy(link_of(policy)?.consumer_key.clone(), &policy.uid().unwrap_or_default()))
}

impl Shown for ApplicationLinkStatus {
    fn text(&self) -> String {
        let mut text = format!(
            "consumer key  {}\nfingerprint   {}\n\n{}",
            self.consumer_key,
            self.fingerprint,
            self.public_key.trim()
        );
        if self.instructions.is_empty() {
            text.push_str("\n\nConfluence takes it.");
        } else {
            text.push_str(
                "\n\nConfluence does not take it yet: kubectl restward applink apply makes these calls, or\n",
            );
            text.push_str(&self.instructions.join("\n"));
        }
        if let Some(next) = &self.next {
            text.push_str(&format!(
                "\n\nnext key      {}\n{}\n{}",
                next.fingerprint,
                next.message,
                next.instructions.join("\n")
            ));
        }
        if let Some(repaired) = &self.repaired {
            text.push_str(&format!("\n\nput right last: {repaired}"));
        }
        text
    }
}
