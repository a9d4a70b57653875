//! `completion`: scripts for shells, and the program by which kubectl completes its plugins.

use std::io;

use clap::{Arg, Command, CommandFactory as _, ValueEnum, ValueHint, builder::StyledStr};
use clap_complete::Shell;

use crate::{
    args::Cli,
    failure::{Failure, Verdict},
    output::line,
};

/// The name of the program.
const PROGRAM: &str = "kubectl-restward";
/// kubectl runs the program `kubectl_complete-restward` with the words so far (kubernetes.io, "Extend kubectl with plugins").
const FOR_KUBECTL: &str = "#!/bin/sh\nexec kubectl-restward completion words -- \"$@\"\n";
/// Of kubectl's protocol: complete no file names.
const NO_FILES: &str = ":4";
/// Of kubectl's protocol: complete file names where there is no other answer.
const FILES: &str = ":0";

/// Write a script that completes the command line, for a shell or for kubectl.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "For `kubectl restward` put the output of `completion kubectl` into an executable file kubectl_complete-restward in PATH; for \
                        `kubectl-restward` source that of your shell."
)]
pub(crate) struct Arguments {
    /// For whom
    #[arg(value_enum)]
    whom: Whom,
    /// The words so far, of which the last is to be completed
    #[arg(last = true, hide = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Whom {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
    /// The program kubectl_complete-restward
    Kubectl,
    /// What kubectl asks that program
    #[value(hide = true)]
    Words,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let shell = match arguments.whom {
        Whom::Bash => Shell::Bash,
        Whom::Elvish => Shell::Elvish,
        Whom::Fish => Shell::Fish,
        Whom::Powershell => Shell::PowerShell,
        Whom::Zsh => Shell::Zsh,
        Whom::Kubectl => return line(FOR_KUBECTL).map(|()| Verdict::Right),
        Whom::Words => {
            let (mut answers, files) = completions(&arguments.words);
            answers.push(files.into());
            return line(&answers.join("\n")).map(|()| Verdict::Right);
        }
    };
    clap_complete::generate(shell, &mut Cli::command().bin_name(PROGRAM), PROGRAM, &mut io::stdout());
    Ok(Verdict::Right)
}

/// What may stand in place of the last word, each with a tab and what it is for; and whether names of files may.
fn completions(words: &[String]) -> (Vec<String>, &'static str) {
    let (last, before) = words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let mut root = Cli::command();
    root.build();
    let (mut command, mut option) = (&root, None);
    for word in before {
        if option.take().is_none() {
            option = option_with_value(command, word);
            command = command.find_subcommand(word).unwrap_or(command);
        }
    }
    match (option, last.split_once('=')) {
        (Some(option), _) => values(option, last),
        (None, Some((name, value))) => {
            option_with_value(command, name).map_or((Vec::new(), NO_FILES), |option| values(option, value))
        }
        (None, None) => (commands_and_flags(command, last), NO_FILES),
    }
}

/// The option whose value comes after `word`.
fn option_with_value<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let is_word = |it: &&Arg| match word.strip_prefix("--") {
        Some(long) => it.get_long() == Some(long),
        None => {
            it.get_short().is_some_and(|short| word.strip_prefix('-') == Some(short.to_string().as_str()))
        }
    };
    command.get_opts().find(is_word)
}

/// The values of `option` that begin like `part`.
fn values(option: &Arg, part: &str) -> (Vec<String>, &'static str) {
    let is_path = matches!(
        option.get_value_hint(),
        ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath | ValueHint::ExecutablePath
    );
    let known = option.get_possible_values().into_iter().filter(|it| !it.is_hide_set());
    let answers = known.map(|it| answer(it.get_name().to_owned(), it.get_help()));
    (answers.filter(|answer| answer.starts_with(part)).collect(), if is_path { FILES } else { NO_FILES })
}

fn commands_and_flags(command: &Command, part: &str) -> Vec<String> {
    let commands = command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help");
    let commands = commands.map(|it| answer(it.get_name().to_owned(), it.get_about()));
    let flags = command.get_arguments().filter(|it| !it.is_hide_set() && part.starts_with('-'));
    let flags = flags.filter_map(|it| Some(answer(format!("--{}", it.get_long()?), it.get_help())));
    commands.chain(flags).filter(|answer| answer.starts_with(part)).collect()
}

fn answer(name: String, help: Option<&StyledStr>) -> String {
    match help {
        Some(help) => format!("{name}\t{help}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed(line: &[&str]) -> (Vec<String>, &'static str) {
        let words: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        let name = |answer: String| answer.split('\t').next().unwrap_or_default().to_owned();
        let (answers, files) = completions(&words);
        (answers.into_iter().map(name).collect(), files)
    }

    fn names(line: &[&str]) -> Vec<String> {
        let (names, files) = completed(line);
        assert_eq!(files, NO_FILES, "{line:?}");
        names
    }

    #[test]
    fn kubectl_is_told_commands_and_flags() {
        assert_eq!(names(&["ch"]), ["check"]);
        assert_eq!(names(&["-n", "wiki", "token", ""]), ["get", "decode", "why"]);
        assert!(names(&["token", "why", "--to"]).contains(&"--token-file".to_owned()));
        assert!(names(&["check", "--name"]).contains(&"--namespace".to_owned()), "global flags too");
        assert!(names(&["xyz"]).is_empty());
    }

    #[test]
    fn values_of_options_are_completed_whatever_stands_around_them() {
        for line in [
            &["check", "-o", ""][..],
            &["check", "--output", ""],
            &["check", "--output="],
            &["token", "decode", "--token-file", "check", "-o", ""],
        ] {
            assert_eq!(names(line), ["table", "json", "yaml"], "{line:?}");
        }
        assert_eq!(names(&["basic-report", "-o", "c"]), ["csv"], "each command has its own");
        assert!(names(&["check", "-n", ""]).is_empty() && names(&["check", "--xyz="]).is_empty());
        assert_eq!(names(&["-n", "check", "tok"]), ["token"], "a value is no command");
    }

    #[test]
    fn files_are_completed_where_an_option_names_one_and_nowhere_else() {
        let none = Vec::<String>::new();
        for line in [
            &["token", "why", "--token-file", ""][..],
            &["token", "why", "--token-file=tok"],
            &["--kubeconfig", "./"],
            &["support-bundle", "--directory", ""],
            &["verify", "--session-file", "x"],
        ] {
            assert_eq!(completed(line), (none.clone(), FILES), "{line:?}");
        }
        for line in [&["token", "why", "--token-file", "a", ""][..], &["check", "--context", ""]] {
            assert_eq!(completed(line).1, NO_FILES, "{line:?}");
        }
    }

    #[test]
    fn every_option_that_takes_a_file_says_so() {
        fn look(command: &Command) {
            for option in command.get_opts() {
                let is_named = option
                    .get_value_names()
                    .unwrap_or_default()
                    .iter()
                    .any(|it| matches!(it.as_str(), "FILE" | "DIRECTORY"));
                assert_eq!(values(option, "").1 == FILES, is_named, "{} {option}", command.get_name());
            }
            command.get_subcommands().for_each(look);
        }
        let mut root = Cli::command();
        root.build();
        look(&root);
    }
}
