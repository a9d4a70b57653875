//! The JSON Schema of audit lines, for log pipelines. Its members, their types and which of them are always there come from lines
//! as they are written, its words from the lists that they are taken from. `UPDATE_GOLDEN=1` writes it.

use std::{env, fs, path::Path};

use serde_json::{Map, Value, json};

use super::*;
use crate::credential::Kind;

/// What each member says; docs/observability.md says more.
const MEANINGS: &[(&str, &str)] = &[
    ("event", "What the line is about"),
    ("time", "Of the answer, seconds since 1970"),
    ("request_id", "Also in the answer, in the trace and in the request to Confluence (X-Request-Id)"),
    ("client", "Address of the caller, as trustedProxies read it"),
    ("method", "Up to 32 characters; -: the head was too large or no HTTP"),
    (
        "path_class",
        "protected: the REST API; content: pages, files and feeds; open: what anybody may call; unknown: unreadable",
    ),
    ("credential", "What the request came with, by its shape"),
    ("decision", "What became of it"),
    ("reason", "Why it was, or would have been, refused, or lost its token (docs/reference/reasons.md)"),
    ("status", "Of the answer, also when its client has gone before"),
    ("latency_ms", "From the request's head to the answer's"),
    ("user", "The Confluence user that a token named"),
    ("token", "Names a valid token without being one"),
    ("trace_id", "Of the W3C trace, when the request is traced"),
];

fn line(has_all: bool) -> Map<String, Value> {
    let token = TokenRef {
        issuer: "https://sso.example.com/realms/atlassian".into(),
        client: Some("reports".into()),
        actor: Some("mcp-wiki".into()),
        id: Some("a3f0".into()),
    };
    let record = Record {
        request_id: RequestId::fresh(),
        client: [192, 0, 2, 1].into(),
        method: Method::GET,
        class: Some(PathClass::Protected),
        credential: Kind::Token,
        outcome: Outcome::AsUser,
        reason: has_all.then_some(Reason::TokenExpired),
        user: has_all.then(|| "alice".into()),
        token: has_all.then_some(token),
        trace_id: has_all.then(|| "4bf92f3577b34da6a3ce929d0e0e4736".into()),
    };
    let written = super::tests::Shared::default();
    let done = Done { status: 200, latency: Duration::from_millis(3), at: UnixTime::from_secs(1) };
    Audit::to(written.clone()).write(&record, AuditLines::All, done);
    serde_json::from_slice(&written.bytes()).unwrap()
}

fn words(all: impl IntoIterator<Item = &'static str>) -> Value {
    json!(all.into_iter().collect::<Vec<_>>())
}

fn schema() -> Value {
    let (all, least) = (line(true), line(false));
    let mut properties = Map::new();
    for (name, example) in &all {
        let meaning = MEANINGS.iter().find(|(known, _)| known == name).expect("a meaning for each member").1;
        let mut property = json!({
            "description": meaning,
            "type": match example { Value::Number(_) => "integer", Value::Object(_) => "object", _ => "string" },
        });
        let choice = match name.as_str() {
            "event" => words(["decision"]),
            "path_class" => words(PathClass::ALL.map(PathClass::as_str).into_iter().chain(["unknown"])),
            "credential" => words(Kind::ALL.map(Kind::as_str)),
            "decision" => words(Outcome::ALL.map(Outcome::as_str)),
            "reason" => words(Reason::ALL.iter().map(|reason| reason.code())),
            _ => Value::Null,
        };
        if !choice.is_null() {
            property["enum"] = choice;
        }
        if let Value::Object(members) = example {
            let members: Map<_, _> =
                members.keys().map(|name| (name.clone(), json!({"type": "string"}))).collect();
            property["properties"] = members.into();
            property["required"] = json!(["issuer"]);
        }
        properties.insert(name.clone(), property);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Audit line of Restward's sidecar",
        "description": "One JSON object a line. Members may be added; what is here keeps its meaning.",
        "type": "object",
        "properties": properties,
        "required": least.keys().collect::<Vec<_>>(),
    })
}

#[test]
fn the_schema_is_that_of_the_lines() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/audit.schema.json");
    let wanted = schema();
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&wanted).unwrap())).unwrap();
    }
    let there: Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap_or_default()).unwrap_or_default();
    assert!(there == wanted, "docs/reference/audit.schema.json differs: make gen");
    assert_eq!(line(true).len(), MEANINGS.len(), "a meaning of a member that is gone");
}

/// What is true of every line: members that are known, with their types and words, and those that are always there.
fn fits(line: &Map<String, Value>, schema: &Value) -> Result<(), String> {
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        line.get(required).ok_or_else(|| format!("{required} is missing"))?;
    }
    for (name, value) in line {
        let property = schema["properties"].get(name).ok_or_else(|| format!("{name} is no member"))?;
        let is_typed = match property["type"].as_str() {
            Some("integer") => value.is_u64(),
            Some("object") => value.is_object(),
            _ => value.is_string(),
        };
        let is_known = property["enum"].as_array().is_none_or(|words| words.contains(value));
        if !is_typed || !is_known {
            return Err(format!("{name} may not be {value}"));
        }
        if let Value::Object(members) = value {
            fits(members, property)?;
        }
    }
    Ok(())
}

/// The line on the page is one that could be written, and shows all but `reason`, which a call that went on as its user has not.
#[test]
fn the_line_of_the_page_is_one() {
    let page = include_str!("../../../docs/observability.md");
    let (_, sample) = page.split_once("```json\n").expect("a line on the page");
    let sample: Map<String, Value> = serde_json::from_str(sample.split_once("```").unwrap().0).unwrap();
    assert_eq!(fits(&sample, &schema()), Ok(()));
    let (mut all, token) = (line(true), sample["token"].as_object().unwrap());
    assert_eq!(
        token.keys().collect::<Vec<_>>(),
        all["token"].as_object().unwrap().keys().collect::<Vec<_>>()
    );
    all.remove("reason");
    assert_eq!(sample.keys().collect::<Vec<_>>(), all.keys().collect::<Vec<_>>());
}
