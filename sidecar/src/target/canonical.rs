//! Paths as Tomcat reads them (measured on 9.0.98 and 10.1.34): parameters of every segment are cut, escapes are
//! decoded once, doubled slashes and dot segments go. Confluence then forwards `/s/<anything>/_/<path>` to `/<path>`,
//! and a servlet forward decodes once more.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;

/// More readings than this have no honest use.
const MAX_READINGS: usize = 16;

/// Every reading of `raw`, Tomcat's first. `None`: Tomcat answers 400, or other parsers read it differently.
pub(super) fn readings(raw: &str) -> Option<Vec<String>> {
    if is_simple(raw) {
        return Some(vec![raw.to_owned()]);
    }
    all_readings(raw, read(raw)?)
}

/// Whether there is nothing in `raw` that anybody reads in a way of its own: most paths are that, and the rest of this
/// file costs them more than everything else that is decided about them.
fn is_simple(raw: &str) -> bool {
    let mut before = 0;
    let is_plain = raw.bytes().all(|byte| {
        // What a doubled slash, a dot segment and the mark of a rewrite begin with.
        let is_start = before == b'/' && matches!(byte, b'/' | b'.' | b'_');
        before = byte;
        !is_start && (byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~'))
    });
    is_plain && raw.starts_with('/')
}

/// One reading of a path.
struct Reading {
    /// Canonical path.
    path: String,
    /// Decoded and without parameters, but with dot segments and doubled slashes as they were.
    loose: String,
}

/// Reads `raw` as Tomcat does.
fn read(raw: &str) -> Option<Reading> {
    if !raw.bytes().all(|byte| (0x21..0x7f).contains(&byte) && !matches!(byte, b'\\' | b'#' | b'?')) {
        return None;
    }
    let mut loose = String::with_capacity(raw.len());
    for (index, segment) in raw.split('/').enumerate() {
        if index > 0 {
            loose.push('/');
        }
        loose.push_str(&read_segment(segment)?);
    }
    Some(Reading { path: collapse(&loose)?, loose })
}

/// Decodes one segment and cuts its parameters. A dot segment counts only when sent as plain dots.
fn read_segment(raw: &str) -> Option<String> {
    let name = raw.split(';').next().unwrap_or_default();
    if !escapes_are_valid(name) || !escapes_are_valid(raw) {
        return None;
    }
    let decoded = percent_decode_str(name).decode_utf8().ok()?;
    let hidden_separator = decoded.contains(['/', '\\']) || decoded.chars().any(char::is_control);
    let hidden_dots = matches!(&*decoded, "." | "..") && decoded != raw;
    (!hidden_separator && !hidden_dots).then(|| decoded.into_owned())
}

fn escapes_are_valid(text: &str) -> bool {
    text.split('%').skip(1).all(|tail| tail.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2)
}

/// Removes doubled slashes and dot segments; `None` when the path climbs above the root.
fn collapse(path: &str) -> Option<String> {
    let mut kept: Vec<&str> = Vec::new();
    let mut is_directory = true;
    for segment in path.split('/') {
        is_directory = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop()?;
            }
            name => kept.push(name),
        }
    }
    let mut canonical = format!("/{}", kept.join("/"));
    if is_directory && !kept.is_empty() {
        canonical.push('/');
    }
    Some(canonical)
}

/// All readings of `raw`, whose first is `first`. `None` when there are too many.
///
/// Confluence's rewrite rule looks at the path before Tomcat's clean-up, as sent or decoded whole, parameters and all
/// (UrlRewriteFilter does), and what it forwards to is decoded and cleaned again. So whatever follows a `/_/` behind a
/// segment `s` is a reading too, also after another round; and so is the path up to a decoded `;`.
fn all_readings(raw: &str, first: Reading) -> Option<Vec<String>> {
    let mut found = vec![first.path.clone()];
    let mut seen = BTreeSet::from([first.path.clone()]);
    let decoded = percent_decode_str(raw).decode_utf8_lossy().into_owned();
    let mut open: Vec<String> = vec![raw.to_owned(), decoded, first.loose, first.path];
    while let Some(path) = open.pop() {
        for candidate in rewrite_targets(&path).chain(without_decoded_parameters(&path)) {
            let once = collapse(without_query(&candidate));
            let again = forwarded(&candidate);
            for reading in [once, again, Some(candidate)].into_iter().flatten() {
                if seen.insert(reading.clone()) {
                    found.push(reading.clone());
                    open.push(reading);
                }
            }
            if found.len() > MAX_READINGS {
                return None;
            }
        }
    }
    Some(found)
}

/// `path` as Tomcat's forward reads it (measured on 9.0.98): whatever looks like a query is cut, the rest is decoded once
/// more, a backslash is a slash, and dot segments go after that, however they were spelled before. Strict reading is of
/// no use here: what [`read`] would refuse, a forward follows.
fn forwarded(path: &str) -> Option<String> {
    let plain =
        without_decoded_parameters(without_query(path)).unwrap_or_else(|| without_query(path).to_owned());
    let decoded = percent_decode_str(&plain).decode_utf8_lossy();
    collapse(&decoded.replace('\\', "/"))
}

fn without_query(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or_default()
}

/// What `^/s/(.*)/_/(.*)` may forward `path` to, wherever the rule begins to match. Two marks may share a slash.
fn rewrite_targets(path: &str) -> impl Iterator<Item = String> + '_ {
    let start = path.find("/s/").map_or(path.len(), |at| at + 2);
    path.match_indices('/')
        .filter(move |(at, _)| *at >= start)
        .filter_map(move |(at, _)| path.get(at..)?.strip_prefix("/_"))
        .filter(|rest| rest.starts_with('/'))
        .map(str::to_owned)
}

/// `path` as read by somebody who cuts parameters after decoding.
fn without_decoded_parameters(path: &str) -> Option<String> {
    path.contains(';').then(|| {
        path.split('/')
            .map(|segment| segment.split(';').next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("/")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn a_simple_path_is_what_the_long_way_makes_of_it(raw in "(/s/)?[/._;%2fsa~-]{0,8}(/_/)?[/a]{0,3}", slash in any::<bool>()) {
            let raw = if slash { format!("/{raw}") } else { raw };
            if is_simple(&raw) {
                let reading = read(&raw).unwrap();
                prop_assert_eq!(all_readings(&raw, reading), Some(vec![raw]));
            }
        }
    }

    #[test]
    fn what_has_a_second_reading_is_not_simple() {
        for raw in [
            "",
            "a",
            "/a//b",
            "/./a",
            "/../a",
            "/.a",
            "/s/1/_/rest",
            "/_/rest",
            "/a;b",
            "/a%2f",
            "/a b",
            "/a\\b",
            "/\u{e9}",
        ] {
            assert!(!is_simple(raw), "{raw}");
        }
        for raw in ["/", "/a", "/a/", "/rest/api/content/1.2", "/a_b/c-d~e", "/a./b", "/a_/b"] {
            assert!(is_simple(raw), "{raw}");
        }
    }
}
