//! `token why`: what each check of a sidecar says about a token. The sidecar does the real checks; the token goes to it through the
//! API server, and is kept and logged nowhere.

use std::{net::IpAddr, path::PathBuf};

use hyper::body::Bytes;
use restward_crds::{
    reason::Reason,
    sidecar::admin::{EXPLAIN_PATH, Explained, StepOutcome},
};
use url::form_urlencoded::Serializer;

use crate::{
    args::{Output, PolicyName},
    cluster::Session,
    failure::{Failure, Verdict},
    input,
    output::{self, Shown, wrapped},
    sidecar::Sidecar,
};

/// Ask a sidecar what each of its checks says about a token.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The token is read from a file or standard input, never from the command line: kubectl restward token get … | \
                        kubectl restward token why. With --path the policy's rules are asked about that call, too. Takes the right \
                        to create pods/portforward. Exit code 1: a call with the token would be refused."
)]
pub(super) struct Arguments {
    /// The file with the token; - is standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    token_file: PathBuf,
    /// The path of the call that is meant, with the context path, such as /confluence/rest/api/content
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// The method of that call
    #[arg(long, value_name = "METHOD", default_value = "GET", requires = "path")]
    method: String,
    /// The address that it comes from. Default: the pod itself
    #[arg(long, value_name = "IP", requires = "path")]
    address: Option<IpAddr>,
    #[command(flatten)]
    policy: PolicyName,
    #[command(flatten)]
    output: Output,
}

pub(super) async fn run(arguments: &Arguments, session: &Session) -> Result<Verdict, Failure> {
    let token = input::read("the token", &arguments.token_file)?;
    let policy = session.policy(&arguments.policy).await?;
    let pod = session.sidecar(&policy).await?;
    let sidecar = Sidecar::of(session.api(), &pod);
    let explained: Explained = sidecar.post(&target(arguments), Bytes::from(token)).await?;
    output::show(arguments.output.format, &explained)?;
    Ok(Verdict::right_if(explained.accepted))
}

fn target(arguments: &Arguments) -> String {
    let Some(path) = &arguments.path else { return EXPLAIN_PATH.to_owned() };
    let mut query = Serializer::new(String::new());
    query.append_pair("method", &arguments.method).append_pair("path", path);
    if let Some(address) = arguments.address {
        query.append_pair("address", &address.to_string());
    }
    format!("{EXPLAIN_PATH}?{}", query.finish())
}

impl Shown for Explained {
    fn text(&self) -> String {
        let steps = self.steps.iter().map(|step| {
            let mark = match step.outcome {
                StepOutcome::Passed => '√',
                StepOutcome::Skipped => '-',
                StepOutcome::Failed => '×',
            };
            let mut text = format!("{mark} {}", step.check);
            if let Some(reason) = &step.reason {
                text.push_str(&format!(": {reason}{}", status(reason)));
            }
            if let Some(message) = &step.message {
                text.push_str(&format!("\n    {}", wrapped(message, 4)));
            }
            text
        });
        let steps = steps.collect::<Vec<_>>().join("\n");
        let whose = match (&self.user, &self.client) {
            (Some(user), Some(client)) => format!("Confluence user {user}, client {client}"),
            (Some(user), None) => format!("Confluence user {user}"),
            (None, Some(client)) => format!("client {client}"),
            (None, None) => "nobody that is known".to_owned(),
        };
        let end = if self.accepted {
            "a call with it is forwarded √"
        } else {
            "a call with it is not forwarded ×"
        };
        format!("{steps}\n\nIt is a token of {whose}; {end}")
    }
}

/// What a client is answered.
fn status(code: &str) -> String {
    let reason = Reason::ALL.iter().find(|reason| reason.code() == code);
    reason.map(|reason| format!(" ({})", reason.status())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use restward_crds::sidecar::admin::Step;

    use super::*;

    #[test]
    fn the_call_that_is_meant_goes_along() {
        let arguments = |path: Option<&str>, address: Option<&str>| Arguments {
            token_file: "-".into(),
            path: path.map(Into::into),
            method: "PUT".into(),
            address: address.map(|it| it.parse().unwrap()),
            policy: PolicyName::default(),
            output: Output { format: output::Format::Table },
        };
        assert_eq!(target(&arguments(None, None)), "/explain");
        assert_eq!(
            target(&arguments(Some("/confluence/rest/a b?c=d&method=x"), Some("2001:db8::1"))),
            "/explain?method=PUT&path=%2Fconfluence%2Frest%2Fa+b%3Fc%3Dd%26method%3Dx&address=2001%3Adb8%3A%3A1"
        );
    }

    #[test]
    fn each_check_is_a_line_and_a_refusal_has_its_status() {
        let step = |check: &'static str, outcome, reason: Option<&'static str>| Step {
            check: check.into(),
            outcome,
            reason: reason.map(Into::into),
            message: reason.map(|_| "Get another.".into()),
        };
        let explained = Explained {
            accepted: false,
            user: None,
            client: Some("wiki".into()),
            steps: vec![
                step("form", StepOutcome::Passed, None),
                step("issuer", StepOutcome::Failed, Some("issuer_mismatch")),
                step("rules", StepOutcome::Skipped, None),
            ],
        };
        assert_eq!(
            explained.text(),
            "√ form\n× issuer: issuer_mismatch (401)\n    Get another.\n- rules\n\nIt is a token of client wiki; a call with it is \
             not forwarded ×"
        );
    }
}
