//! What is written for people and programs: the only place that writes to standard output.

use std::io::{self, Write as _};

use clap::ValueEnum;
use restward_crds::text::harmless;
use serde::Serialize;

use crate::failure::Failure;

/// How a result is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// A result: its members for programs, a text for people.
pub(crate) trait Shown: Serialize {
    fn text(&self) -> String;
}

/// Shows a result.
pub(crate) fn show(format: Format, result: &impl Shown) -> Result<(), Failure> {
    let text = match format {
        Format::Table => harmless(&result.text()),
        Format::Json => serde_json::to_string_pretty(result).map_err(|error| cannot_write(&error))?,
        Format::Yaml => serde_saphyr::to_string(result).map_err(|error| cannot_write(&error))?,
    };
    line(&text)
}

/// Writes a text, and ends its line.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{}", text.trim_end_matches('\n')) {
        // Whoever read it has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| cannot_write(&error)),
    }
}

/// Says how far a command is; apart from its result.
pub(crate) fn progress(text: &str) {
    eprintln!("{}", harmless(text));
}

fn cannot_write(error: &dyn std::error::Error) -> Failure {
    Failure::new("write the result", error, "see that standard output can be written to")
}

/// Rows under a head, in columns as wide as their widest cell.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let one_line = |cell: &str| cell.replace('\n', " ");
    let mut all = vec![head.map(str::to_owned)];
    all.extend(rows.iter().map(|row| row.clone().map(|cell| one_line(&cell))));
    let width = |column: usize| {
        all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let text = all.iter().map(|row| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    text.collect::<Vec<_>>().join("\n")
}

/// Words of a long sentence in lines, each after the first behind `indent` blanks.
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    const WIDTH: usize = 110;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let is_full = lines.last().is_some_and(|line| {
            !line.is_empty() && indent + line.chars().count() + word.chars().count() >= WIDTH
        });
        if is_full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a".into(), "1".into()], ["longer".into(), "2\n3".into()]];
        assert_eq!(table(["NAME", "N"], &rows), "NAME    N\na       1\nlonger  2 3");
    }

    #[test]
    fn long_sentences_are_wrapped_at_words() {
        let text = "word ".repeat(40);
        let wrapped = wrapped(&text, 4);
        assert!(wrapped.lines().all(|line| line.chars().count() <= 110));
        assert!(wrapped.lines().skip(1).all(|line| line.starts_with("    word")));
        assert_eq!(wrapped.split_whitespace().count(), 40);
    }
}
