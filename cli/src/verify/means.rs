//! The command line of `verify`, and what it names: the policy, and credentials to try with.

use std::{
    fs,
    path::{Path, PathBuf},
};

use kube::ResourceExt as _;
use restward_crds::{api::v1alpha1::RestApiAuthPolicy, condition::ConditionType};
use url::Url;

use super::cases::Means;
use crate::{
    args::{Connection, Output, PolicyName},
    cluster::Session,
    failure::Failure,
    input,
    output::progress,
    reach::Reach,
    token::{Grant, Issuer},
};

const MIB: usize = 1024 * 1024;

/// Try what a wiki does behind its policy, case by case, such as before an upgrade; best on a staging wiki.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each case that lacks its credential is skipped, says what to give, and is counted. Nothing is written to the wiki \
                  without --write; calls by a user and tokens that do not exist are made, and stand in its log. What is expected follows \
                  from the policy, of the cluster or of --policy-file. Exit code 1: a case failed. 3: nothing failed, but somebody did not \
                  answer, or with --no-skips a case was skipped."
)]
pub(crate) struct Arguments {
    /// Confluence's base URL with its context path, such as https://wiki-staging.example.com/confluence
    #[arg(long, value_name = "URL", value_parser = base_url)]
    pub(super) url: Url,
    #[command(flatten)]
    policy: PolicyName,
    /// The policy as YAML or JSON, where the wiki's cluster cannot be asked: kubectl get restapiauthpolicy NAME -o yaml
    #[arg(long, value_name = "FILE", conflicts_with = "policy")]
    policy_file: Option<PathBuf>,
    /// The file with an access token; - is standard input
    #[arg(long, value_name = "FILE", help_heading = "By token", conflicts_with = "client_id")]
    token_file: Option<PathBuf>,
    /// The Confluence user whom the token stands for. Default: what follows from token and policy
    #[arg(long, value_name = "NAME", help_heading = "By token")]
    user: Option<String>,
    /// The file with a token that has expired
    #[arg(long, value_name = "FILE", help_heading = "By token")]
    expired_token_file: Option<PathBuf>,
    /// The file with a token that is meant for another API
    #[arg(long, value_name = "FILE", help_heading = "By token")]
    other_audience_token_file: Option<PathBuf>,
    /// A Confluence user with a password
    #[arg(long, value_name = "NAME", help_heading = "In other ways", requires = "password_file")]
    basic_user: Option<String>,
    /// The file with the user's password
    #[arg(long, value_name = "FILE", help_heading = "In other ways", requires = "basic_user")]
    password_file: Option<PathBuf>,
    /// The file with a browser's Cookie header of somebody who has logged in
    #[arg(long, value_name = "FILE", help_heading = "In other ways")]
    session_file: Option<PathBuf>,
    /// The file with a personal access token of anybody
    #[arg(long, value_name = "FILE", help_heading = "In other ways")]
    pat_file: Option<PathBuf>,
    /// The file with a personal access token of a system administrator, to read the application links
    #[arg(long, value_name = "FILE", help_heading = "In other ways")]
    admin_pat_file: Option<PathBuf>,
    /// The path of an attachment below the base URL, such as /download/attachments/65538/plan.pdf
    #[arg(long, value_name = "PATH", value_parser = path, help_heading = "What is tried")]
    download: Option<String>,
    /// An origin whose web pages may call (CORS), such as https://app.example.com
    #[arg(long, value_name = "ORIGIN", help_heading = "What is tried")]
    origin: Option<String>,
    /// Make a page by token, put a file to it, and remove it (it lies in the space's trash then)
    #[arg(long, requires = "space", help_heading = "What is tried")]
    write: bool,
    /// The key of the space for that
    #[arg(long, value_name = "KEY", requires = "write", help_heading = "What is tried")]
    pub(super) space: Option<String>,
    /// The size of that file
    #[arg(long, value_name = "MIB", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..), help_heading = "What is tried")]
    upload: u16,
    /// End with 3 when a case was skipped
    #[arg(long)]
    pub(super) no_skips: bool,
    #[command(flatten)]
    pub(super) reach: Reach,
    #[command(flatten)]
    pub(super) output: Output,
    /// The client that gets a token
    #[arg(long, value_name = "ID", help_heading = "By token")]
    client_id: Option<String>,
    /// The issuer, instead of the policy's realm
    #[arg(long, value_name = "URL", help_heading = "By token", requires = "client_id")]
    issuer: Option<String>,
    // The last, as its heading would go on.
    #[command(flatten, next_help_heading = "By token")]
    grant: Grant,
}

impl Arguments {
    /// Size of the file that is written.
    pub(super) fn bytes(&self) -> usize {
        usize::from(self.upload) * MIB
    }
}

fn base_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("{error}"))?;
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    match (url.scheme(), is_plain) {
        ("http" | "https", true) => Ok(url),
        ("http" | "https", false) => Err("give it without user, query and fragment".into()),
        _ => Err("it begins with neither https:// nor http://".into()),
    }
}

fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("a path begins with a slash".into()) }
}

/// The policy, and what there is to try with.
pub(super) async fn gather(
    arguments: &Arguments,
    connection: &Connection,
) -> Result<(RestApiAuthPolicy, Means), Failure> {
    let (policy, session) = if let Some(file) = &arguments.policy_file {
        (written(file)?, None)
    } else {
        let session = Session::open(connection).await?;
        (session.policy(&arguments.policy).await?, Some(session))
    };
    if let Some(why) = not_ready(&policy) {
        progress(&format!("note: policy {} is not ready: {why}", policy.name_any()));
    }
    let read =
        |what: &str, file: &Option<PathBuf>| file.as_ref().map(|file| input::read(what, file)).transpose();
    let token = match &arguments.client_id {
        Some(client) => {
            let issuer = match (&arguments.issuer, &session) {
                (Some(url), _) => Issuer::by_url(url)?,
                (None, Some(session)) => Issuer::of_policy(session, &policy).await?,
                (None, None) => Issuer::of_realm(&policy.spec.keycloak, None)?,
            };
            Some(arguments.grant.token(client, &issuer, &arguments.reach).await?)
        }
        None => read("the token", &arguments.token_file)?,
    };
    let line = |what: &str, file: &Option<PathBuf>| {
        file.as_ref().map(|file| input::read_line(what, file)).transpose()
    };
    let password = line("the password", &arguments.password_file)?;
    let cookies = line("the cookies", &arguments.session_file)?;
    let means = Means {
        token,
        user: arguments.user.clone(),
        expired_token: read("the expired token", &arguments.expired_token_file)?,
        other_audience_token: read("the token for another API", &arguments.other_audience_token_file)?,
        password: arguments.basic_user.clone().zip(password),
        session: cookies.map(|cookies| (cookies, None)),
        personal_access_token: read("the personal access token", &arguments.pat_file)?,
        admin_token: read("the administrator's token", &arguments.admin_pat_file)?,
        links: None,
        download: arguments.download.clone(),
        origin: arguments.origin.clone(),
    };
    Ok((policy, means))
}

fn written(file: &Path) -> Result<RestApiAuthPolicy, Failure> {
    let fix = "give one policy, as kubectl get restapiauthpolicy NAME -o yaml writes it";
    let failed = |why: &dyn std::fmt::Display| Failure::new(format!("read {}", file.display()), why, fix);
    let text = fs::read_to_string(file).map_err(|error| failed(&error))?;
    serde_saphyr::from_str(&text).map_err(|error| failed(&error))
}

/// What the policy itself says is in the way.
fn not_ready(policy: &RestApiAuthPolicy) -> Option<String> {
    let conditions = &policy.status.as_ref()?.conditions;
    let ready = conditions.iter().find(|it| it.type_ == ConditionType::Ready.as_str())?;
    (ready.status != "True").then(|| format!("{}: {}", ready.reason, ready.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_holds_no_secret() {
        assert!(base_url("https://wiki.example.com/confluence").is_ok());
        for text in
            ["https://u:p@wiki/confluence", "https://wiki/?a=b", "wiki", "ftp://wiki", "https://wiki/#x"]
        {
            assert!(base_url(text).is_err(), "{text}");
        }
    }
}
