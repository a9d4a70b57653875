//! Secrets and tokens from outside: from a file, a variable or standard input. Never from the command line, which every process of
//! the machine can read.

use std::{
    io::{self, IsTerminal as _, Read as _},
    path::Path,
};

use crate::{failure::Failure, output::progress};

/// More is no token.
const MAX: u64 = 64 * 1024;
/// Standard input, as a file's name.
const STDIN: &str = "-";

/// One word, from this file (`-` is standard input).
pub(crate) fn read(what: &str, file: &Path) -> Result<String, Failure> {
    word(what, &all(what, file)?)
}

/// One line, as it is: passwords may have blanks.
pub(crate) fn read_line(what: &str, file: &Path) -> Result<String, Failure> {
    let text = all(what, file)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() || line.chars().any(char::is_control) {
        return Err(Failure::new(
            format!("read {what}"),
            "it is not one line",
            "give it alone, and nothing around it",
        ));
    }
    Ok(line.to_owned())
}

fn all(what: &str, file: &Path) -> Result<String, Failure> {
    let unread = |error: io::Error| {
        Failure::new(format!("read {what}"), error, "name a file that can be read, or - for standard input")
    };
    let mut text = String::new();
    if file == Path::new(STDIN) {
        if io::stdin().is_terminal() {
            progress(&format!("{what}, then Ctrl-D:"));
        }
        io::stdin().take(MAX).read_to_string(&mut text).map_err(unread)?;
    } else {
        std::fs::File::open(file).map_err(unread)?.take(MAX).read_to_string(&mut text).map_err(unread)?;
    }
    Ok(text)
}

/// One word, from this file, else from this variable.
pub(crate) fn read_or(what: &str, file: Option<&Path>, variable: &str) -> Result<Option<String>, Failure> {
    match (file, std::env::var(variable)) {
        (Some(file), _) => read(what, file).map(Some),
        (None, Ok(text)) if !text.is_empty() => word(what, &text).map(Some),
        (None, _) => Ok(None),
    }
}

/// Says nothing of what was read.
fn word(what: &str, text: &str) -> Result<String, Failure> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::new(
            format!("read {what}"),
            "nothing was there",
            "give it by a file or standard input",
        ));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Failure::new(
            format!("read {what}"),
            "it is more than one word",
            "give it alone, and nothing around it",
        ));
    }
    Ok(text.to_owned())
}

/// Asks on the terminal. Without one the answer is no.
pub(crate) fn agrees(question: &str) -> bool {
    if !io::stdin().is_terminal() {
        progress(&format!("{question} Not asked, as there is no terminal: --yes says so beforehand."));
        return false;
    }
    progress(&format!("{question} [y/N]"));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_word_and_not_repeated_in_errors() {
        assert_eq!(word("the token", " abc\n").unwrap(), "abc");
        for text in ["", " \n", "secret one", "secret\u{0}"] {
            let error = word("the token", text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_password_is_a_line_as_it_is() {
        let file = std::env::temp_dir().join(format!("restward-line-{}", std::process::id()));
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read_line("the password", &file)
        };
        assert_eq!(read(" two words \r\n").unwrap(), " two words ");
        assert_eq!(read("no end").unwrap(), "no end");
        for text in ["", "\n", "secret\nmore\n", "secret\u{0}"] {
            let error = read(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn a_file_goes_before_the_variable() {
        let file = std::env::temp_dir().join(format!("restward-input-{}", std::process::id()));
        std::fs::write(&file, "from-file\n").unwrap();
        // PATH is set in every test.
        assert_eq!(read_or("it", Some(&file), "PATH").unwrap().as_deref(), Some("from-file"));
        std::fs::remove_file(&file).unwrap();
        assert!(read_or("it", Some(&file), "PATH").is_err());
        assert_eq!(read_or("it", None, "RESTWARD_NOBODY_SETS_THIS").unwrap(), None);
    }
}
