//! What is left out of a support bundle. Names are allowed, not forbidden: what is not known to be harmless goes. Pure.

use restward_crds::names;
use serde_json::{Value, json};

const LEFT_OUT: &str = "(left out)";
/// Beginnings of the names of variables that decide about Tomcat's connector or are Restward's own, and hold no secret. Of
/// OpenTelemetry's those are kept that the sidecar heeds: others have headers with the key of a collector.
const HARMLESS: [&str; 5] =
    ["ATL_TOMCAT_", "ATL_PROXY_", "RESTWARD_", "CATALINA_CONNECTOR_", "CATALINA_CONTEXT_PATH"];
/// Ends of the names of attributes and parameters whose values are secret, in small letters.
const SECRET: [&str; 5] = ["password", "passwd", "pwd", "secret", "pass"];
/// Ends of names that only look so: what is around the sidecar, and arguments of the operator with names of Secrets.
const NO_SECRET: [&str; 3] = ["bypass", "--ca-secret", "--sidecar-pull-secret"];
/// Members of objects that repeat others, or are long and of no use.
const USELESS: [&str; 2] = ["managedFields", "kubectl.kubernetes.io/last-applied-configuration"];
/// Before the secret in the path of the operator's webhook that is told of uses of break-glass.
const WITNESS: &str = "/witness/";
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
                    ("env", Value::Array(variables)) => {
                        variables.iter_mut().for_each(variable);
                        variables.iter_mut().for_each(object);
                    }
                    ("annotations", Value::Object(annotations)) => {
                        for (_, value) in annotations.iter_mut().filter(|(name, _)| !name.starts_with(OWN)) {
                            *value = json!(LEFT_OUT);
                        }
                    }
                    // Only the API server is to know where it tells of uses of break-glass.
                    ("path", Value::String(path)) if path.starts_with(WITNESS) => {
                        *path = format!("{WITNESS}{LEFT_OUT}");
                    }
                    // Commands of probes and hooks may bring a password along.
                    ("exec" | "httpHeaders", member) => *member = json!(LEFT_OUT),
                    (_, member) => object(member),
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(object),
        // Here, as quotes and line ends stand in the file in another way.
        Value::String(words) => {
            let cleaned = text(words);
            let end = if words.ends_with('\n') { cleaned.as_str() } else { cleaned.trim_end_matches('\n') };
            end.clone_into(words);
        }
        _ => {}
    }
}

fn variable(variable: &mut Value) {
    let name = variable.get("name").and_then(Value::as_str).unwrap_or_default();
    let is_harmless =
        HARMLESS.iter().any(|known| name.starts_with(known)) || names::OTEL_VARIABLES.contains(&name);
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
        Some(without_userinfo(&without_secret_values(&self::line(line))))
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

/// A line without the user and password of URLs, with or without a scheme before `//`.
fn without_userinfo(line: &str) -> String {
    let mut parts = line.split("//");
    let mut cleaned = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let ends =
            |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>' | '\\');
        let authority = part.split(ends).next().unwrap_or_default();
        let kept = authority.rfind('@').map_or(part, |at| part.get(at..).unwrap_or_default());
        let left_out = if kept.len() < part.len() { LEFT_OUT } else { "" };
        cleaned.push_str("//");
        cleaned.push_str(left_out);
        cleaned.push_str(kept);
    }
    cleaned
}

/// A line without the values of `password=…` and the like: attributes of XML, parameters of URLs and of the JVM.
fn without_secret_values(line: &str) -> String {
    let mut cleaned = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('=') {
        cleaned.push_str(before);
        cleaned.push('=');
        rest = after;
        if names_secret(before) && !after.starts_with(LEFT_OUT) {
            let quote = quote(after.trim_start());
            let value =
                after.split_once(quote).filter(|_| !quote.is_empty()).map_or(after, |(_, value)| value);
            cleaned.push_str(after.strip_suffix(value).unwrap_or_default());
            cleaned.push_str(LEFT_OUT);
            let end = match quote {
                "" => value.find(|c: char| c.is_whitespace() || matches!(c, '&' | '"' | '\'' | ';' | '\\')),
                quote => value.find(quote),
            };
            rest = end.and_then(|end| value.get(end..)).unwrap_or_default();
        }
    }
    cleaned + rest
}

/// Whether what stands before `=` says that a secret follows.
fn names_secret(before: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name = before.trim_end().rsplit(|c: char| !is_of_name(c)).next().unwrap_or_default();
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|end| name.ends_with(end)) && !NO_SECRET.iter().any(|end| name.ends_with(end))
}

/// The quote that a text begins with, with the backslashes of a text in a text.
fn quote(text: &str) -> &str {
    let bare = text.trim_start_matches('\\');
    let end = if bare.starts_with(['"', '\'']) { text.len() - bare.len() + 1 } else { 0 };
    text.get(..end).unwrap_or_default()
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
                         {"name": "OTEL_EXPORTER_OTLP_HEADERS", "value": "api-key=s3cret"},
                         {"name": "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "value": "authorization=s3cret"},
                         {"name": "OTEL_SERVICE_NAME", "value": "confluence"},
                         {"name": "X", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}],
                 "readinessProbe": {"exec": {"command": ["curl", "-u", "a:s3cret"]}},
                 "livenessProbe": {"httpGet": {"httpHeaders": [{"name": "Authorization", "value": "s3cret"}]}}},
                {"name": "restward-proxy", "image": "i", "args": ["--flag"], "env": [{"name": "RESTWARD_LOG", "value": "info"}]},
            ]},
        });
        object(&mut pod);
        let text = pod.to_string();
        assert!(!text.contains("s3cret"), "{text}");
        for kept in ["18090", "--flag", "\"confluence\"}", "info", "wiki", "secretKeyRef"] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        let server_xml = "<Server>\n  <Resource password=\"s3cret\"/>\n</Server>\n";
        let mut written = json!({"kind": "ConfigMap", "data": {"server-1.xml": server_xml, "config.json": "{\"version\":1}"}});
        object(&mut written);
        let redacted = server_xml.replace("s3cret", LEFT_OUT);
        assert_eq!(written["data"], json!({"server-1.xml": redacted, "config.json": "{\"version\":1}"}));
        let mut webhook =
            json!({"clientConfig": {"service": {"name": "restward", "path": "/witness/s3cret/keys"}}});
        object(&mut webhook);
        assert_eq!(webhook["clientConfig"]["service"]["path"], "/witness/(left out)");
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
    fn users_and_passwords_of_urls_are_left_out() {
        for (line, kept) in [
            ("url: http://alice:s3cret@proxy:3128/a@b", "url: http://(left out)@proxy:3128/a@b"),
            ("\"//alice:s3cret@otel:4318\",\"x@y\"", "\"//(left out)@otel:4318\",\"x@y\""),
            (
                "a //s3cret@h, b https://u:s3c@s3cret@h?q=//x:s3cret@z",
                "a //(left out)@h, b https://(left out)@h?q=//(left out)@z",
            ),
        ] {
            assert_eq!(text(line), format!("{kept}\n"));
        }
    }

    #[test]
    fn values_of_what_is_called_a_password_are_left_out() {
        for (line, kept) in [
            (
                "<Resource name=\"db\" password=\"s3 cret\" keystorePass = 's3cret' port='1'/>",
                "<Resource name=\"db\" password=\"(left out)\" keystorePass = '(left out)' port='1'/>",
            ),
            (
                "jdbc:postgresql://db/wiki?password=s3cret&ssl=true",
                "jdbc:postgresql://db/wiki?password=(left out)&ssl=true",
            ),
            (
                "-Djavax.net.ssl.trustStorePassword=s3cret -Dx=y",
                "-Djavax.net.ssl.trustStorePassword=(left out) -Dx=y",
            ),
            (r#"{"line":"password=\"s3 cret\", and"}"#, r#"{"line":"password=\"(left out)\", and"}"#),
            (r#"{"line":"password=s3cret\nand"}"#, r#"{"line":"password=(left out)\nand"}"#),
            (
                "client-secret=s3cret client_secret=s3cret",
                "client-secret=(left out) client_secret=(left out)",
            ),
            ("password=s3=cret, secret=a", "password=(left out) secret=(left out)"),
            ("password=\"s3cret", "password=\"(left out)"),
        ] {
            assert_eq!(text(line), format!("{kept}\n"));
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
            "restward_sidecar_requests_total{credential=\"basic\",bypass=\"none\"} 1",
            "- --ca-secret=restward-webhook-ca",
            "- --sidecar-pull-secret=registry",
            "password=(left out) and more",
            "// a comment of alice@example.com, and https://wiki.example.com/display/~alice@example.com",
        ] {
            assert_eq!(text(kept), format!("{kept}\n"));
        }
    }
}
