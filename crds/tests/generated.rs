//! The committed generated files are what the types say.
#![cfg(feature = "kubernetes")]

use std::{fs, path::Path};

#[test]
fn generated_files_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for file in restward_crds::generate::all().unwrap() {
        let committed = fs::read_to_string(root.join(file.path)).unwrap_or_default();
        assert!(committed == file.content, "{} is out of date: run `make gen`", file.path);
    }
}
