//! The files of this project, for tests that hold them to each other.

use std::path::{Path, PathBuf};

/// The folder of the manifest.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder of the project whose names end with an extension, at any depth, in order, each with its text.
pub fn files(folder: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let (mut waiting, mut found) = (vec![root().join(folder)], Vec::new());
    while let Some(place) = waiting.pop() {
        for entry in std::fs::read_dir(place).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|end| end == extension) {
                let text = std::fs::read_to_string(&path).expect("UTF-8");
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}
