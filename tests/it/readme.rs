//! README and docs are up to date: their tables match the code, and their links lead somewhere.

use std::path::Path;

use clap::CommandFactory as _;
use portcullis::app::keymap;
use portcullis::auth::Policy;
use portcullis::cli::{EXITS, Options};

use crate::documented::pages;
use crate::project::{files, root};

/// All pages in one text.
fn manual() -> String {
    pages().into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n## \n")
}

/// The text between `<!-- name -->` and the next heading.
fn section(name: &str) -> String {
    let readme = manual();
    let marker = format!("<!-- {name} -->");
    let (_, rest) = readme.split_once(&marker).unwrap_or_else(|| panic!("docs: missing marker {marker}"));
    rest.split("\n## ").next().unwrap_or_default().trim().to_owned()
}

/// The first TOML block after `<!-- name -->`.
fn block(name: &str) -> String {
    let section = section(name);
    let (_, rest) = section.split_once("```toml\n").expect("a code block");
    rest.split("```").next().unwrap_or_default().to_owned()
}

#[test]
fn the_key_table_matches_the_key_map() {
    let wanted = keymap::markdown();
    assert_eq!(section("keys"), wanted.trim(), "the table of keys must be:\n\n{wanted}");
}

#[test]
fn the_table_of_shapes_matches_the_code() {
    let wanted = portcullis::observe::denial::markdown();
    let shown = section("shapes");
    assert!(shown.contains(wanted.trim()), "the table of shapes must be:\n\n{wanted}");
}

#[test]
fn the_policy_shown_is_the_built_in_one() {
    let policy = include_str!("../../assets/policy.toml");
    assert_eq!(block("policy"), policy);
}

/// Options of other programs in the docs: cargo, kubectl and gcloud.
const OF_OTHERS: [&str; 12] = [
    "--release",
    "--locked",
    "--all-targets",
    "--path",
    "--example",
    "--profile",
    "--no-default-features",
    "--raw",
    "--namespace",
    "--impersonate-service-account",
    "--audiences",
    "--include-email",
];

#[test]
fn every_option_is_documented_and_every_documented_option_exists() {
    let is_for_users = |page: &Path| !page.ends_with("architecture.md") && !page.ends_with("SECURITY.md");
    let readme =
        pages().into_iter().filter(|(page, _)| is_for_users(page)).map(|(_, text)| text + "\n").collect::<String>();
    let mut command = Options::command();
    command.build();
    let subcommands: Vec<&clap::Command> = command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
    let nested = subcommands.iter().flat_map(|sub| sub.get_subcommands()).filter(|sub| sub.get_name() != "help");
    let all = std::iter::once(&command).chain(subcommands.iter().copied()).chain(nested);
    let options: Vec<String> = all
        .flat_map(clap::Command::get_arguments)
        .filter_map(|a| a.get_long())
        .map(|long| format!("--{long}"))
        .collect();
    // A permission is listed by its short option.
    let omitted = ["--help", "--version", "--permission"];
    for option in options.iter().filter(|option| !omitted.contains(&option.as_str())) {
        assert!(readme.contains(&format!("`{option}")), "docs do not mention {option}");
    }
    for sub in &subcommands {
        assert!(readme.contains(&format!("| `portcullis {}", sub.get_name())), "{}", sub.get_name());
    }
    for word in readme
        .split(|c: char| !(c.is_ascii_lowercase() || c == '-'))
        .filter(|word| word.starts_with("--") && !word.starts_with("---") && word.len() > 2)
    {
        assert!(options.iter().any(|option| option == word) || OF_OTHERS.contains(&word), "docs mention {word}, which does not exist");
    }
}

#[test]
fn every_path_mentioned_exists() {
    let is_place = |word: &&str| word.starts_with("src/") && !word.contains("NAME");
    for place in manual().split('`').filter(is_place) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(place);
        assert!(path.exists(), "{place}");
    }
}

#[test]
fn the_policy_file_shown_is_valid_and_meets_its_expectations() {
    let policy = Policy::parse(&block("policy file")).expect("a policy");
    assert_eq!(policy.lints(), []);
    assert!(policy.grant(&["editor"], policy.tool("read_data").expect("a tool")).is_some());
}

#[test]
fn every_exit_code_is_documented() {
    for (exit, meaning) in EXITS {
        let row = format!("| {} | {meaning} |", exit as u8);
        assert!(manual().contains(&row), "docs: missing row {row}");
    }
}

/// Each promise of SECURITY.md names the test that checks it: a file and functions in it.
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
                    "SECURITY.md: {name} is missing in the file named before it"
                );
                named += 1;
            }
        }
    }
    assert!(named > 25, "only {named} tests are named");
}

/// The table after a marker.
fn table(name: &str) -> String {
    let readme = manual();
    let marker = format!("<!-- {name} -->\n");
    let (_, rest) = readme.split_once(&marker).unwrap_or_else(|| panic!("docs: missing marker {marker}"));
    rest.split("\n\n").next().unwrap_or_default().trim().to_owned()
}

#[test]
fn the_presets_are_shown_as_they_are() {
    let wanted = portcullis::auth::mapping::presets_markdown();
    assert_eq!(table("presets"), wanted.trim(), "the table of presets must match the code:\n{wanted}");
}

#[test]
fn every_key_of_an_issuer_is_documented() {
    let wanted = portcullis::config::issuer_keys_markdown();
    assert_eq!(table("issuer keys"), wanted.trim(), "the table of [[issuers]] must match the code:\n{wanted}");
}

#[test]
fn the_environment_and_the_files_are_documented() {
    let wanted = portcullis::cli::variables_markdown();
    assert_eq!(table("environment"), wanted.trim(), "the table of variables must match the code:\n{wanted}");
    let wanted = portcullis::cli::files_markdown();
    assert_eq!(table("files"), wanted.trim(), "the table of files must match the code:\n{wanted}");
}

#[test]
fn every_environment_variable_that_the_source_reads_is_documented() {
    let known: Vec<&str> = portcullis::cli::VARIABLES.iter().flat_map(|row| row.names).copied().collect();
    let is_name = |word: &str| {
        word.len() > 1 && word.starts_with(|c: char| c.is_ascii_uppercase()) && {
            word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        }
    };
    let mut read = Vec::new();
    for (path, source) in files("src", "rs") {
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        // The files that read the environment, and the constants with the names of variables.
        let reads =
            source.contains("env::var") || source.contains("_VARIABLE: &str = ") || source.contains("VARIABLE: &str");
        // The name of an option's value is no variable, nor is a value of `typ`.
        let mut before = "";
        for (place, word) in source.split('"').enumerate() {
            let is_text = before.ends_with("value_name = ") || word == "JWT";
            before = word;
            if place % 2 == 0 || !reads || !is_name(word) || is_text {
                continue;
            }
            assert!(known.contains(&word), "{}: {word} is not in VARIABLES", path.display());
            read.push(word.to_owned());
        }
    }
    for name in
        ["PORTCULLIS_SECRET", "PORTCULLIS_TOKEN", "PORTCULLIS_CONFIG", "PORTCULLIS_COMPLETE", "NO_COLOR", "TMUX"]
    {
        assert!(read.iter().any(|found| found == name), "the search does not find {name}");
    }
}

#[test]
fn every_member_of_a_test_plan_is_documented() {
    let wanted = portcullis::lab::test_plan::members_markdown();
    assert_eq!(table("plan members"), wanted.trim(), "the table of test plans must match the code:\n{wanted}");
}

#[test]
fn the_test_plan_shown_is_the_example() {
    assert_eq!(block("plan"), include_str!("../../assets/plan.example.toml"));
}

#[test]
fn the_readme_can_be_read_in_a_few_minutes() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("a README");
    assert!(readme.lines().count() <= 150);
}

/// The name of a heading in a link, as the hosts of repositories make it.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut links = 0;
    for (page, text) in pages() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            links += 1;
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().expect("a folder").join(file) };
            assert!(target.exists(), "{}: {link}", page.display());
            if !heading.is_empty() {
                let text = std::fs::read_to_string(&target).expect("a page");
                let mut headings = text.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
                assert!(headings.any(|found| anchor(found) == heading), "{}: {link}", page.display());
            }
        }
    }
    assert!(links > 30, "only {links} links");
}
