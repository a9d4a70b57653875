//! `token get`: an access token by client credentials (RFC 6749 section 4.4) or a device code (RFC 8628).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    device,
    provider::{Answer, ClientId, Issuer, Provider},
};
use crate::{
    args::{Connection, Output, PolicyName},
    cluster::Session,
    failure::{Failure, Verdict},
    input,
    output::{self, Shown},
    reach::Reach,
};

/// Variable with the client's secret.
const SECRET: &str = "RESTWARD_CLIENT_SECRET";

/// Get an access token, by client credentials or by a device code (RFC 8628), and write it to standard output.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The client's secret is read from --client-secret-file or the variable RESTWARD_CLIENT_SECRET, never from the \
                        command line. The realm is the policy's, at its public address (spec.keycloak.host), or --issuer, which needs \
                        no cluster. -o json has the token's type, lifetime and scope too. A refresh token is never shown."
)]
pub(super) struct Arguments {
    /// The client
    #[arg(long, value_name = "ID")]
    client_id: String,
    #[command(flatten)]
    grant: Grant,
    /// The issuer, instead of a policy's realm
    #[arg(long, value_name = "URL", conflicts_with = "policy")]
    issuer: Option<String>,
    #[command(flatten)]
    policy: PolicyName,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    output: Output,
}

/// How a client gets a token.
#[derive(Debug, clap::Args)]
pub(crate) struct Grant {
    /// The file with the client's secret; - is standard input
    #[arg(long, value_name = "FILE", requires = "client_id")]
    client_secret_file: Option<PathBuf>,
    /// Log in as a person, in a browser, by a code (the client needs the device authorization grant)
    #[arg(long, requires = "client_id")]
    device: bool,
    /// The scope that is asked for
    #[arg(long, value_name = "SCOPES", requires = "client_id")]
    scope: Option<String>,
}

impl Grant {
    /// An access token of this issuer's.
    pub(crate) async fn token(
        &self,
        client: &str,
        issuer: &Issuer,
        reach: &Reach,
    ) -> Result<String, Failure> {
        self.answer(client, issuer, reach).await.map(|token| token.access_token)
    }

    async fn answer(&self, client: &str, issuer: &Issuer, reach: &Reach) -> Result<Token, Failure> {
        let secret = input::read_or("the client's secret", self.client_secret_file.as_deref(), SECRET)?;
        if secret.is_none() && !self.device {
            return Err(Failure::new(
                "get a token",
                "client credentials need the client's secret",
                format!(
                    "give it by --client-secret-file FILE or {SECRET}, or log in as a person by --device"
                ),
            ));
        }
        let provider = Provider::find(issuer, reach).await?;
        let client = ClientId { id: client.to_owned(), secret };
        let scope = self.scope.as_deref().map(|scope| ("scope", scope));
        if self.device {
            return device::token(&provider, &client, scope).await;
        }
        let form: Vec<(&str, &str)> =
            [("grant_type", "client_credentials")].into_iter().chain(scope).collect();
        granted(provider.token(&client, &form).await?)
    }
}

pub(super) async fn run(arguments: &Arguments, connection: &Connection) -> Result<Verdict, Failure> {
    let issuer = if let Some(url) = &arguments.issuer {
        Issuer::by_url(url)?
    } else {
        let session = Session::open(connection).await?;
        let policy = session.policy(&arguments.policy).await?;
        Issuer::of_policy(&session, &policy).await?
    };
    let token = arguments.grant.answer(&arguments.client_id, &issuer, &arguments.reach).await?;
    output::show(arguments.output.format, &token)?;
    Ok(Verdict::Right)
}

/// What is shown of a token's answer: no refresh token, which would be another secret on the screen.
#[derive(Debug, Serialize, Deserialize)]
#[allow(clippy::struct_field_names, reason = "the names are those of RFC 6749")]
pub(super) struct Token {
    access_token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

impl Shown for Token {
    fn text(&self) -> String {
        self.access_token.clone()
    }
}

/// The token endpoint's answer: a token, or an error (RFC 6749 section 5.2).
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum TokenAnswer {
    Token(Token),
    Error(OAuthError),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct OAuthError {
    pub(super) error: String,
    #[serde(default)]
    pub(super) error_description: String,
}

pub(super) fn granted(answer: Answer<TokenAnswer>) -> Result<Token, Failure> {
    match answer.body {
        TokenAnswer::Token(token) if answer.is_success => Ok(token),
        TokenAnswer::Token(_) => {
            Err(Failure::new("get a token", "the provider answers with an error and a token", "see its log"))
        }
        TokenAnswer::Error(error) => Err(refused(&error)),
    }
}

pub(super) fn refused(error: &OAuthError) -> Failure {
    let fix = match error.error.as_str() {
        "invalid_client" => "see that client id and secret are those of a confidential client of this realm",
        // Keycloak says this of a wrong secret as well.
        "unauthorized_client" => {
            "see that the secret is right, and the grant on for the client: Service accounts roles, or OAuth 2.0 Device Authorization Grant"
        }
        "invalid_scope" => "ask for scopes that the client has",
        "access_denied" => "somebody said no in the browser: run the command again",
        "expired_token" => "the code was not entered in time: run the command again",
        _ => "the words are the identity provider's own; its log has more",
    };
    let why = if error.error_description.is_empty() {
        error.error.clone()
    } else {
        format!("{}: {}", error.error, error.error_description)
    };
    Failure::new("get a token", why, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(is_success: bool, json: &str) -> Answer<TokenAnswer> {
        Answer { is_success, body: serde_json::from_str(json).unwrap() }
    }

    #[test]
    fn the_token_alone_is_shown_and_never_a_refresh_token() {
        let token =
            granted(answer(true, r#"{"access_token":"a","refresh_token":"r","expires_in":300}"#)).unwrap();
        assert_eq!(token.text(), "a");
        assert_eq!(serde_json::to_string(&token).unwrap(), r#"{"access_token":"a","expires_in":300}"#);
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        for (code, fix) in
            [("invalid_client", "confidential"), ("unauthorized_client", "grant"), ("other", "own")]
        {
            let failure =
                granted(answer(false, &format!(r#"{{"error":"{code}"}}"#))).unwrap_err().to_string();
            assert!(failure.contains(code) && failure.contains(fix), "{failure}");
        }
        assert!(granted(answer(false, r#"{"access_token":"a"}"#)).is_err());
    }
}
