//! Help, completions and man pages are generated from the options, and their examples work.

use std::process::{Command, Stdio};

use clap::{CommandFactory as _, Parser as _};
use portcullis::cli::Options;
use rstest::rstest;

use super::{Folder, bare, portcullis};

#[test]
fn every_command_has_a_valid_example() {
    let mut command = Options::command();
    command.build();
    let mut all: Vec<clap::Command> = command.get_subcommands().cloned().collect();
    let parents = command.get_subcommands().filter(|sub| sub.get_name() != "help");
    all.extend(parents.flat_map(clap::Command::get_subcommands).cloned());
    for sub in all.iter_mut().filter(|sub| sub.get_name() != "help") {
        let help = sub.render_long_help().to_string();
        let (_, examples) =
            help.split_once("Examples:\n").unwrap_or_else(|| panic!("{} has no example", sub.get_name()));
        for line in examples.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = words(line.split(" <").next().unwrap_or(line));
            // A variable set only for this command.
            words.retain(|word| !word.starts_with("PORTCULLIS_TOKEN="));
            let parsed = Options::try_parse_from(&words);
            assert!(parsed.is_ok_and(|options| options.command.is_some()), "{line}");
        }
    }
}

/// Splits a line into words, with quotes as in a shell.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (' ', None) => words.push(String::new()),
            (c, _) => words.last_mut().expect("at least one word").push(c),
        }
    }
    words
}

#[rstest]
#[case("bash")]
#[case("zsh")]
#[case("fish")]
#[case("powershell")]
#[case("elvish")]
fn there_are_completions_for_every_shell(#[case] shell: &str) {
    let script = bare(&["completions", shell]).out();
    for command in Options::command().get_subcommands().map(clap::Command::get_name) {
        assert!(script.contains(command), "{shell}: {command}");
    }
    if shell == "bash" {
        let mut child = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().expect("bash");
        std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), script.as_bytes())
            .expect("bash reads the script");
        assert!(child.wait().expect("bash exits").success());
    }
}

#[test]
fn there_is_a_man_page_for_every_command() {
    let page = bare(&["man"]).out();
    assert!(page.contains(".TH") && page.contains("PORTCULLIS_SECRET"), "{page}");
    let folder = Folder::new();
    let dir = folder.path("");
    bare(&["man", "--dir", dir.to_str().expect("UTF-8")]).out();
    let command = Options::command();
    let pages = command.get_subcommands().map(|sub| format!("portcullis-{}.1", sub.get_name()));
    for name in pages.chain(["portcullis.1".to_owned()]) {
        let page = std::fs::read_to_string(dir.join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(page.contains(".TH"), "{name}");
    }
}

#[test]
fn help_is_printed_to_standard_output_with_the_exit_codes() {
    let help = portcullis(&["--help"]).out();
    for text in ["issue", "inspect", "PORTCULLIS_TOKEN", "3  unauthorized", "hex:"] {
        assert!(help.contains(text), "{text}: {help}");
    }
}
