//! `basic-report`: who still logs in by password, from the sidecars of all pods.
//!
//! - [`merge`]: one list out of those of the pods
//! - [`csv`]: for spreadsheets

mod csv;
mod merge;

use clap::ValueEnum;
use k8s_openapi::jiff::Timestamp;
use restward_crds::sidecar::admin::{BASIC_REPORT_PATH, PasswordReport};

use crate::{
    args::PolicyName,
    cluster::Session,
    failure::{Failure, Verdict},
    output::{self, Shown, table, wrapped},
    sidecar::Sidecar,
};
use merge::Merged;

/// Show who still logs in by password, from the sidecars of all pods of a policy.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Sidecars count while basicAuth.mode is Audit or Deny. It names people: treat it like the access log. Takes the right to \
                        create pods/portforward."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    policy: PolicyName,
    /// How the result is shown
    #[arg(short = 'o', long = "output", value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

/// How the report is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Table,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// For spreadsheets
    Csv,
}

pub(crate) async fn run(arguments: &Arguments, session: &Session) -> Result<Verdict, Failure> {
    let policy = session.policy(&arguments.policy).await?;
    let mut reports: Vec<(String, Result<PasswordReport, String>)> = Vec::new();
    for pod in session.injected(&policy).await? {
        let sidecar = Sidecar::of(session.api(), &pod);
        let report = sidecar.get(BASIC_REPORT_PATH).await;
        reports.push((sidecar.pod().to_owned(), report.map_err(|failure| failure.in_a_line())));
    }
    let merged = merge::merged(reports);
    match arguments.format {
        Format::Table => output::show(output::Format::Table, &merged)?,
        Format::Json => output::show(output::Format::Json, &merged)?,
        Format::Yaml => output::show(output::Format::Yaml, &merged)?,
        Format::Csv => output::line(&csv::written(&merged))?,
    }
    if merged.is_complete() {
        return Ok(Verdict::Right);
    }
    output::progress(
        "some pods could not be asked, or know less than they should: the report is not complete",
    );
    Ok(Verdict::Wrong)
}

impl Shown for Merged {
    fn text(&self) -> String {
        let mut parts = Vec::new();
        if let Some(since) = self.since {
            parts.push(format!("password logins since {}, of {} pods", at(since), self.pods.len()));
        }
        for (pod, problem) in self.pods.iter().filter_map(|pod| Some((&pod.pod, pod.problem.as_ref()?))) {
            parts.push(format!("‼ {pod}: {}", wrapped(problem, 2)));
        }
        if self.logins.is_empty() {
            parts.push("nobody was seen".into());
        } else {
            let rows: Vec<[String; 7]> = self
                .logins
                .iter()
                .map(|login| {
                    let who = &login.who;
                    [
                        who.user.clone().unwrap_or_else(|| "-".into()),
                        who.outcome.as_str().into(),
                        login.seen.count.to_string(),
                        at(login.seen.last),
                        who.address.to_string(),
                        who.path_class.to_string(),
                        who.user_agent.clone(),
                    ]
                })
                .collect();
            parts.push(table(["USER", "OUTCOME", "COUNT", "LAST", "ADDRESS", "PATHS", "USER AGENT"], &rows));
        }
        parts.join("\n\n")
    }
}

fn at(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
}
