//! The commands in README and docs work: examples are run and print what the page says, and every other command is
//! accepted by the command line.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::CommandFactory as _;
use portcullis::cli::Options;

use crate::project::{files, root};

/// README, SECURITY and every page of docs, at any depth.
pub fn pages() -> Vec<(PathBuf, String)> {
    let read = |name| (root().join(name), fs::read_to_string(root().join(name)).expect("a page"));
    ["README.md", "SECURITY.md"].map(read).into_iter().chain(files("docs", "md")).collect()
}

/// A block of code: its language, and its text.
struct Block {
    /// Whether the line before it is `<!-- example -->`.
    is_example: bool,
    language: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    let mut before = "";
    while let Some(line) = lines.next() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| !line.trim_start().starts_with("```")).collect();
            let text = text.join("\n") + "\n";
            found.push(Block { is_example: before == "<!-- example -->", language: language.to_owned(), text });
        }
        if !line.trim().is_empty() {
            before = line.trim();
        }
    }
    found
}

/// Runs a script in a folder, in an environment without anything of ours but the program.
fn run(script: &str, folder: &Path, path: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-e", "-c", script]).current_dir(folder).env_clear();
    let done = command.env("PATH", path).env("HOME", folder).output().expect("sh runs");
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{errors}\nof\n{script}");
    String::from_utf8(done.stdout).expect("UTF-8")
}

#[test]
fn the_examples_of_the_pages_print_what_the_pages_say() {
    let program = Path::new(env!("CARGO_BIN_EXE_portcullis")).parent().expect("a folder");
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", program.display());
    let mut examples = 0;
    for (page, text) in pages() {
        let folder = tempfile::tempdir().expect("a folder");
        let blocks = blocks(&text);
        for (at, block) in blocks.iter().enumerate().filter(|(_, block)| block.is_example) {
            let wanted = blocks.get(at + 1).filter(|next| next.language == "text");
            let wanted = wanted.unwrap_or_else(|| panic!("{}: an example without its output", page.display()));
            let shown = run(&block.text, folder.path(), &path);
            assert_eq!(shown, wanted.text, "{} must show this below:\n{}", page.display(), block.text);
            examples += 1;
        }
    }
    assert!(examples >= 14, "only {examples} examples");
}

/// The commands of a block as they are typed: all lines of `sh`, and those after a prompt of `console`.
fn typed(block: &Block) -> Option<String> {
    match &*block.language {
        "sh" => Some(block.text.clone()),
        "console" => {
            let mut goes_on = false;
            let mut script = String::new();
            for line in block.text.lines() {
                if let Some(line) = line.strip_prefix("$ ").or_else(|| goes_on.then_some(line)) {
                    script += line;
                    script.push('\n');
                    goes_on = line.ends_with('\\');
                }
            }
            Some(script)
        }
        _ => None,
    }
}

#[test]
fn the_command_line_accepts_every_command_of_the_pages() {
    // What a page writes before a command runs it; nothing else can be found, so that no other command does anything.
    let before = "#!/bin/sh\nexec \"$@\"\n";
    // It writes its arguments down, separated by NUL, and each command ends with a newline.
    let stub = "#!/bin/sh\n{ printf '%s\\0' portcullis \"$@\"; printf '\\n\\0'; } >> \"$HOME/arguments\"\necho x\n";
    let place = tempfile::tempdir().expect("a folder");
    let bin = place.path().join("bin");
    fs::create_dir(&bin).expect("a folder");
    for (name, text) in [("portcullis", stub), ("sudo", before), ("env", before), ("mkdir", "#!/bin/sh\n")] {
        fs::write(bin.join(name), text).expect("written");
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).expect("executable");
    }
    let mut accepted = 0;
    for (page, text) in pages() {
        for script in blocks(&text).iter().filter_map(typed) {
            let written = place.path().join("arguments");
            let _ = fs::remove_file(&written);
            let outside = script.replace("/dev/null", "");
            assert!(!outside.contains(">/") && !outside.contains("> /"), "{}: {script}", page.display());
            let mut command = Command::new("/bin/sh");
            command.args(["-c", &script]).current_dir(place.path()).env_clear();
            let variables = script.split('$').skip(1).map(|rest| rest.trim_start_matches('{'));
            let names = variables.filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next());
            // Set elsewhere in the page, or by its reader.
            command.envs(names.filter(|name| !name.is_empty()).map(|name| (name, "x")));
            command.env("PATH", &bin).env("HOME", place.path()).output().expect("sh runs");
            let written = fs::read_to_string(written).unwrap_or_default();
            let is_typed = script.lines().any(|line| line.trim_start_matches("sudo ").starts_with("portcullis "));
            assert!(!is_typed || !written.is_empty(), "{}: nothing was run of\n{script}", page.display());
            for arguments in written.split("\n\0").filter(|arguments| !arguments.is_empty()) {
                let arguments: Vec<&str> = arguments.split_terminator('\0').collect();
                let parsed = Options::command().try_get_matches_from(&arguments);
                let refused = parsed.err().filter(clap::Error::use_stderr);
                assert!(refused.is_none(), "{}: {arguments:?}: {}", page.display(), refused.expect("an error"));
                accepted += 1;
            }
        }
    }
    assert!(accepted > 100, "only {accepted} commands");
}
