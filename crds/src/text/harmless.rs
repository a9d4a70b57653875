//! Texts from elsewhere, for people.

/// Without characters by which a text from elsewhere (a user agent, a claim, a message) could move a terminal's cursor, hide
/// what stands before it, or turn the direction of writing.
pub fn harmless(text: &str) -> String {
    let is_harmful = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_harmful(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_elsewhere_cannot_control_what_shows_them() {
        assert_eq!(harmless("a\u{1b}[31mb\nc"), "a\u{fffd}[31mb\nc");
        assert_eq!(harmless("\u{202e}evil\u{9b}"), "\u{fffd}evil\u{fffd}");
        assert_eq!(harmless("jürgen 李"), "jürgen 李");
    }
}
