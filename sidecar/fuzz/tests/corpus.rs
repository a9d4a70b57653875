//! Every file of the committed corpora, and each with every single byte cut off or changed.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on should fail where it stands"
)]

use std::path::Path;

use restward_fuzz as fuzz;

/// Longest input of which every byte is changed.
const SMALL: usize = 2_000;

fn replay(name: &str, least: usize, check: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        eprintln!("{}", path.display());
        check(&data);
        count += 1;
        if data.len() > SMALL {
            continue;
        }
        for position in 0..data.len() {
            check(&data[..position]);
            for byte in [0, b'/', b'%', b';', b'.', b'&', b'A', b'"', 0xff] {
                let mut changed = data.clone();
                changed[position] = byte;
                check(&changed);
            }
        }
    }
    assert!(count >= least, "{count} files of {name}");
}

#[test]
fn token() {
    replay("token", 10, fuzz::token::check);
    for token in fuzz::token::signed() {
        fuzz::token::check(token.as_bytes());
    }
}

#[test]
fn headers() {
    replay("headers", 10, fuzz::headers::check);
}

#[test]
fn target() {
    replay("target", 10, fuzz::target::check);
}

#[test]
fn form() {
    replay("form", 10, fuzz::form::check);
}

#[test]
fn config() {
    replay("config", 4, fuzz::config::check);
}
