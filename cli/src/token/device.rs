//! The device code (RFC 8628): a person logs in with a browser anywhere, while this program asks whether that has happened.

use std::time::Duration;

use serde::Deserialize;

use super::{
    get::{self, OAuthError, Token, TokenAnswer},
    provider::{Answer, ClientId, Provider},
};
use crate::{failure::Failure, output::progress};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// RFC 8628 section 3.2 and 3.5.
const DEFAULT_INTERVAL: u64 = 5;
const SLOWER: u64 = 5;

/// The answer to the first question (section 3.2).
#[derive(Debug, Deserialize)]
#[allow(clippy::struct_field_names, reason = "the names are those of RFC 8628")]
struct Code {
    device_code: String,
    user_code: String,
    verification_uri: String,
    #[serde(default)]
    verification_uri_complete: Option<String>,
    expires_in: u64,
    #[serde(default)]
    interval: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum CodeAnswer {
    Code(Code),
    Error(OAuthError),
}

pub(super) async fn token(
    provider: &Provider,
    client: &ClientId,
    scope: Option<(&str, &str)>,
) -> Result<Token, Failure> {
    let form: Vec<(&str, &str)> = scope.into_iter().collect();
    let code = match provider.device_code(client, &form).await?.body {
        CodeAnswer::Code(code) => code,
        CodeAnswer::Error(error) => return Err(get::refused(&error)),
    };
    progress(&invitation(&code));
    let form = [("grant_type", GRANT), ("device_code", code.device_code.as_str())];
    let mut interval = code.interval.unwrap_or(DEFAULT_INTERVAL);
    let polling = async {
        loop {
            tokio::time::sleep(Duration::from_secs(interval)).await;
            match judged(provider.token(client, &form).await?, interval) {
                Poll::Over(outcome) => return *outcome,
                Poll::Again(next) => interval = next,
            }
        }
    };
    let expired =
        || get::refused(&OAuthError { error: "expired_token".into(), error_description: String::new() });
    tokio::time::timeout(Duration::from_secs(code.expires_in), polling)
        .await
        .unwrap_or_else(|_| Err(expired()))
}

fn invitation(code: &Code) -> String {
    let place = code.verification_uri_complete.as_ref().unwrap_or(&code.verification_uri);
    format!(
        "Open {place} in a browser, see that it shows the code {}, and log in. Waiting for {} minutes at most.",
        code.user_code,
        code.expires_in.div_ceil(60)
    )
}

/// What one question at the token endpoint came to (section 3.5).
enum Poll {
    /// Ask again after so many seconds.
    Again(u64),
    Over(Box<Result<Token, Failure>>),
}

fn judged(answer: Answer<TokenAnswer>, interval: u64) -> Poll {
    match &answer.body {
        TokenAnswer::Error(error) if error.error == "authorization_pending" => Poll::Again(interval),
        TokenAnswer::Error(error) if error.error == "slow_down" => {
            Poll::Again(interval.saturating_add(SLOWER))
        }
        _ => Poll::Over(Box::new(get::granted(answer))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(is_success: bool, json: &str) -> Poll {
        judged(Answer { is_success, body: serde_json::from_str(json).unwrap() }, 5)
    }

    #[test]
    fn it_asks_until_the_person_has_decided() {
        assert!(matches!(poll(false, r#"{"error":"authorization_pending"}"#), Poll::Again(5)));
        assert!(matches!(poll(false, r#"{"error":"slow_down"}"#), Poll::Again(10)));
        assert!(matches!(poll(true, r#"{"access_token":"a"}"#), Poll::Over(outcome) if outcome.is_ok()));
        for error in ["access_denied", "expired_token", "invalid_grant"] {
            let over = poll(false, &format!(r#"{{"error":"{error}"}}"#));
            assert!(matches!(over, Poll::Over(outcome) if outcome.is_err()), "{error}");
        }
    }

    #[test]
    fn the_invitation_has_the_code_to_compare() {
        let code: Code = serde_json::from_str(
            r#"{"device_code":"secret","user_code":"ABCD-EFGH","verification_uri":"https://sso/device","expires_in":601}"#,
        )
        .unwrap();
        let text = invitation(&code);
        assert!(
            text.contains("https://sso/device") && text.contains("ABCD-EFGH") && text.contains("11 minutes"),
            "{text}"
        );
        assert!(!text.contains("secret"));
    }
}
