//! The signature algorithms, named as in token headers (RFC 7518 §3.1).

use std::fmt;

/// A supported signature algorithm (RFC 7518 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC over SHA-256.
    Hs256,
}

impl Algorithm {
    /// The name as headers spell it: `HS256`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
