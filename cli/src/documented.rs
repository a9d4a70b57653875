//! Each `kubectl restward …` on a page is a command line that the program takes. Only a test.

#[path = "../../tests/src/pages.rs"]
#[allow(dead_code, unreachable_pub, reason = "its home is another crate")]
mod pages;

use clap::{Parser as _, error::ErrorKind};
use pages::Page;

use crate::args::Cli;

const NAME: &str = "kubectl restward ";

/// The command lines in a line of a script or in a span of code, up to whatever ends each for a shell.
fn command_lines(code: &str) -> Vec<Vec<String>> {
    code.match_indices(NAME).map(|(at, _)| words(code.get(at + NAME.len()..).unwrap_or_default())).collect()
}

/// As a shell splits them, as far as pages need it.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::from("kubectl-restward")];
    let (mut word, mut quote) = (String::new(), None);
    for letter in text.chars().chain(['\n']) {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '\'' | '"') => quote = Some(letter),
            (None, ' ' | '\n' | '|' | '>' | '<' | ';' | '&' | ')' | '#') => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                if letter != ' ' {
                    break;
                }
            }
            (_, letter) => word.push(letter),
        }
    }
    words
}

/// In a script, or in running text, where a command may be named without what it needs.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Where {
    Script,
    Text,
}

fn shown(page: &Page) -> Vec<(usize, Where, String)> {
    let mut shown = Vec::new();
    // The reference page shows what the program says of itself.
    for block in page.blocks().into_iter().filter(|block| !block.text.contains("Usage: kubectl restward")) {
        let lines = block.text.replace("\\\n", " ");
        shown.extend(lines.lines().map(|line| (block.line, Where::Script, line.to_owned())));
    }
    let prose = page.prose();
    for (at, (number, line)) in prose.iter().enumerate() {
        // A span may go on in the next line.
        let is_open = line.matches('`').count() % 2 == 1;
        let next = prose.get(at + 1).filter(|_| is_open).map_or("", |(_, next)| next);
        let joined = format!("{line} {next}");
        shown.extend(Page::spans(&joined).0.into_iter().map(|code| (*number, Where::Text, code.to_owned())));
    }
    shown
}

#[test]
fn each_command_line_on_a_page_is_understood() {
    let mut counted = 0;
    for page in pages::all() {
        for (line, place, text) in shown(&page) {
            for words in command_lines(&text) {
                // `…`: something was left out, so that what is there cannot be enough.
                if words.iter().any(|word| word.contains('…') || word.starts_with('[')) {
                    continue;
                }
                counted += 1;
                let Err(error) = Cli::try_parse_from(&words) else { continue };
                let is_named_only = place == Where::Text
                    && matches!(
                        error.kind(),
                        ErrorKind::MissingRequiredArgument
                            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                    );
                assert!(is_named_only, "{}: {words:?}: {error}", page.place(line));
            }
        }
    }
    assert!(counted > 30, "only {counted} were found");
}

#[test]
fn words_are_those_of_a_shell() {
    let lines = command_lines("kubectl restward token get --client-id 'a b' | kubectl restward check # all");
    assert_eq!(
        lines,
        [vec!["kubectl-restward", "token", "get", "--client-id", "a b"], vec!["kubectl-restward", "check"]]
    );
}
