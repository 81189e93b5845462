//! The cause of an error, in words.

use std::error::Error;

use super::{display_safe, head};

/// Returns the innermost cause of an error, which says more than those around it. Safe to show.
pub fn cause(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let said = innermost.to_string();
    // Its variant of the TLS library's error, by its `Debug` words: comparing the type would need that library as a
    // dependency of its own, in the same version as the HTTP client's. A test with a real server notices if they change.
    if said.contains("UnknownIssuer") {
        return "the server's certificate is signed by an unknown authority; pass its certificate with --ca-file FILE"
            .to_owned();
    }
    let end = said.find(" (os error").unwrap_or(said.len());
    display_safe(head(&said, end), 200)
}
