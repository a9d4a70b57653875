//! Links in the pages of `docs/reference`.

/// `text` for such a page: the pages that it names by their path in the project, such as `docs/tokens.md`, become links.
pub fn linked(text: &str) -> String {
    let mut parts = text.split("docs/");
    let mut linked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '/' | '-');
        match part.split_once(".md").filter(|(name, _)| name.chars().all(is_name)) {
            Some((name, rest)) => {
                let length = match rest.strip_prefix('#') {
                    Some(anchor) => 1 + anchor.find(|letter| !is_name(letter)).unwrap_or(anchor.len()),
                    None => 0,
                };
                let (anchor, rest) = rest.split_at(length);
                let (folder, name) = match name.strip_prefix("reference/") {
                    Some(beside) => ("", beside),
                    None => ("../", name),
                };
                linked.push_str(&format!("[{name}.md]({folder}{name}.md{anchor}){rest}"));
            }
            None => linked.push_str(&format!("docs/{part}")),
        }
    }
    linked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_pages_become_links() {
        for (text, want) in [
            ("see docs/tokens.md.", "see [tokens.md](../tokens.md)."),
            ("(docs/setup/keycloak.md)", "([setup/keycloak.md](../setup/keycloak.md))"),
            ("docs/identity.md#header, a", "[identity.md](../identity.md#header), a"),
            (
                "docs/reference/paths.md and docs/callers.md",
                "[paths.md](paths.md) and [callers.md](../callers.md)",
            ),
            ("in docs/ and a docs/b c.md", "in docs/ and a docs/b c.md"),
        ] {
            assert_eq!(linked(text), want);
        }
    }
}
