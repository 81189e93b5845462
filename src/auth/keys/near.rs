//! Shared secrets that nearly fit: the usual mistakes in writing one down. If a signature does not match, the other ways
//! to read the secret are tried once each, so that an inspection can say which one matches. No decision uses them: a
//! secret is exactly what its owner wrote.

use std::fmt;

use zeroize::Zeroizing;

use super::hmac::HmacKey;
use super::material::without_mark;
use super::secret;
use crate::auth::algorithm::Algorithm;

/// Another way to read a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NearFit {
    /// Without white space and a byte order mark around it.
    Trimmed,
    /// Without the quotes around it.
    Unquoted,
    /// Decoded from base64.
    Base64,
    /// Decoded from hexadecimal digits.
    Hex,
    /// The text after `b64:` or `hex:`, not decoded.
    Literal,
    /// Followed by a line break, as in a file from which another program reads all bytes.
    LineBreak,
}

impl NearFit {
    /// The reading and what to do, as the end of the sentence "the signature matches …".
    const fn words(self) -> &'static str {
        match self {
            Self::Trimmed => {
                "the secret without the white space around it (line break, CR, blank or BOM); remove it from the secret"
            }
            Self::Unquoted => "the secret without the quotes around it; remove them from the secret",
            Self::Base64 => "the secret decoded from base64; write b64: before it",
            Self::Hex => "the secret decoded from hex digits; write hex: before it",
            Self::Literal => "the text after b64: or hex: as it is; remove the prefix from the secret",
            Self::LineBreak => "the secret followed by a line break; write it as b64: with the line break encoded",
        }
    }
}

impl fmt::Display for NearFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// Prepares the other readings of a secret that was written as `written`. Readings that are empty or equal to the secret
/// are left out.
pub fn readings(algorithm: Algorithm, secret: &[u8], written: &[u8]) -> Box<[(NearFit, HmacKey)]> {
    let core = trimmed(secret);
    let own = |bytes: &[u8]| Some(Zeroizing::new(bytes.to_vec()));
    let literal = [&b"b64:"[..], b"hex:"].into_iter().find_map(|prefix| written.strip_prefix(prefix));
    // Allocated in full, so that a growing buffer leaves no copies of the secret behind.
    let mut dense = Zeroizing::new(Vec::with_capacity(core.len()));
    dense.extend(core.iter().copied().filter(|byte| !byte.is_ascii_whitespace()));
    let candidates = [
        (NearFit::Trimmed, own(core)),
        (NearFit::Unquoted, unquoted(core).and_then(own)),
        (NearFit::Base64, secret::base64(&dense)),
        (NearFit::Hex, secret::unhex(&dense)),
        (NearFit::Literal, literal.map(trimmed).and_then(own)),
        (NearFit::LineBreak, own(&Zeroizing::new([secret, b"\n"].concat()))),
    ];
    let prepare = |(fit, bytes): (NearFit, Option<Zeroizing<Vec<u8>>>)| {
        let bytes = bytes.filter(|bytes| !bytes.is_empty() && **bytes != secret)?;
        Some((fit, HmacKey::new(algorithm, &bytes)?))
    };
    candidates.into_iter().filter_map(prepare).collect()
}

/// A text without white space and a byte order mark around it.
fn trimmed(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    without_mark(text).trim_ascii()
}

/// A text without the pair of quotes around it, if there is one.
fn unquoted(text: &[u8]) -> Option<&[u8]> {
    match text {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => Some(inner),
        _ => None,
    }
}
