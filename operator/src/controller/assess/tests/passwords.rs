//! The announced end of password logins in status.

use restward_crds::text::Timestamp;

use super::*;

fn said(mode: &str, basic: &str, now: &str) -> Vec<String> {
    let spec = json!({"mode": mode, "tokens": {"audiences": ["wiki"]}, "basicAuth": {"mode": basic, "deprecation": {
        "since": "2026-10-01T00:00:00Z", "sunset": "2026-12-31T00:00:00+01:00",
        "brownOuts": [{"start": "2026-12-01T09:00:00Z", "end": "2026-12-01T10:00:00Z"}],
    }}});
    let at = now.parse::<Timestamp>().unwrap().secs();
    let all = Case::all_is_well();
    let (findings, status) = Case { spec, observed: Observed { at, ..all.observed }, ..all }.assess();
    assert_eq!(findings.last().unwrap().truth, Truth::True, "an advisory is no failure");
    status.advisories
}

#[test]
fn status_says_when_password_logins_end_and_that_they_did() {
    for (now, want) in [
        ("2026-09-01T00:00:00Z", "BasicAuthEnds: password logins end at 2026-12-30T23:00:00Z"),
        (
            "2026-12-01T09:00:00Z",
            "BasicAuthBrownOut: password logins are refused on trial until 2026-12-01T10:00:00Z",
        ),
        ("2026-12-01T10:00:00Z", "BasicAuthEnds: "),
        ("2026-12-30T23:00:00Z", "BasicAuthEnded: password logins are refused since 2026-12-30T23:00:00Z"),
    ] {
        let said = said("Enforce", "Audit", now);
        assert!(matches!(&said[..], [one] if one.starts_with(want)), "{now}: {said:?}");
    }
    for (mode, basic) in [("Enforce", "Deny"), ("Audit", "Allow"), ("Off", "Allow")] {
        assert_eq!(said(mode, basic, "2026-12-31T00:00:00Z"), Vec::<String>::new(), "{mode} {basic}");
    }
}
