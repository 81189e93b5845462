//! The README says what is: its tables are made from the code.

use std::path::Path;

use clap::CommandFactory as _;
use portcullis::app::keymap;
use portcullis::auth::Policy;
use portcullis::cli::{EXITS, Options};

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("there is a README")
}

/// What stands between `<!-- name -->` and the next heading.
fn section(name: &str) -> String {
    let readme = readme();
    let marker = format!("<!-- {name} -->");
    let (_, rest) = readme.split_once(&marker).unwrap_or_else(|| panic!("README.md has no marker {marker}"));
    rest.split("\n## ").next().unwrap_or_default().trim().to_owned()
}

/// The TOML that stands first behind `<!-- name -->`.
fn block(name: &str) -> String {
    let section = section(name);
    let (_, rest) = section.split_once("```toml\n").expect("a code block");
    rest.split("```").next().unwrap_or_default().to_owned()
}

#[test]
fn the_key_table_is_the_programs() {
    let wanted = keymap::markdown();
    assert_eq!(section("keys"), wanted.trim(), "the table of keys should read:\n\n{wanted}");
}

#[test]
fn the_policy_shown_is_the_one_built_in() {
    let policy = include_str!("../../assets/policy.toml");
    assert_eq!(block("policy"), policy);
}

#[test]
fn every_option_is_told_and_every_option_told_exists() {
    let readme = readme();
    let mut command = Options::command();
    command.build();
    let subcommands: Vec<&clap::Command> = command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
    let all = std::iter::once(&command).chain(subcommands.iter().copied());
    let options: Vec<String> = all
        .flat_map(clap::Command::get_arguments)
        .filter_map(|a| a.get_long())
        .map(|long| format!("--{long}"))
        .collect();
    // A permission goes by its short name.
    let untold = ["--help", "--version", "--permission"];
    for option in options.iter().filter(|option| !untold.contains(&option.as_str())) {
        assert!(readme.contains(&format!("`{option}")), "README.md does not tell of {option}");
    }
    for sub in &subcommands {
        assert!(readme.contains(&format!("| `portcullis {}", sub.get_name())), "{}", sub.get_name());
    }
    for word in readme
        .split(|c: char| !(c.is_ascii_lowercase() || c == '-'))
        .filter(|word| word.starts_with("--") && !word.starts_with("---") && word.len() > 2)
    {
        let known = options.iter().any(|option| option == word) || word == "--release";
        assert!(known, "README.md tells of {word}, which does not exist");
    }
}

#[test]
fn every_place_named_exists() {
    for place in readme().split('`').filter(|word| word.starts_with("src/")) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(place);
        assert!(path.exists(), "{place}");
    }
}

#[test]
fn the_policy_file_it_shows_is_one_and_keeps_its_word() {
    let policy = Policy::parse(&block("policy file")).expect("a policy");
    assert_eq!(policy.lints(), []);
    assert!(policy.grant(&["editor"], policy.tool("read_data").expect("in it")).is_some());
}

#[test]
fn every_exit_code_is_told() {
    for (exit, meaning) in EXITS {
        let row = format!("| {} | {meaning} |", exit as u8);
        assert!(readme().contains(&row), "README.md has no row {row}");
    }
}

/// Each promise of SECURITY.md names the test that holds it: a file, and functions in it.
#[test]
fn every_promise_names_a_test_that_exists() {
    let mut named = 0;
    for line in include_str!("../../SECURITY.md").lines().filter(|line| line.starts_with("| ")) {
        let mut source = String::new();
        for name in line.split('`').skip(1).step_by(2) {
            if std::path::Path::new(name).extension().is_some_and(|extension| extension == "rs") {
                let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
                source = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
            } else if name.contains('_') {
                assert!(
                    source.contains(&format!("fn {name}(")),
                    "SECURITY.md: {name} is not in the file named before it"
                );
                named += 1;
            }
        }
    }
    assert!(named > 25, "{named} tests are named");
}
