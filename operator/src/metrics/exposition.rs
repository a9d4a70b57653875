//! What `/metrics` shows when everything has happened once, as a file: the dashboard, the alerts and the reference page are held
//! against its names and labels. `UPDATE_GOLDEN=1` writes it.

use std::{env, fs, path::Path, time::Duration};

use restward_crds::api::v1alpha1::BreakGlassUse;

use super::*;
use crate::inject::RefusalReason;

fn everything_once() -> String {
    let metrics = Metrics::default();
    let (namespace, policy) = ("atlassian", "wiki");
    for is_good in [true, false] {
        metrics.reconciled(is_good);
    }
    metrics.glass_broken(namespace, policy);
    metrics.without_sidecar(namespace, policy, 1);
    metrics.eviction_tried(namespace, policy, "Evicted");
    metrics.rollout(namespace, policy, "Started");
    for result in ["Started", "Done"] {
        metrics.sidecar_upgrade(namespace, policy, result);
    }
    metrics.sidecars_behind(namespace, policy, 1);
    for certificate in ["webhook", "authority"] {
        metrics.certificate_ends(
            certificate,
            Some(SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365 * 100)),
        );
    }
    metrics.retained(namespace, policy, true);
    metrics.ready(namespace, policy, true);
    metrics.webhook.count("inject", "changed");
    metrics.webhook.count("leave_alone", "not_confluence");
    metrics.webhook.count("refuse", RefusalReason::PortConflict.as_str());
    metrics.webhook.count("refuse_workload", RefusalReason::PortConflict.as_str());
    metrics.webhook.count_use(BreakGlassUse::SidecarMissing);
    metrics.encode().unwrap()
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
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/metrics/operator.txt");
    let shown = in_order(&everything_once());
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &shown).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == shown, "tests/metrics/operator.txt differs: make gen; it now is:\n{shown}");
}
