//! Pages hold together: links lead somewhere, the site has every page, and a status stands beside the reason that it belongs to.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use restward_tests::pages::{self, Page};

/// What a path with `..` in it means.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain
}

#[test]
fn each_link_leads_somewhere() {
    let pages = pages::all();
    let by_path: BTreeMap<&Path, &Page> = pages.iter().map(|page| (page.path.as_path(), page)).collect();
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for page in &pages {
        for (line, link) in page.links() {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            looked_at += 1;
            let (file, anchor) =
                link.split_once('#').map_or((link.as_str(), None), |(file, anchor)| (file, Some(anchor)));
            let folder = page.path.parent().unwrap_or_else(|| Path::new(""));
            let target = if file.is_empty() { page.path.clone() } else { plain(&folder.join(file)) };
            let place = page.place(line);
            match (by_path.get(target.as_path()), anchor) {
                (Some(there), Some(anchor)) if !there.anchors().contains(anchor) => {
                    wrong.push(format!("{place}: {} has no heading #{anchor}", target.display()));
                }
                (None, _) if !pages::root().join(&target).exists() => {
                    wrong.push(format!("{place}: {} does not exist", target.display()));
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(looked_at > 100, "only {looked_at} links were found");
}

#[test]
fn the_site_has_every_page_once() {
    let pages = pages::all();
    let summary = pages.iter().find(|page| page.path == Path::new("docs/SUMMARY.md")).unwrap();
    let listed: Vec<PathBuf> =
        summary.links().into_iter().map(|(_, link)| plain(&Path::new("docs").join(link))).collect();
    let there: BTreeSet<&Path> = pages
        .iter()
        .map(|page| page.path.as_path())
        .filter(|path| path.starts_with("docs") && *path != Path::new("docs/SUMMARY.md"))
        .chain([Path::new("README.md")])
        .collect();
    assert_eq!(listed.iter().map(PathBuf::as_path).collect::<BTreeSet<_>>(), there);
    assert_eq!(listed.len(), there.len(), "docs/SUMMARY.md names a page twice");
}

#[test]
fn each_status_stands_beside_its_own_reason() {
    let pages = pages::all();
    let reasons = pages.iter().find(|page| page.path == Path::new("docs/reference/reasons.md")).unwrap();
    let statuses: BTreeMap<&str, &str> = reasons
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .filter_map(|(reason, rest)| Some((reason, rest.split_once(" |")?.0)))
        .collect();
    assert!(statuses.len() > 40);
    let mut looked_at = 0;
    for page in &pages {
        for (line, text) in page.prose() {
            let parts: Vec<&str> = text.split('`').collect();
            for pair in parts.chunks(2) {
                let [before, reason] = pair else { continue };
                let status = before.trim_end().rsplit([' ', '|', '(']).next().unwrap_or_default();
                let is_error = matches!(status.as_bytes(), [b'4' | b'5', b'0'..=b'9', b'0'..=b'9']);
                if is_error && before.ends_with(' ') {
                    assert_eq!(Some(&status), statuses.get(reason), "{}: {reason}", page.place(line));
                    looked_at += 1;
                }
            }
        }
    }
    assert!(looked_at > 30, "only {looked_at} were found");
}
