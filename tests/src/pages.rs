//! The project's pages as text: blocks of code, headings, links. It needs nothing but the standard library, so that the tests of
//! other crates include this file and hold what pages show against their own types.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A Markdown file.
#[derive(Debug)]
pub struct Page {
    /// Below the root of the repository.
    pub path: PathBuf,
    /// All of it.
    pub text: String,
}

/// A fenced block.
#[derive(Debug)]
pub struct Block {
    /// The word behind the fence.
    pub language: String,
    /// What is in it, without the fence's indentation.
    pub text: String,
    /// Number of the fence's line.
    pub line: usize,
}

/// The root of the repository, for crates that are folders of it.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap_or_default()
}

/// Every page of the repository.
pub fn all() -> Vec<Page> {
    let root = root();
    let mut folders = vec![root.clone()];
    let mut pages = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            // In `src` are parts of pages that a program puts together.
            let has_none = name == "target" || name == "src" || name == ".git";
            if path.is_dir() && !has_none {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).unwrap_or_default();
                pages.push(Page { path: path.strip_prefix(&root).unwrap_or(&path).to_owned(), text });
            }
        }
    }
    pages.sort_by(|a, b| a.path.cmp(&b.path));
    pages
}

impl Page {
    /// Where a line is, for people.
    pub fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }

    /// The fenced blocks.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut fence: Option<usize> = None;
        for (number, line) in self.text.lines().enumerate() {
            let indentation = line.len() - line.trim_start().len();
            match (fence, line.trim_start().strip_prefix("```")) {
                (None, Some(language)) => {
                    fence = Some(indentation);
                    blocks.push(Block {
                        language: language.trim().into(),
                        text: String::new(),
                        line: number + 1,
                    });
                }
                (Some(_), Some(_)) => fence = None,
                (Some(depth), None) => {
                    if let Some(block) = blocks.last_mut() {
                        block.text.push_str(line.get(depth.min(indentation)..).unwrap_or_default());
                        block.text.push('\n');
                    }
                }
                (None, None) => {}
            }
        }
        blocks
    }

    /// The lines outside of blocks, with their numbers.
    pub fn prose(&self) -> Vec<(usize, &str)> {
        let mut is_inside = false;
        let mut prose = Vec::new();
        for (number, line) in self.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                is_inside = !is_inside;
            } else if !is_inside {
                prose.push((number + 1, line));
            }
        }
        prose
    }

    /// What is between backticks in a line of prose, and what is not.
    pub fn spans(line: &str) -> (Vec<&str>, String) {
        let parts: Vec<&str> = line.split('`').collect();
        let code = parts.iter().skip(1).step_by(2).copied().collect();
        (code, parts.iter().step_by(2).copied().collect::<Vec<_>>().join(""))
    }

    /// The targets of links, with the numbers of their lines.
    pub fn links(&self) -> Vec<(usize, String)> {
        let in_line = |(number, line): (usize, &str)| {
            let (_, text) = Self::spans(line);
            let targets: Vec<String> = text
                .split("](")
                .skip(1)
                .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
                .collect();
            targets.into_iter().map(move |target| (number, target))
        };
        self.prose().into_iter().flat_map(in_line).collect()
    }

    /// The anchors of its headings, as GitHub makes them.
    pub fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        for (_, line) in self.prose() {
            let title = line.trim_start_matches('#');
            if title.len() < line.len() && title.starts_with(' ') {
                let anchor = anchor(title.trim());
                let again = (1..).map(|n| format!("{anchor}-{n}"));
                let free = std::iter::once(anchor.clone()).chain(again).find(|free| !anchors.contains(free));
                anchors.extend(free);
            }
        }
        anchors
    }
}

fn anchor(title: &str) -> String {
    // Of a link the text counts.
    let mut text = String::new();
    let mut rest = title;
    while let Some((before, link)) = rest.split_once("](") {
        text.push_str(before);
        rest = link.split_once(')').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    text.chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
        .flat_map(char::to_lowercase)
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}
