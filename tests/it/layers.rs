//! Which module may import which, checked in the sources, so that an import of an upper layer fails here and not in a
//! review.

#![expect(clippy::string_slice, reason = "the texts cut here are the test's own, or searched by the same bytes")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The table of the design: each top-level module with the modules that it may import.
const MAY_IMPORT: [(&str, &[&str]); 23] = [
    ("look", &[]),
    ("text", &[]),
    ("auth", &["text"]),
    ("clock", &["auth", "text"]),
    ("config", &["auth", "look", "text"]),
    ("gate", &["auth", "clock", "text"]),
    ("http", &["text"]),
    ("issuer_keys", &["auth", "config", "gate", "http", "watch", "text"]),
    ("backend", &["auth", "gate", "clock", "text"]),
    ("report", &["auth", "text"]),
    ("lab", &["auth", "gate", "observe", "report", "text"]),
    ("endpoint", &["text"]),
    ("observe", &["auth", "report", "text"]),
    ("target", &["observe", "auth", "clock", "gate", "http", "text"]),
    ("probing", &["target", "lab", "gate", "observe", "auth", "text"]),
    // Of the modules that do I/O it uses only the error types; the next test checks that.
    (
        "app",
        &[
            "lab",
            "look",
            "endpoint",
            "observe",
            "server",
            "store",
            "watch",
            "config",
            "issuer_keys",
            "auth",
            "gate",
            "text",
        ],
    ),
    ("view", &["app", "lab", "look", "endpoint", "observe", "auth", "gate", "text"]),
    ("watch", &["text"]),
    ("signals", &[]),
    ("store", &["auth", "config", "gate", "watch", "clock", "text"]),
    (
        "cli",
        &[
            "observe",
            "target",
            "probing",
            "lab",
            "look",
            "report",
            "backend",
            "gate",
            "server",
            "endpoint",
            "signals",
            "store",
            "issuer_keys",
            "config",
            "text",
            "clock",
            "auth",
        ],
    ),
    ("server", &["endpoint", "gate", "config", "text", "clock", "auth"]),
    (
        "tui",
        &[
            "app",
            "view",
            "lab",
            "look",
            "gate",
            "server",
            "endpoint",
            "observe",
            "signals",
            "store",
            "target",
            "probing",
            "issuer_keys",
            "config",
            "clock",
            "text",
            "auth",
        ],
    ),
];

struct Source {
    /// For example `auth/token.rs`.
    name: String,
    /// The top-level module it belongs to.
    module: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = crate::project::root().join("src");
    let source = |(path, text): (PathBuf, String)| {
        let name = path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
        let module = name.split(['/', '.']).next().unwrap_or_default().to_owned();
        Source { name, module, text }
    };
    let sources: Vec<Source> = crate::project::files("src", "rs").into_iter().map(source).collect();
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

/// Returns the lines that are not comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Returns the top-level modules named by `crate::a` and `crate::{a, b::c}`.
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
fn imports_are_found_in_every_syntax() {
    let text = "use crate::auth::{Call, Signer};\nuse crate::{text, tools::{find, TOOLS}, Reason};\nlet x = crate::clock::now();\n// crate::tui";
    let wanted = ["Reason", "auth", "clock", "text", "tools"];
    assert_eq!(imports(text).iter().map(String::as_str).collect::<Vec<_>>(), wanted);
}

#[test]
fn every_layer_imports_only_lower_layers() {
    for source in sources() {
        if ["main", "lib"].contains(&&*source.module) {
            continue;
        }
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(module, _)| *module == source.module) else {
            panic!("{}: the module is missing in the table of this test", source.name);
        };
        for import in imports(&source.text) {
            let fits = import == source.module || allowed.contains(&&*import);
            assert!(fits, "{} imports crate::{import}, but {} may import only {allowed:?}", source.name, source.module);
        }
    }
}

#[test]
fn the_app_imports_only_error_types_from_modules_that_do_io() {
    const ERRORS: [&str; 5] = [
        "config::ConfigError;",
        "issuer_keys::UrlError;",
        "server::ServeError;",
        "store::{ReloadError, Setback, StoreError};",
        "watch::WatchError;",
    ];
    for source in sources().iter().filter(|source| source.module == "app") {
        let text: String = code(&source.text).collect::<Vec<_>>().join("\n");
        for (at, _) in text.match_indices("crate::") {
            let named = &text[at + "crate::".len()..];
            let outside = ["config", "issuer_keys", "server", "store", "watch", "{"];
            let is_outside = outside.iter().any(|module| named.starts_with(module));
            let is_error = ERRORS.iter().any(|error| named.starts_with(error));
            assert!(!is_outside || is_error, "{}: {}", source.name, named.lines().next().unwrap_or_default());
        }
    }
}

#[test]
fn only_the_clock_module_reads_the_time() {
    for source in sources().iter().filter(|source| source.module != "clock") {
        for asks in ["Utc::now", "Local::now", "SystemTime::now", "Instant::now"] {
            assert!(!code(&source.text).any(|line| line.contains(asks)), "{} uses {asks}", source.name);
        }
    }
}

#[test]
fn only_upper_layers_use_ratatui_and_tokio() {
    for source in sources() {
        let pure = ["text", "auth", "report", "lab", "endpoint", "app", "config"].contains(&&*source.module);
        for (names, forbidden) in [("ratatui::", pure), ("tokio::", pure || source.module == "view")] {
            let named = code(&source.text).any(|line| line.contains(names));
            assert!(!(forbidden && named), "{} uses {names}", source.name);
        }
    }
}

#[test]
fn every_pane_has_one_view_of_the_same_name() {
    let sources = sources();
    let panes = |folder: &str| -> BTreeSet<String> {
        let inside = sources.iter().filter_map(|source| source.name.strip_prefix(folder));
        inside.filter_map(|name| name.split(['/', '.']).next()).map(str::to_owned).collect()
    };
    assert_eq!(panes("app/pane/"), panes("view/pane/"));
    for picture in sources.iter().filter(|source| source.name.starts_with("view/pane/")) {
        assert_eq!(picture.text.matches("pub fn render(").count(), 1, "{}", picture.name);
    }
}

/// A module path, for example `["app", "pane"]`.
type Module = Vec<String>;

/// Returns the module of a file.
fn module_of(name: &str) -> Module {
    let name = name.trim_end_matches(".rs").trim_end_matches("/mod");
    name.split('/').filter(|part| *part != "lib").map(str::to_owned).collect()
}

/// Returns the paths of a use tree: `a::{b, c::d as e}` is `a::b` and `a::c::d`.
fn paths(tree: &str) -> Vec<Module> {
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return vec![path.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()];
    };
    let prefix = paths(&tree[..open]).concat();
    let inside = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
    let mut depth = 0;
    let split = |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    };
    let parts = inside.split(split).filter(|part| !part.trim().is_empty()).flat_map(paths);
    parts.map(|path| [prefix.clone(), path].concat()).collect()
}

/// Returns every path in a file's code that begins with `crate`, `super` or `self`, and the paths of its use
/// declarations.
fn named(name: &str, text: &str) -> Vec<Module> {
    // The unit tests of a file may import anything.
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let text: String = code(text).collect::<Vec<_>>().join("\n");
    let here = module_of(name);
    let mut found = Vec::new();
    for (at, _) in text.match_indices("use ") {
        let before = text[..at].rsplit('\n').next().unwrap_or_default();
        if ["", "pub"].contains(&before.trim()) {
            let tree = &text[at + "use ".len()..];
            found.extend(paths(&tree[..tree.find(';').unwrap_or(0)]));
        }
    }
    for root in ["crate::", "super::"] {
        for (at, _) in text.match_indices(root).filter(|(at, _)| !text[..*at].ends_with(':')) {
            let is_path = |c: char| c.is_alphanumeric() || ['_', ':'].contains(&c);
            let path = &text[at..][..text[at..].find(|c| !is_path(c)).unwrap_or(0)];
            // A group has been parsed above.
            if !path.ends_with(':') {
                found.extend(paths(path));
            }
        }
    }
    let absolute = |path: Module| {
        let ups = path.iter().take_while(|part| *part == "super").count();
        match path.first()?.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([&here, &path[1..]].concat()),
            "super" => Some([&here[..here.len().checked_sub(ups)?], &path[ups..]].concat()),
            _ => Some([&here, &path[..]].concat()),
        }
    };
    found.into_iter().filter_map(absolute).collect()
}

/// Returns the module that a path leads to, through re-exports.
fn file_of(path: &[String], files: &BTreeMap<Module, (String, Vec<Module>)>, depth: usize) -> Option<Module> {
    let module = (0..=path.len()).rev().map(|n| &path[..n]).find(|module| files.contains_key(*module))?;
    let (_, named) = &files[module];
    let re_export = path.get(module.len()).and_then(|item| {
        named.iter().find(|path| path.last() == Some(item) && path[..path.len() - 1] != *module && depth < 8)
    });
    match re_export {
        Some(path) => file_of(path, files, depth + 1),
        None => Some(module.to_vec()),
    }
}

#[test]
fn paths_are_found_in_every_syntax() {
    let text = "pub use form::{Form, a::B as C};\nuse super::{App, x::{Y, Z}};\nlet x = super::super::field::turned(1);\n#[cfg(test)]\nuse super::*;";
    let found: BTreeSet<String> = named("app/pane/issue/mod.rs", text).iter().map(|path| path.join("::")).collect();
    for wanted in [
        "app::pane::issue::form::Form",
        "app::pane::issue::form::a::B",
        "app::pane::App",
        "app::pane::x::Y",
        "app::pane::x::Z",
        "app::field::turned",
    ] {
        assert!(found.contains(wanted), "{wanted} in {found:?}");
    }
    assert!(!found.iter().any(|path| path.contains('*')), "{found:?}");
}

#[test]
fn no_two_files_import_each_other() {
    let files: BTreeMap<Module, (String, Vec<Module>)> = sources()
        .iter()
        .filter(|source| source.name != "main.rs")
        .map(|source| (module_of(&source.name), (source.name.clone(), named(&source.name, &source.text))))
        .collect();
    let mut edges = BTreeSet::new();
    for (module, (name, named)) in &files {
        for file in named.iter().filter_map(|path| file_of(path, &files, 0)) {
            // The `mod.rs` of a folder and the other files in it count as one.
            if !file.starts_with(module) && !module.starts_with(&file) {
                edges.insert((name.as_str(), files[&file].0.as_str()));
            }
        }
    }
    assert!(edges.contains(&("app/act.rs", "app/action.rs")), "the imports were not found");
    let circles: Vec<_> = edges.iter().filter(|(from, to)| from < to && edges.contains(&(*to, *from))).collect();
    assert!(circles.is_empty(), "these files import each other: {circles:?}");
}

/// The modules of the library without the feature `program`.
const CORE: [&str; 8] = ["auth", "backend", "clock", "gate", "lab", "observe", "report", "text"];

/// The files of these modules that exist only with the feature.
const BEHIND_THE_FEATURE: [&str; 1] = ["report/junit.rs"];

#[test]
fn the_core_needs_neither_a_module_nor_a_crate_of_the_program() {
    let manifest: toml::Table = include_str!("../../Cargo.toml").parse().expect("a manifest");
    let of_program = |(name, details): (&String, &toml::Value)| {
        let is_optional = details.get("optional").and_then(toml::Value::as_bool) == Some(true);
        is_optional.then(|| format!("{}::", name.replace('-', "_")))
    };
    let crates = manifest["dependencies"].as_table().expect("a table");
    let crates: Vec<String> = crates.iter().filter_map(of_program).collect();
    assert!(crates.contains(&"tokio::".to_owned()), "{crates:?}");
    let mut read = 0;
    let is_core = |source: &&Source| CORE.contains(&&*source.module) && !BEHIND_THE_FEATURE.contains(&&*source.name);
    for source in sources().iter().filter(is_core) {
        read += 1;
        let (name, text) = (&source.name, code(&source.text).collect::<Vec<_>>().join("\n"));
        let upper: Vec<String> = imports(&text).into_iter().filter(|module| is_of_program(module)).collect();
        assert!(upper.is_empty(), "{name} imports {upper:?}");
        let words = || text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
        let used: Vec<&String> =
            crates.iter().filter(|crate_| words().any(|word| word.starts_with(&***crate_))).collect();
        assert!(used.is_empty(), "{name} uses {used:?}");
    }
    assert!(read > 80, "only {read} files");
}

/// Whether this is a module that exists only with the feature `program`.
fn is_of_program(module: &str) -> bool {
    MAY_IMPORT.iter().any(|(known, _)| *known == module) && !CORE.contains(&module)
}
