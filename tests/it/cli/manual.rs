//! Help and man pages are generated from the options, and their examples work.

use std::path::PathBuf;
use std::process::Command;

use clap::{Arg, CommandFactory as _, Parser as _};
use portcullis::cli::{EXITS, FILES, Options, VARIABLES, group};

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
            let mut words = words(line.split(" <").next().and_then(|line| line.split(" >").next()).unwrap_or(line));
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

/// The program and all of its commands.
fn commands() -> Vec<clap::Command> {
    fn collect(command: &clap::Command, all: &mut Vec<clap::Command>) {
        all.push(command.clone());
        command.get_subcommands().for_each(|sub| collect(sub, all));
    }
    let mut program = Options::command().bin_name("portcullis").disable_help_subcommand(true);
    program.build();
    let mut all = Vec::new();
    collect(&program, &mut all);
    all
}

/// The words that run a command: `keys new`.
fn words_of(command: &clap::Command) -> Vec<String> {
    command.get_bin_name().expect("built").split(' ').skip(1).map(str::to_owned).collect()
}

/// The headings of the groups of options in help, in their order.
fn groups(help: &str) -> Vec<&str> {
    let known = |line: &&str| *line == "Options" || group::ALL.contains(line);
    help.lines().filter_map(|line| line.strip_suffix(':')).filter(known).collect()
}

fn help(command: &clap::Command, flag: &str) -> String {
    let words = words_of(command);
    let words: Vec<&str> = words.iter().map(String::as_str).chain([flag]).collect();
    bare(&words).out()
}

#[test]
fn every_option_of_the_program_and_of_all_commands_has_a_group() {
    for command in commands() {
        for option in command.get_arguments().filter(|option| !option.is_positional()) {
            let is_general = option.is_global_set() || command.get_bin_name() == Some("portcullis");
            let named = option.get_help_heading();
            // A command's own options may be without a heading; clap calls their group Options.
            assert!(named.map_or(!is_general, |name| group::ALL.contains(&name)), "{}: {option}", command.get_name());
        }
    }
}

#[test]
fn help_begins_with_the_commands_own_options_and_then_the_general_ones() {
    for command in commands() {
        let full = help(&command, "--help");
        let found = groups(&full);
        let own: Vec<&str> = found.iter().copied().take_while(|name| *name != group::GENERAL).collect();
        let is_own = |option: &&Arg| !option.is_global_set() && !option.is_positional();
        let wanted: Vec<&str> = match command.get_bin_name() {
            Some("portcullis") => vec![],
            _ => command
                .get_arguments()
                .filter(is_own)
                .map(|option| option.get_help_heading().unwrap_or("Options"))
                .collect(),
        };
        let name = command.get_name();
        assert!(found.contains(&group::GENERAL), "{name}: {full}");
        assert!(
            own.iter().all(|name| wanted.contains(name)) && wanted.iter().all(|name| own.contains(name)),
            "{name}: {found:?}"
        );
        // Each group is shown once.
        let mut once = found.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), found.len(), "{name}: {found:?}");
    }
    assert_eq!(groups(&bare(&["--help"]).out()).first(), Some(&group::GENERAL));
}

#[test]
fn the_summary_has_only_a_commands_own_options_and_the_general_ones() {
    for command in commands() {
        let (summary, full) = (help(&command, "-h"), help(&command, "--help"));
        let found = groups(&summary);
        for hidden in [group::KEYS, group::TIME, group::ISSUER] {
            assert!(!found.contains(&hidden) && groups(&full).contains(&hidden), "{}: {found:?}", command.get_name());
        }
        assert!(found.contains(&group::GENERAL));
        for option in command.get_arguments().filter_map(Arg::get_long) {
            assert!(full.contains(&format!("--{option}")), "{}: --{option}", command.get_name());
        }
    }
    let serve = bare(&["serve", "-h"]).out();
    assert!(serve.contains("--rate") && !serve.contains("--jwks"), "{serve}");
}

#[test]
fn help_fits_into_80_columns() {
    for command in commands() {
        let words = words_of(&command);
        for flag in ["-h", "--help"] {
            let words: Vec<&str> = words.iter().map(String::as_str).chain([flag]).collect();
            let help = bare(&words).env("COLUMNS", "80").out();
            // Examples are lines to copy, so they are not broken where they would be other commands.
            let (help, _) = help.split_once("Examples:").expect("every command has examples");
            for line in
                help.lines().filter(|line| !line.trim_start().starts_with("portcullis ") && !line.starts_with("Usage:"))
            {
                assert!(line.chars().count() <= 80, "{words:?}: {line}");
            }
        }
    }
}

#[test]
fn help_is_printed_to_standard_output_with_environment_and_exit_codes() {
    let help = portcullis(&["--help"]).out();
    for text in ["issue", "inspect", "PORTCULLIS_TOKEN", "NO_COLOR", "3  unauthorized", "hex:"] {
        assert!(help.contains(text), "{text}: {help}");
    }
}

/// Writes all man pages; returns their paths and contents.
fn pages(folder: &Folder) -> Vec<(PathBuf, String)> {
    let dir = folder.path("man1");
    bare(&["man", "--dir", dir.to_str().expect("UTF-8")]).env("SOURCE_DATE_EPOCH", "86400").out();
    let files = std::fs::read_dir(dir).expect("a directory").flatten().map(|entry| entry.path());
    files.map(|path| (path.clone(), std::fs::read_to_string(path).expect("a page"))).collect()
}

/// A section of a page, without escape sequences.
fn section(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!(".SH {name}\n")).unwrap_or_else(|| panic!("no {name}: {page}"));
    let text = rest.split("\n.SH ").next().unwrap_or_default();
    ["\\%", "\\fB", "\\fI", "\\fR", "\\"]
        .iter()
        .fold(text.replace("\\(ti", "~"), |text, escape| text.replace(escape, ""))
}

#[test]
fn every_command_has_a_man_page_with_all_sections_in_order() {
    let folder = Folder::new();
    let pages = pages(&folder);
    let names: Vec<String> =
        commands().iter().map(|command| command.get_bin_name().expect("built").replace(' ', "-")).collect();
    assert_eq!(pages.len(), names.len());
    for name in &names {
        let file = format!("{name}.1");
        let (_, page) = pages.iter().find(|(path, _)| path.ends_with(&file)).unwrap_or_else(|| panic!("no {file}"));
        assert!(page.contains(&format!(".TH {} 1 1970-01-02 ", name.to_uppercase())), "{page}");
        let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        let wanted = [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "COMMANDS",
            "OPTIONS",
            "CONFIGURATION",
            "POLICY",
            "\"SECRETS AND DURATIONS\"",
            "\"EXIT STATUS\"",
            "ENVIRONMENT",
            "FILES",
            "EXAMPLES",
            "\"SEE ALSO\"",
        ];
        let has_commands = ["portcullis", "portcullis-keys", "portcullis-policy"].contains(&&**name);
        let is_there = |heading: &&str| match *heading {
            "COMMANDS" => has_commands,
            "CONFIGURATION" | "POLICY" | "\"SECRETS AND DURATIONS\"" => name == "portcullis",
            _ => true,
        };
        let wanted: Vec<&str> = wanted.into_iter().filter(is_there).collect();
        assert_eq!(headings, wanted, "{name}");
        let others = section(page, "\"SEE ALSO\"");
        for other in names.iter().filter(|other| *other != name) {
            assert!(others.contains(&format!("{other}(1)")), "{name}: {other}: {others}");
        }
        let (status, files) = (section(page, "\"EXIT STATUS\""), section(page, "FILES").replace('\n', " "));
        for (exit, meaning) in EXITS {
            assert!(status.contains(&format!(".TP\n{}\n{meaning}\n", exit as u8)), "{name}: {meaning}");
        }
        assert!(FILES.iter().all(|file| files.contains(file.place)), "{name}: {files}");
        assert!(section(page, "ENVIRONMENT").contains("PORTCULLIS_SECRET"), "{name}");
        assert!(section(page, "EXAMPLES").contains(".EX\n"), "{name}");
    }
}

#[test]
fn a_date_that_is_no_number_of_seconds_is_a_usage_error() {
    let ran = bare(&["man"]).env("SOURCE_DATE_EPOCH", "yesterday").run();
    assert_eq!((ran.exit, ran.out.as_str()), (2, ""));
    assert_eq!(ran.err, "portcullis: SOURCE_DATE_EPOCH is yesterday, expected seconds since 1970\n");
}

#[test]
fn the_main_page_is_printed_and_names_every_option_and_every_variable() {
    let page = bare(&["man"]).out();
    let variables = section(&page, "ENVIRONMENT");
    for name in VARIABLES.iter().flat_map(|row| row.names) {
        let is_named = |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == *name);
        assert!(is_named(&variables), "{name}: {variables}");
    }
    let options = section(&page, "OPTIONS");
    for option in commands()[0].get_arguments().filter_map(Arg::get_long) {
        assert!(options.contains(&format!("--{option}")), "--{option}");
    }
    let check = Folder::new();
    let (_, check) = pages(&check).into_iter().find(|(path, _)| path.ends_with("portcullis-check.1")).expect("a page");
    let options = section(&check, "OPTIONS");
    let places = ["[TOKEN] TOOL", "--no-token", "General options", "--policy", "Keys and tokens", "--audience"]
        .map(|text| options.find(text).unwrap_or_else(|| panic!("{text}: {options}")));
    assert!(places.is_sorted(), "{options}");
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn man_pages_are_formatted_without_warnings() {
    let folder = Folder::new();
    let pages = pages(&folder);
    for (path, page) in &pages {
        assert!(page.is_ascii(), "{}", path.display());
        // A term and a line of an example cannot be broken.
        let (mut before, mut is_example) = ("", false);
        for line in page.lines() {
            is_example = line == ".EX" || (is_example && line != ".EE");
            let fits = line.len() <= 80 || !line.contains(' ') || before == ".TP" || is_example;
            assert!(fits, "{}: {line}", path.display());
            before = line;
        }
    }
    for (program, arguments) in [("mandoc", &["-T", "lint"][..]), ("groff", &["-man", "-ww", "-z"])] {
        for (path, _) in &pages {
            let Ok(output) = Command::new(program).args(arguments).arg(path).output() else {
                eprintln!("SKIPPED: {program} is not installed");
                break;
            };
            let warnings =
                String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            assert_eq!(warnings, "", "{program}");
        }
    }
}
