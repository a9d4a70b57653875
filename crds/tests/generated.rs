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
fn the_alert_of_server_errors_names_each_reason_with_such_a_status() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let alerts = fs::read_to_string(root.join("charts/restward/files/alerts.yaml")).unwrap();
    let codes: Vec<&str> =
        Reason::ALL.iter().filter(|reason| reason.status() >= 500).map(|reason| reason.code()).collect();
    let wanted = format!("reason=~\"{}\"", codes.join("|"));
    assert!(alerts.contains(&wanted), "RestwardServerErrors needs {wanted}");
}
