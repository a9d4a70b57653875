//! What is left out of a support bundle. Names are allowed, not forbidden: what is not known to be harmless goes. Pure.

use restward_crds::names;
use serde_json::{Value, json};

const LEFT_OUT: &str = "(left out)";
/// Beginnings of the names of variables that decide about Tomcat's connector or are Restward's own, and hold no secret.
const HARMLESS: [&str; 6] =
    ["ATL_TOMCAT_", "ATL_PROXY_", "RESTWARD_", "CATALINA_CONNECTOR_", "CATALINA_CONTEXT_PATH", "OTEL_"];
/// Members of objects that repeat others, or are long and of no use.
const USELESS: [&str; 2] = ["managedFields", "kubectl.kubernetes.io/last-applied-configuration"];
/// Annotations of the operator's own group are kept, others may hold anything.
const OWN: &str = "restward.io/";

/// An object without what may be secret.
pub(super) fn object(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !USELESS.contains(&name.as_str()));
            if members.get("kind").is_some_and(|kind| kind == "Secret") {
                members.remove("data");
                members.remove("stringData");
            }
            let is_ours = members
                .get("name")
                .is_some_and(|name| name == names::SIDECAR_CONTAINER || name == "operator");
            if members.contains_key("image") && !is_ours {
                for member in ["command", "args"] {
                    if let Some(words) = members.get_mut(member) {
                        *words = json!(LEFT_OUT);
                    }
                }
            }
            for (name, member) in members.iter_mut() {
                match (name.as_str(), member) {
                    ("env", Value::Array(variables)) => variables.iter_mut().for_each(variable),
                    ("annotations", Value::Object(annotations)) => {
                        for (_, value) in annotations.iter_mut().filter(|(name, _)| !name.starts_with(OWN)) {
                            *value = json!(LEFT_OUT);
                        }
                    }
                    // Commands of probes and hooks may bring a password along.
                    ("exec" | "httpHeaders", member) => *member = json!(LEFT_OUT),
                    (_, member) => object(member),
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(object),
        _ => {}
    }
}

fn variable(variable: &mut Value) {
    let name = variable.get("name").and_then(Value::as_str).unwrap_or_default();
    let is_harmless = HARMLESS.iter().any(|known| name.starts_with(known));
    if let Some(value) = variable.get_mut("value").filter(|_| !is_harmless) {
        *value = json!(LEFT_OUT);
    }
}

/// A text without what looks like a token, a password or a key. No such thing should be in it; this is the second look.
pub(super) fn text(text: &str) -> String {
    let mut is_key = false;
    let lines = text.lines().filter_map(|line| {
        if line.contains("-----BEGIN ") && line.contains("PRIVATE KEY-----") {
            is_key = true;
            return Some(LEFT_OUT.to_owned());
        }
        if is_key {
            is_key = !line.contains("-----END ");
            return None;
        }
        Some(self::line(line))
    });
    lines.map(|line| line + "\n").collect()
}

fn line(line: &str) -> String {
    let mut cleaned = String::new();
    let mut after_scheme = false;
    for piece in line.split_inclusive(|c: char| !is_of_token(c)) {
        let word = piece.trim_end_matches(|c: char| !is_of_token(c));
        let rest = piece.strip_prefix(word).unwrap_or_default();
        if looks_secret(word) || (after_scheme && word.len() > 3) {
            cleaned.push_str(LEFT_OUT);
        } else {
            cleaned.push_str(word);
        }
        cleaned.push_str(rest);
        if !word.is_empty() {
            let scheme = word.rsplit(['=', '/']).next().unwrap_or_default();
            after_scheme = ["bearer", "basic", "dpop"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
                && rest == " ";
        }
    }
    cleaned
}

fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '/' | '=' | '~')
}

/// A JWT, or a personal access token of Confluence: 44 characters of base64 that end in none of its padding or in one.
fn looks_secret(word: &str) -> bool {
    let is_jwt = word.split('.').count() >= 3 && word.split(['=', '/']).any(|part| part.starts_with("eyJ"));
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    is_jwt || (word.len() == 44 && word.chars().all(is_base64) && word.chars().any(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_in_an_object_is_left_out() {
        let mut pod = json!({
            "metadata": {
                "managedFields": ["x"],
                "annotations": {"restward.io/policy": "wiki", "vault/secret": "s3cret",
                                "kubectl.kubernetes.io/last-applied-configuration": "s3cret"},
            },
            "spec": {"containers": [
                {"name": "confluence", "image": "i", "command": ["run", "s3cret"], "args": ["s3cret"],
                 "env": [{"name": "ATL_JDBC_PASSWORD", "value": "s3cret"}, {"name": "ATL_TOMCAT_PORT", "value": "18090"},
                         {"name": "X", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}],
                 "readinessProbe": {"exec": {"command": ["curl", "-u", "a:s3cret"]}},
                 "livenessProbe": {"httpGet": {"httpHeaders": [{"name": "Authorization", "value": "s3cret"}]}}},
                {"name": "restward-proxy", "image": "i", "args": ["--flag"], "env": [{"name": "RESTWARD_LOG", "value": "info"}]},
            ]},
        });
        object(&mut pod);
        let text = pod.to_string();
        assert!(!text.contains("s3cret"), "{text}");
        for kept in ["18090", "--flag", "info", "wiki", "secretKeyRef"] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        let mut secret =
            json!({"items": [{"kind": "Secret", "data": {"a": "s3cret"}, "stringData": {"b": "s3cret"}}]});
        object(&mut secret);
        assert!(!secret.to_string().contains("s3cret"));
    }

    #[test]
    fn what_looks_like_a_credential_in_a_text_is_left_out() {
        let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln";
        let pat = "NDc4NDkyNDg3ODE3OstHYSeYC1UgXqRacSqvUbookcZk";
        for secret in [
            jwt.to_owned(),
            format!("Authorization: Bearer {jwt}"),
            format!("jwt={jwt}"),
            format!("\"token\":\"{pat}\""),
            "authorization: Basic YWxpY2U6czNjcmV0".to_owned(),
            "-----BEGIN PRIVATE KEY-----\nYWxpY2U6czNjcmV0\n-----END PRIVATE KEY-----".to_owned(),
        ] {
            let cleaned = text(&format!("before\n{secret}\nafter"));
            assert!(
                !cleaned.contains(jwt) && !cleaned.contains(pat) && !cleaned.contains("YWxpY2U"),
                "{cleaned}"
            );
            assert!(cleaned.contains("before\n") && cleaned.ends_with("after\n"), "{cleaned}");
        }
    }

    #[test]
    fn what_helps_stays() {
        let hash = "a8918c34be77873e5f540cd503b6c7b8a7fffd4d9c53d78d8dad17d12162b4f2";
        for kept in [
            "2026-01-01T00:00:00.000Z INFO restward_sidecar::keys: fetched https://sso.example.com/realms/atlassian",
            &format!("restward.io/injected-hash: {hash}"),
            "{\"reason\":\"basic_denied\",\"user_agent\":\"curl/8.5.0\"}",
            "-----BEGIN PUBLIC KEY-----",
        ] {
            assert_eq!(text(kept), format!("{kept}\n"));
        }
    }
}
