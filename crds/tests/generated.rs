//! The committed generated files are what the types say.
#![cfg(feature = "kubernetes")]

use std::{fs, path::Path};

use restward_crds::reason::Reason;

#[test]
fn generated_files_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for file in restward_crds::generate::all().unwrap() {
        let committed = fs::read_to_string(root.join(file.path)).unwrap_or_default();
        assert!(committed == file.content, "{} is out of date: run `make gen`", file.path);
    }
}

/// Prometheus knows the sidecar's own 5xx by their reasons.
#[test]
fn alert_and_dashboard_of_server_errors_name_each_reason_with_such_a_status() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let codes: Vec<&str> =
        Reason::ALL.iter().filter(|reason| reason.status() >= 500).map(|reason| reason.code()).collect();
    let codes = codes.join("|");
    for (file, wanted) in [
        ("alerts.yaml", format!("reason=~\"{codes}\"")),
        ("dashboard.json", format!("reason=~\\\"{codes}\\\"")),
    ] {
        let text = fs::read_to_string(root.join("charts/restward/files").join(file)).unwrap();
        let selectors = text.matches("|keys_unavailable|").count();
        assert_eq!(text.matches(&wanted).count(), selectors.max(1), "{file} needs {wanted}");
    }
}
