//! Who may import whom, read from the sources: a layer that reaches upwards fails here, not in a review.

#![expect(clippy::string_slice, reason = "the texts cut here are the test's own, or searched by the same bytes")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The table of the design: a top-level module, and the modules it may name.
const MAY_IMPORT: [(&str, &[&str]); 16] = [
    ("text", &[]),
    ("auth", &["text"]),
    ("tools", &["auth", "text"]),
    ("clock", &["auth", "text"]),
    ("config", &["auth", "text"]),
    ("gate", &["auth", "tools", "clock", "text"]),
    ("lab", &["auth", "gate", "text"]),
    ("endpoint", &["text"]),
    ("app", &["lab", "endpoint", "auth", "gate", "tools", "text"]),
    ("view", &["app", "lab", "endpoint", "auth", "gate", "tools", "text"]),
    ("watch", &["text"]),
    ("signals", &[]),
    ("store", &["auth", "config", "gate", "watch", "text"]),
    ("cli", &["lab", "gate", "server", "endpoint", "signals", "store", "config", "text", "clock", "auth", "tools"]),
    ("server", &["endpoint", "gate", "config", "text", "clock", "auth", "tools"]),
    (
        "tui",
        &[
            "app", "view", "lab", "gate", "server", "endpoint", "signals", "store", "config", "clock", "text", "auth",
            "tools",
        ],
    ),
];

struct Source {
    /// As `auth/token.rs`.
    name: String,
    /// The top-level module it belongs to.
    module: String,
    text: String,
}

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("the sources are here") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let source = |path: PathBuf| {
        let name = path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
        let module = name.split(['/', '.']).next().unwrap_or_default().to_owned();
        Source { text: std::fs::read_to_string(path).expect("UTF-8"), name, module }
    };
    let sources: Vec<Source> = paths.into_iter().map(source).collect();
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

/// The lines that are code.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// The top-level modules that `crate::a` and `crate::{a, b::c}` name.
fn imports(text: &str) -> BTreeSet<String> {
    let text: String = code(text).collect::<Vec<_>>().join("\n");
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (_, after) in text.match_indices("crate::").map(|(at, found)| (at, &text[at + found.len()..])) {
        let Some(group) = after.strip_prefix('{') else {
            found.insert(word(after));
            continue;
        };
        let mut depth = 0;
        let mut begins = true;
        for (at, c) in group.char_indices() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if c.is_alphabetic() && begins && depth == 0 => {
                    found.insert(word(&group[at..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn imports_are_read_in_every_shape() {
    let text = "use crate::auth::{Call, Key};\nuse crate::{text, tools::{find, TOOLS}, Reason};\nlet x = crate::clock::now();\n// crate::tui";
    let wanted = ["Reason", "auth", "clock", "text", "tools"];
    assert_eq!(imports(text).iter().map(String::as_str).collect::<Vec<_>>(), wanted);
}

#[test]
fn every_layer_imports_only_what_lies_below_it() {
    for source in sources() {
        if ["main", "lib"].contains(&&*source.module) {
            continue;
        }
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(module, _)| *module == source.module) else {
            panic!("{}: say in the table of this test what the module may import", source.name);
        };
        for import in imports(&source.text) {
            let fits = import == source.module || allowed.contains(&&*import);
            assert!(fits, "{} names crate::{import}; {} may import {allowed:?}", source.name, source.module);
        }
    }
}

#[test]
fn only_the_clock_asks_what_time_it_is() {
    for source in sources().iter().filter(|source| source.module != "clock") {
        for asks in ["Utc::now", "Local::now", "SystemTime::now", "Instant::now"] {
            assert!(!code(&source.text).any(|line| line.contains(asks)), "{} asks {asks}", source.name);
        }
    }
}

#[test]
fn drawing_and_waiting_stay_where_they_belong() {
    for source in sources() {
        let pure = ["text", "auth", "tools", "lab", "endpoint", "app", "config"].contains(&&*source.module);
        for (names, forbidden) in [("ratatui::", pure), ("tokio::", pure || source.module == "view")] {
            let named = code(&source.text).any(|line| line.contains(names));
            assert!(!(forbidden && named), "{} names {names}", source.name);
        }
    }
}
