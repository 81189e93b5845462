//! The program, its help and its documents are written in plain English: phrases that earlier versions translated word for
//! word from another language must not come back.

#![expect(clippy::string_slice, reason = "the sources are cut at places that were found in them")]

use std::path::PathBuf;

use clap::CommandFactory as _;
use portcullis::cli::Options;

use crate::project::{self, root};

/// Phrases that no native speaker writes in a message, and the usual word. A blank at either end is a word boundary.
const PHRASES: [(&str, &str); 33] = [
    (" is no ", "is not a, has no"),
    (" are no ", "are not"),
    (" is none ", "is not one, is missing"),
    (" of none ", "without"),
    (" told ", "shown, reported, given"),
    (" tells ", "shows, reports"),
    (" stands ", "is, is listed, occurs"),
    (" nobody ", "no client, no user; or say what happens instead"),
    (" somebody ", "someone, another user"),
    (" whoever ", "a caller that"),
    (" dies ", "expires"),
    (" dead ", "expired"),
    (" alive ", "valid"),
    (" believed ", "verified"),
    (" lives on ", "is still valid"),
    (" for ever ", "forever; or: never expires"),
    (" counts again ", "restored"),
    (" from then on ", "from that time"),
    (" hurries ", "runs 60x"),
    (" mend ", "fix"),
    (" mends ", "fixes"),
    (" anew ", "again, restarts"),
    (" lies ahead ", "is in the future"),
    (" handed over ", "passed"),
    (" looks after ", "manages"),
    (" kept nowhere ", "not saved"),
    (" anybody ", "anyone"),
    (" in particular ", "say what, or leave it out"),
    (" lie behind ", "is later than"),
    (" lies behind ", "is later than"),
    (" unless told ", "by default"),
    (" one a line ", "one per line"),
    (" the present one ", "the current one"),
];

/// Words in which a phrase of the list is right, and why. They are taken out before the search.
const MEANT: [(&str, &str); 6] = [
    (" no longer ", "plain English"),
    (" there is no ", "plain English"),
    (" there are no ", "plain English"),
    (" alg is none ", "`none` is the name of the algorithm"),
    (" option is none ", "a path in a serde attribute"),
    (" user_id somebody else ", "the name in a test token"),
];

/// The files below a folder, by their paths in the project.
fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let named = |(path, text): (PathBuf, String)| {
        (path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned(), text)
    };
    project::files(folder, extension).into_iter().map(named).collect()
}

/// The string literals of a source file, without its unit tests and comments.
fn literals(source: &str) -> Vec<String> {
    let source = source.split_once("#[cfg(test)]\nmod ").map_or(source, |(program, _)| program);
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let here = &rest[at..];
        let raw = rest[..at].ends_with("r#");
        rest = if here.starts_with("//") {
            here.split_once('\n').map_or("", |(_, rest)| rest)
        } else if here.starts_with("'\"'") || here.starts_with("'\\'") {
            &here[3..]
        } else if !here.starts_with('"') {
            &here[1..]
        } else if raw {
            let (text, rest) = here[1..].split_once("\"#").expect("the end of a raw string");
            found.push(text.to_owned());
            rest
        } else {
            let mut escaped = false;
            let ends = |c: char| {
                let end = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                end
            };
            let end = here[1..].find(ends).expect("the end of a string") + 1;
            // A line that is continued goes on without its indentation.
            let lines = here[1..end].split("\\\n").map(str::trim_start);
            found.push(lines.collect::<Vec<_>>().join(""));
            &here[end + 1..]
        };
    }
    found
}

/// A document without its code: a name in backticks or a block is not a sentence.
fn prose(document: &str) -> String {
    let blocks = document.split("```").step_by(2).collect::<Vec<_>>().join(" ");
    blocks.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// A text as words with single blanks around them, in lower case and without placeholders.
fn words(text: &str) -> String {
    let mut out = String::from(" ");
    let mut depth = 0;
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            c if c.is_alphanumeric() || "'-_".contains(c) => out.extend(c.to_lowercase()),
            _ if out.ends_with(' ') => {}
            _ => out.push(' '),
        }
    }
    out.push(' ');
    out
}

/// Every sentence that a person may read, with the place it is from.
fn texts() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, source) in files("src", "rs") {
        all.extend(literals(&source).into_iter().map(|text| (name.clone(), text)));
    }
    for (name, document) in files("docs", "md") {
        all.push((name, prose(&document)));
    }
    for name in ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let document = std::fs::read_to_string(root().join(name)).expect("a document");
        all.push((name.to_owned(), prose(&document)));
    }
    for (name, text) in files("assets", "toml") {
        all.push((name, text));
    }
    let mut command = Options::command();
    command.build();
    let mut waiting = vec![command];
    while let Some(mut command) = waiting.pop() {
        waiting.extend(command.get_subcommands().cloned());
        all.push((format!("portcullis {} --help", command.get_name()), command.render_long_help().to_string()));
    }
    all
}

fn faults(texts: &[(String, String)]) -> Vec<String> {
    let mut faults = Vec::new();
    for (place, text) in texts {
        let words = MEANT.iter().fold(words(text), |text, (meant, _)| text.replace(meant, " "));
        for (phrase, instead) in PHRASES {
            if let Some(at) = words.find(phrase) {
                let from = words[..at].char_indices().rev().nth(40).map_or(0, |(at, _)| at);
                let around: String = words[from..].chars().take(80 + phrase.len()).collect();
                faults.push(format!("{place}: {phrase:?} in \"{}\"; write: {instead}", around.trim()));
            }
        }
    }
    faults
}

#[test]
fn no_sentence_uses_a_phrase_of_the_list() {
    let texts = texts();
    assert!(texts.len() > 2000, "{} texts were found", texts.len());
    let faults = faults(&texts);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_phrase_is_found_wherever_it_is_written() {
    let source = "/// nobody\nfn f() { g(\"it stands \\\n    here\", '\"', r#\"a \"dead\" one\"#, \"{told}\", \"a\\\"b\"); }\n\
                  #[cfg(test)]\nmod tests { const A: &str = \"whoever\"; }\n";
    let found = literals(source);
    assert_eq!(found, ["it stands here", "a \"dead\" one", "{told}", "a\\\"b"]);
    let texts: Vec<_> = found.into_iter().map(|text| ("x.rs".to_owned(), text)).collect();
    let found = faults(&texts);
    assert!(found.len() == 2 && found[0].contains("stands") && found[1].contains("dead"), "{found:?}");
    assert_eq!(prose("a `nobody` b\n```\nwhoever\n```\nc").split_whitespace().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(faults(&[("README.md".into(), "Nobody, told\nso.".into())]).len() == 2);
}
