//! The suggestion for a misspelled name.

/// Returns the known name that is most similar to a word; `None` only if no name is known.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known.into_iter().max_by(|a, b| strsim::jaro(word, a).total_cmp(&strsim::jaro(word, b)))
}
