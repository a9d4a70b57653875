//! The list *Will this break my wiki?* against the cases: each of its rows is tried, or is said to be for people.

use std::{collections::BTreeSet, fs};

use serde_json::json;

use super::script::{Basic, Sabotage};
use super::{Given, Script};

/// Rows by the beginning of what they are about, with the cases that try them.
const TRIED: [(&str, &[&str]); 26] = [
    ("login page, login form", &["login-page", "login", "session-page", "session-api", "session-download"]),
    ("the login page of 9.2", &["login-options", "login"]),
    ("a made-up or ended session", &["made-up-session"]),
    ("editing together", &["synchrony", "websocket"]),
    ("a public wiki", &["no-credential"]),
    ("`/status`", &["status"]),
    ("monitoring that calls", &["no-credential"]),
    ("web pages of other origins", &["cors-preflight"]),
    (
        "Basic authentication",
        &[
            "password",
            "made-up-password",
            "made-up-parameters",
            "xml-rpc-login",
            "soap-login",
            "json-rpc-login",
        ],
    ),
    ("a client that waits for a Basic challenge", &["basic-challenge"]),
    ("personal access tokens", &["personal-access-token", "made-up-personal-token"]),
    ("tokens of Confluence's own OAuth 2", &["made-up-oauth2-token"]),
    ("downloads by script", &["token-download", "garbage-token-on-page"]),
    ("client credentials", &["token-user"]),
    ("`Authorization: Negotiate`", &["other-scheme"]),
    ("odd paths", &["odd-path", "two-credentials"]),
    ("uploads and downloads", &["write-attachment", "read-attachment"]),
    ("heads above 32 KiB", &["large-head", "large-form"]),
    ("application links with Jira", &["link-of-a-partner", "incomplete-oauth1", "links-unchanged"]),
    ("discovery of a partner", &["link-manifest"]),
    ("Confluence gadgets", &["gadget"]),
    ("mobile app", &["mobile-app"]),
    ("Companion app", &["companion-app"]),
    ("WebDAV", &["webdav"]),
    ("RSS feeds", &["feed", "private-calendar"]),
    ("`X-Forwarded-User`", &["forwarded-user", "token-naming-another"]),
];

fn page(path: &str) -> String {
    fs::read_to_string(format!("{}/../docs/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The first cell of each row, up to what happens when something fails.
fn rows() -> Vec<String> {
    let page = page("start/will-this-break-my-wiki.md");
    let (listed, _) = page.split_once("## What stays when something fails").unwrap();
    let cells = listed.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells.filter(|cell| *cell != "what").map(str::to_owned).collect()
}

/// What the page on `verify` says is not tried from outside.
fn for_people() -> Vec<String> {
    let page = page("operate/verify.md");
    let (_, listed) = page.split_once("## Not tried from outside").unwrap();
    let entries = listed.lines().filter_map(|line| line.strip_prefix("- *"));
    entries.map(|entry| entry.split_once('*').unwrap().0.to_owned()).collect()
}

#[tokio::test]
async fn each_row_of_the_list_is_tried_or_said_to_be_for_people() {
    let (given, script) = (Given::with(&json!({})), Script::start(Basic::Allowed, Sabotage::None).await);
    let trial = given.tried(&script.url, &given.all()).await.unwrap();
    let cases: BTreeSet<&str> = trial.cases.iter().map(|it| it.name).collect();
    let (rows, people) = (rows(), for_people());
    assert!(rows.len() > 35, "only {} rows were read", rows.len());
    for row in &rows {
        let tried = TRIED.iter().any(|(begin, _)| row.starts_with(begin));
        let untried = people.iter().any(|begin| row.starts_with(begin.as_str()));
        assert!(
            tried != untried,
            "{row:?} has to be tried, or stand in docs/operate/verify.md as not tried, and not both"
        );
    }
    for (begin, names) in TRIED {
        assert!(rows.iter().any(|row| row.starts_with(begin)), "the list has no row {begin:?}");
        let unknown: Vec<&&str> = names.iter().filter(|name| !cases.contains(**name)).collect();
        assert!(unknown.is_empty(), "{begin:?}: {unknown:?} are no cases");
    }
    for begin in people {
        assert!(rows.iter().any(|row| row.starts_with(&begin)), "the list has no row {begin:?}");
    }
}
