//! No text names a command that does not exist: messages, manifests, scripts and pages are read for the commands that
//! they tell people to run.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use anyhow::{Result, ensure};

/// Subcommands of kubectl and Helm that texts may name.
const KUBECTL: &[&str] = &[
    "annotate",
    "apply",
    "auth",
    "config",
    "create",
    "debug",
    "delete",
    "describe",
    "exec",
    "explain",
    "get",
    "label",
    "logs",
    "patch",
    "port-forward",
    "proxy",
    "restward",
    "rollout",
    "run",
    "scale",
    "version",
    "wait",
];
const HELM: &[&str] = &[
    "history",
    "install",
    "lint",
    "list",
    "rollback",
    "show",
    "status",
    "template",
    "test",
    "uninstall",
    "upgrade",
    "package",
    "pull",
    "push",
    "registry",
];

/// Verbs after the programs' names in sentences that begin with them.
const PROSE: &[&str] = &["answered", "ended", "is", "runs"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every committed text with its name; generated lock files and this list are none.
fn texts() -> Result<Vec<(String, String)>> {
    let listed = Command::new("git").args(["ls-files"]).current_dir(root()).output()?;
    let names = String::from_utf8(listed.stdout)?;
    let texts: Vec<_> = names
        .lines()
        .filter(|name| !name.contains(".lock") && !name.contains("/go.") && !name.ends_with("tests/texts.rs"))
        .filter_map(|name| Some((name.to_owned(), fs::read_to_string(root().join(name)).ok()?)))
        .collect();
    ensure!(texts.len() > 100, "run in a clone: git lists {} texts", texts.len());
    Ok(texts)
}

/// The words that follow `program ` where it stands as a command: at the start of a line, after a quote, a bracket or a
/// colon. In running prose ("kubectl shows") it stands after a word.
fn commands<'a>(text: &'a str, program: &str) -> Vec<&'a str> {
    let call = format!("{program} ");
    text.match_indices(&call)
        .filter(|(at, _)| {
            let before = text[..*at].trim_end_matches(' ').chars().next_back();
            before.is_none_or(|c| "\n`\"'(:$|&/#".contains(c))
        })
        .filter_map(|(at, _)| {
            text[at + call.len()..].split(|c: char| !c.is_ascii_lowercase() && c != '-').next()
        })
        .filter(|word| !word.is_empty())
        .collect()
}

fn make_targets() -> Result<BTreeSet<String>> {
    let makefile = fs::read_to_string(root().join("Makefile"))?;
    let target = |line: &str| line.split_once(':').map(|(name, _)| name.to_owned());
    Ok(makefile.lines().filter(|line| line.contains(": ##")).filter_map(target).collect())
}

#[test]
fn every_command_that_a_text_names_exists() {
    let targets = make_targets().unwrap();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (name, text) in texts().unwrap() {
        for (program, known) in [("kubectl", KUBECTL), ("helm", HELM)] {
            for word in commands(&text, program) {
                seen += 1;
                if !known.contains(&word) && !PROSE.contains(&word) && !word.starts_with('-') {
                    wrong.push(format!("{name}: {program} {word}"));
                }
            }
        }
        for (at, _) in text.match_indices("`make ") {
            let named = text[at + "`make ".len()..].split(['`', ' ']).next().unwrap_or_default();
            seen += 1;
            if !targets.contains(named) {
                wrong.push(format!("{name}: make {named}"));
            }
        }
    }
    assert!(seen > 50, "only {seen} commands were found: the search is broken");
    assert!(wrong.is_empty(), "these commands do not exist:\n{}", wrong.join("\n"));
}

#[test]
fn every_script_that_a_text_names_exists() {
    let mut wrong = Vec::new();
    for (name, text) in
        texts().unwrap().into_iter().filter(|(name, _)| name.contains(".md") || name == "Makefile")
    {
        for (at, _) in text.match_indices("tests/") {
            let path: String =
                text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "/_-.".contains(*c)).collect();
            let begins = at == 0 || text[..at].ends_with(['`', '(', ' ', '\n', '\t', '@']);
            let path = path.trim_end_matches(['.', '/']);
            if begins && !root().join(path).exists() {
                wrong.push(format!("{name}: {path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "these do not exist:\n{}", wrong.join("\n"));
}
