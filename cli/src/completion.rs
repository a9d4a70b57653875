//! `completion`: scripts for shells, and the program by which kubectl completes its plugins.

use std::io;

use clap::{CommandFactory as _, ValueEnum};
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
            let mut answers = completions(&arguments.words);
            answers.push(NO_FILES.into());
            return line(&answers.join("\n")).map(|()| Verdict::Right);
        }
    };
    clap_complete::generate(shell, &mut Cli::command().bin_name(PROGRAM), PROGRAM, &mut io::stdout());
    Ok(Verdict::Right)
}

/// Commands and flags that may stand in place of the last word, each with a tab and what it is for.
fn completions(words: &[String]) -> Vec<String> {
    let (last, before) = words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let mut root = Cli::command();
    root.build();
    let mut command = &root;
    for word in before {
        command = command.find_subcommand(word).unwrap_or(command);
    }
    let with = |name: String, help: Option<&clap::builder::StyledStr>| match help {
        Some(help) => format!("{name}\t{help}"),
        None => name,
    };
    let commands = command.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help");
    let commands = commands.map(|it| with(it.get_name().to_owned(), it.get_about()));
    let flags = command.get_arguments().filter(|it| !it.is_hide_set() && last.starts_with('-'));
    let flags = flags.filter_map(|it| Some(with(format!("--{}", it.get_long()?), it.get_help())));
    commands.chain(flags).filter(|answer| answer.starts_with(last)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let name = |answer: String| answer.split('\t').next().unwrap_or_default().to_owned();
        completions(&words).into_iter().map(name).collect()
    }

    #[test]
    fn kubectl_is_told_commands_and_flags() {
        assert_eq!(names(&["ch"]), ["check"]);
        assert_eq!(names(&["-n", "wiki", "token", ""]), ["get", "decode", "why"]);
        assert!(names(&["token", "why", "--to"]).contains(&"--token-file".to_owned()));
        assert!(names(&["check", "--name"]).contains(&"--namespace".to_owned()), "global flags too");
        assert!(names(&["xyz"]).is_empty());
    }
}
