//! `token decode`: what a token says. It never checks anything, and says so.

use std::path::PathBuf;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use k8s_openapi::jiff::{SpanRound, Timestamp, Unit};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    args::Output,
    failure::{Failure, Verdict},
    input,
    output::{self, Shown, table},
};

const NOT_VERIFIED: &str = "NOT VERIFIED: neither signature nor claims were checked. Anybody can write such a token; kubectl restward token \
                            why asks a sidecar for its checks.";
/// Claims that are times (RFC 7519 section 4.1, OpenID Connect Core section 2).
const TIMES: [&str; 4] = ["exp", "iat", "nbf", "auth_time"];

/// Show what a token says, without any check of whether it is true.
#[derive(Debug, clap::Args)]
#[command(after_help = "The token is read from a file or standard input, never from the command line.")]
pub(super) struct Arguments {
    /// The file with the token; - is standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    token_file: PathBuf,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let token = input::read("the token", &arguments.token_file)?;
    let decoded = decode(token.strip_prefix("Bearer ").unwrap_or(&token), Timestamp::now());
    let decoded = decoded.map_err(|why| {
        Failure::new("read the token", why, "send the access_token of the token response, whole and alone")
    })?;
    output::show(arguments.output.format, &decoded)?;
    Ok(Verdict::Right)
}

/// What a token says.
#[derive(Debug, PartialEq, Serialize)]
struct Decoded {
    /// Never true.
    verified: bool,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    #[serde(skip)]
    now: Timestamp,
}

/// Says nothing of what stands in the token.
fn decode(token: &str, now: Timestamp) -> Result<Decoded, &'static str> {
    let parts: Vec<&str> = token.split('.').collect();
    match parts.as_slice() {
        [header, claims, _] => {
            let header = object(header).ok_or("its first part is no JSON in base64url, so it is no JWT")?;
            let claims = object(claims).ok_or("its second part is no JSON in base64url, so it is no JWT")?;
            Ok(Decoded { verified: false, header, claims, now })
        }
        [_] => Err(
            "it has one part: an opaque token, such as a personal access token of Confluence, says nothing by itself",
        ),
        [_, _, _, _, _] => Err("it has five parts: it is encrypted (JWE), and only its receiver can read it"),
        _ => Err("it has not three parts between dots, so it is no JWT"),
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

impl Shown for Decoded {
    fn text(&self) -> String {
        let rows = |members: &Map<String, Value>| -> Vec<[String; 2]> {
            members.iter().map(|(name, value)| [name.clone(), self.value(name, value)]).collect()
        };
        format!(
            "{NOT_VERIFIED}\n\n{}\n\n{}",
            table(["HEADER", ""], &rows(&self.header)),
            table(["CLAIM", ""], &rows(&self.claims))
        )
    }
}

impl Decoded {
    fn value(&self, name: &str, value: &Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            Value::Number(number) if TIMES.contains(&name) => {
                number.as_i64().and_then(|at| time(at, self.now)).unwrap_or_else(|| number.to_string())
            }
            other => other.to_string(),
        }
    }
}

/// The time, and how far it is from now.
fn time(at: i64, now: Timestamp) -> Option<String> {
    let at = Timestamp::from_second(at).ok()?;
    let distance = now.until(at).ok()?;
    let rounded = distance.abs().round(SpanRound::new().largest(Unit::Hour).smallest(Unit::Second)).ok()?;
    Some(if distance.is_negative() {
        format!("{at} ({rounded:#} ago)")
    } else {
        format!("{at} (in {rounded:#})")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.c2lnbmF0dXJl", part(header), part(claims))
    }

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn what_a_token_says_is_shown_and_that_it_is_not_verified() {
        let iat = now().as_second() - 60;
        let token = token(
            &json!({"alg": "RS256"}),
            &json!({"exp": iat + 300, "iat": iat, "aud": ["a"], "sub": "alice"}),
        );
        let shown = decode(&token, now()).unwrap().text();
        assert!(shown.starts_with("NOT VERIFIED"), "{shown}");
        for line in [
            "alg     RS256",
            "aud    [\"a\"]",
            "exp    2026-01-01T00:04:00Z (in 4m)",
            "iat    2025-12-31T23:59:00Z (1m ago)",
            "sub    alice",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
        }
        assert!(!shown.contains("c2lnbmF0dXJl"), "the signature makes it a token");
        let json = serde_json::to_value(decode(&token, now()).unwrap()).unwrap();
        assert_eq!(json["verified"], false);
    }

    #[test]
    fn what_is_no_jwt_is_named_and_not_repeated() {
        let part = BASE64_URL_SAFE_NO_PAD.encode("{}");
        for (token, why) in [
            ("NDc4NDkyNDg3ODE3OstHYSeYC1UgXqRacSqvUbookcZk".to_owned(), "personal access token"),
            ("a.b.c.d.e".to_owned(), "encrypted"),
            ("a.b".to_owned(), "three parts"),
            (format!("{part}.secret.x"), "second part"),
            (format!("secret.{part}.x"), "first part"),
            (format!("{}.{part}.x", BASE64_URL_SAFE_NO_PAD.encode("[]")), "first part"),
        ] {
            let error = decode(&token, now()).unwrap_err();
            assert!(error.contains(why) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn odd_times_are_shown_as_they_are() {
        let token = token(&json!({}), &json!({"exp": 1e300, "iat": i64::MAX, "nbf": "soon"}));
        let shown = decode(&token, now()).unwrap().text();
        assert!(shown.contains(&i64::MAX.to_string()) && shown.contains("soon"), "{shown}");
    }
}
