//! What `/metrics` shows when everything has happened once, as a file: the dashboard, the alerts and the reference page are held
//! against its names and labels. `UPDATE_GOLDEN=1` writes it.

use std::{env, fs, path::Path};

use http::Method;

use super::*;
use crate::{
    audit::Outcome, credential::Kind, request_id::RequestId, route::PathClass, verify::verdict::Bypass,
};

const ISSUER: &str = "https://sso.example.com/realms/atlassian";

/// Each kind of thing that panels and alerts tell apart.
const REQUESTS: &[(Option<PathClass>, Kind, Outcome, Option<Reason>)] = &[
    (Some(PathClass::Protected), Kind::Token, Outcome::AsUser, None),
    (Some(PathClass::Protected), Kind::Session, Outcome::Passed, None),
    (Some(PathClass::Protected), Kind::Basic, Outcome::Passed, None),
    (Some(PathClass::Protected), Kind::PasswordParameters, Outcome::WouldRefuse, Some(Reason::BasicDenied)),
    (Some(PathClass::Protected), Kind::Basic, Outcome::WouldRefuse, Some(Reason::BasicDenied)),
    (Some(PathClass::Protected), Kind::Basic, Outcome::Refused, Some(Reason::BasicDenied)),
    (Some(PathClass::Protected), Kind::Basic, Outcome::Refused, Some(Reason::BasicBrownOut)),
    (Some(PathClass::Protected), Kind::None, Outcome::Refused, Some(Reason::CredentialMissing)),
    (Some(PathClass::Protected), Kind::Token, Outcome::Refused, Some(Reason::TokenExpired)),
    (Some(PathClass::Protected), Kind::Token, Outcome::Refused, Some(Reason::KeysUnavailable)),
    (Some(PathClass::Content), Kind::Token, Outcome::Stripped, Some(Reason::TokenExpired)),
    (Some(PathClass::Content), Kind::Session, Outcome::Passed, None),
    (Some(PathClass::Open), Kind::None, Outcome::Passed, None),
    (None, Kind::None, Outcome::Refused, Some(Reason::AmbiguousTarget)),
];

fn record(class: Option<PathClass>, credential: Kind, outcome: Outcome, reason: Option<Reason>) -> Record {
    Record {
        request_id: RequestId::fresh(),
        client: [192, 0, 2, 1].into(),
        method: Method::GET,
        class,
        credential,
        outcome,
        reason,
        user: None,
        token: None,
        trace_id: None,
    }
}

fn everything_once() -> String {
    let metrics = Metrics::default();
    for &(class, credential, outcome, reason) in REQUESTS {
        metrics.count(&record(class, credential, outcome, reason));
    }
    metrics.decided_in(Duration::from_micros(300));
    metrics.answered_in(Duration::from_millis(30));
    for is_good in [true, false] {
        metrics.config_read(is_good);
        metrics.fetches().count(is_good);
    }
    metrics.assertion_rejected();
    metrics.end_announced();
    metrics.verified(&Findings { problem: Some("no socket".into()), ..Findings::default() });
    metrics.verified(&Findings::default());
    let bypass = Bypass { port: 8091, message: String::new() };
    metrics.verified(&Findings { bypasses: vec![bypass], ..Findings::default() });
    metrics.encode(State {
        config_is_current: true,
        provider_is_reachable: true,
        keys_are_usable: true,
        upstream_is_trusted: true,
        keys_ages: vec![(ISSUER.into(), Duration::from_mins(1))],
        memories: vec![("tokens", 12), ("users", 3)],
    })
}

/// Families show their members in any order; the buckets of histograms stay in theirs.
fn in_order(text: &str) -> String {
    let mut ordered = String::new();
    for family in text.trim_end_matches("# EOF\n").split("# HELP ").skip(1) {
        let mut lines: Vec<&str> = family.lines().collect();
        let samples =
            lines.iter().skip(1).position(|line| !line.starts_with('#')).map_or(lines.len(), |at| at + 1);
        if !family.contains("_bucket{") {
            lines[samples..].sort_unstable();
        }
        ordered.push_str(&format!("# HELP {}\n", lines.join("\n")));
    }
    ordered + "# EOF\n"
}

#[test]
fn what_is_shown_is_what_others_go_by() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/metrics/sidecar.txt");
    let shown = in_order(&everything_once());
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &shown).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == shown, "tests/metrics/sidecar.txt differs: make gen; it now is:\n{shown}");
}
