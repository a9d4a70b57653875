//! Uses of break-glass in status.

use super::*;

/// Advisories at this time, of a use at noon.
fn said(now: &str) -> Vec<String> {
    let used = json!({
        "time": "2026-03-01T12:00:00Z", "what": "KeysExposed", "operation": "CREATE", "object": "Pod thief",
    });
    let at = now.parse::<k8s_openapi::jiff::Timestamp>().unwrap().as_second();
    let all = Case::all_is_well();
    let case = Case {
        spec: json!({"tokens": {"audiences": ["wiki"]}}),
        observed: Observed { at, ..all.observed },
        break_glass: serde_json::from_value(used).unwrap(),
        ..all
    };
    let (findings, status) = case.assess();
    assert_eq!(findings.last().unwrap().truth, Truth::True, "an advisory is no failure");
    assert_eq!(status.break_glass, None, "what saw the use writes it");
    status.advisories
}

#[test]
fn a_use_of_break_glass_is_told_for_a_day() {
    for (now, is_told) in
        [("2026-03-01T12:00:00Z", true), ("2026-03-02T11:59:59Z", true), ("2026-03-02T12:00:00Z", false)]
    {
        let said = said(now);
        let want = "BreakGlass: at 2026-03-01T12:00:00Z a member of the chart's breakGlass.groups gave another container than \
                    the sidecar the keys (CREATE of Pod thief). ";
        assert_eq!(matches!(&said[..], [one] if one.starts_with(want)), is_told, "{now}: {said:?}");
    }
}
