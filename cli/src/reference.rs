//! The page about the command line: a preface, and the reference from clap. Only a test uses it: `UPDATE_GOLDEN=1` writes the page.

use std::{env, fs, path::Path};

use clap::{Command, CommandFactory as _};

use crate::args::Cli;

const PREFACE: &str = include_str!("reference/preface.md");

fn page() -> String {
    let mut root = Cli::command().term_width(100).disable_help_subcommand(true);
    root.build();
    let mut page = PREFACE.to_owned();
    section(&mut root, &mut page);
    page
}

fn section(command: &mut Command, page: &mut String) {
    let name = command.get_bin_name().unwrap_or_default().to_owned();
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    page.push_str(&format!("\n## {name}\n\n```\n{}\n```\n", help.join("\n").trim_end()));
    for below in command.get_subcommands_mut().filter(|below| below.get_name() != "help") {
        section(below, page);
    }
}

#[test]
fn the_reference_page_is_what_the_program_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, page()).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == page(), "docs/cli.md differs; UPDATE_GOLDEN=1 writes it anew");
}
