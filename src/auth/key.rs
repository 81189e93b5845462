//! Signing keys. The secret never leaves this file, neither to a screen nor to a `Debug`.

use std::fmt;
use std::sync::{Arc, Once};

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use jsonwebtoken::EncodingKey;
use zeroize::Zeroizing;

use super::hs256::{self, Hs256};

/// A key shorter than this is weak for HS256 (RFC 7518 §3.2: at least the size of the hash), in bits.
pub const STRONG_BITS: usize = 256;

/// A secret longer than this is surely something else, in bytes.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

/// Where a key came from, as the header tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// Made at start, gone at the end.
    Fresh,
    /// Read from a file.
    File,
    /// Read from the environment.
    Environment,
    /// Typed at a prompt.
    Typed,
    /// Handed over by the program that uses the library.
    Program,
}

impl KeyOrigin {
    /// The origin as an adjective or a source: `fresh`, `from file`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::File => "from file",
            Self::Environment => "from environment",
            Self::Typed => "typed",
            Self::Program => "given",
        }
    }
}

/// A secret that cannot be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing in it.
    #[error("the secret is empty")]
    Empty,
    /// Longer than [`MAX_SECRET_BYTES`].
    #[error("the secret has more than {MAX_SECRET_BYTES} bytes")]
    TooLong,
    /// What follows `hex:` is no hexadecimal.
    #[error("the secret begins with hex: and goes on with something else than pairs of hexadecimal digits")]
    NotHex,
    /// What follows `b64:` is no base64.
    #[error("the secret begins with b64: and goes on with something else than base64")]
    NotBase64,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for a fresh key")]
    NoRandomness,
}

/// Base64 of secrets: padded or not.
const WRITTEN: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn unhex(digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let value = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, rest) = digits.trim_ascii_end().as_chunks::<2>();
    // Reserved whole, so that a growing buffer leaves no copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(pairs.len()));
    for [high, low] in pairs {
        bytes.push(value(high)? << 4 | value(low)?);
    }
    rest.is_empty().then_some(bytes)
}

/// One HS256 key. The first one of a process makes jsonwebtoken sign with HS256 and nothing else; a program that wants
/// more of it installs its own `jsonwebtoken::crypto::CryptoProvider` before.
#[derive(Clone)]
pub struct Key(Arc<Inner>);

struct Inner {
    id: Option<Box<str>>,
    origin: KeyOrigin,
    bits: usize,
    verifying: Hs256,
    signing: EncodingKey,
}

impl Key {
    /// The algorithm of every key there is today, as a header spells it.
    pub const ALGORITHM: &'static str = "HS256";

    /// A key from a secret. Short ones work, and tell so by [`Key::is_weak`].
    pub fn new(secret: &[u8], origin: KeyOrigin) -> Result<Self, KeyError> {
        Self::make(secret, origin, None)
    }

    /// A key from a secret as somebody writes it: `hex:` and hexadecimal, `b64:` and base64 (of either alphabet, padded
    /// or not), or the secret itself.
    pub fn from_written(written: &[u8], origin: KeyOrigin) -> Result<Self, KeyError> {
        if let Some(digits) = written.strip_prefix(b"hex:") {
            return Self::new(&unhex(digits).ok_or(KeyError::NotHex)?, origin);
        }
        let Some(text) = written.strip_prefix(b"b64:") else {
            return Self::new(written, origin);
        };
        let letter = |b: &u8| match b {
            b'-' => b'+',
            b'_' => b'/',
            b => *b,
        };
        let text: Zeroizing<Vec<u8>> = Zeroizing::new(text.trim_ascii_end().iter().map(letter).collect());
        Self::new(&Zeroizing::new(WRITTEN.decode(&*text).map_err(|_| KeyError::NotBase64)?), origin)
    }

    /// A key that answers only to tokens whose `kid` names it, or that name none (RFC 7515 §4.1.4).
    pub fn named(secret: &[u8], origin: KeyOrigin, id: &str) -> Result<Self, KeyError> {
        Self::make(secret, origin, Some(id.into()))
    }

    fn make(secret: &[u8], origin: KeyOrigin, id: Option<Box<str>>) -> Result<Self, KeyError> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(hs256::install);
        match secret.len() {
            0 => Err(KeyError::Empty),
            n if n > MAX_SECRET_BYTES => Err(KeyError::TooLong),
            bytes => Ok(Self(Arc::new(Inner {
                id,
                origin,
                bits: bytes * 8,
                verifying: Hs256::new(secret),
                signing: EncodingKey::from_secret(secret),
            }))),
        }
    }

    /// A key of 32 bytes from the operating system's generator.
    pub fn fresh() -> Result<Self, KeyError> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret).map_err(|_| KeyError::NoRandomness)?;
        Self::new(&*secret, KeyOrigin::Fresh)
    }

    /// Where it came from.
    pub fn origin(&self) -> KeyOrigin {
        self.0.origin
    }

    /// The length of the secret, in bits.
    pub fn bits(&self) -> usize {
        self.0.bits
    }

    /// Shorter than RFC 7518 §3.2 asks for.
    pub fn is_weak(&self) -> bool {
        self.0.bits < STRONG_BITS
    }

    /// How the key is told in a header: `fresh, HS256, 256 bit`.
    pub fn describe(&self) -> String {
        let weak = if self.is_weak() { ", weak" } else { "" };
        format!("{}, {}, {} bit{weak}", self.origin().word(), Self::ALGORITHM, self.bits())
    }

    pub(super) fn verify(&self, signed: &str, signature: &[u8]) -> bool {
        self.0.verifying.is_mac(signed.as_bytes(), signature)
    }

    /// The HMAC of a text, for tokens that no library would sign.
    pub(crate) fn mac(&self, text: &str) -> [u8; 32] {
        self.0.verifying.mac(text.as_bytes())
    }

    pub(super) fn signing(&self) -> &EncodingKey {
        &self.0.signing
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.describe())
    }
}

/// The keys that are held: one, or none. It signs too.
#[derive(Clone, Debug)]
pub struct KeyRing {
    keys: Vec<Key>,
}

impl KeyRing {
    /// A ring of one key.
    pub fn new(key: Key) -> Self {
        Self { keys: vec![key] }
    }

    /// A ring without keys: it verifies no signature and signs nothing.
    pub const fn empty() -> Self {
        Self { keys: Vec::new() }
    }

    /// The key that signs what is issued.
    pub fn signing(&self) -> Option<&Key> {
        self.keys.first()
    }

    /// The signing key as a header tells it; `none` where there is none.
    pub fn describe(&self) -> String {
        self.signing().map_or_else(|| "none".to_owned(), Key::describe)
    }

    /// The algorithm of the keys held, as headers spell it.
    pub fn algorithm(&self) -> Option<&'static str> {
        self.signing().map(|_| Key::ALGORITHM)
    }

    /// The key that a header asks for. A key without an id of its own answers to any `kid`, which is only a hint
    /// (RFC 7515 §4.1.4); a key with an id answers to that one.
    pub(super) fn choose(&self, kid: Option<&str>) -> Option<&Key> {
        self.keys.iter().find(|key| kid.is_none_or(|kid| key.0.id.as_deref().is_none_or(|id| id == kid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("my-secret", "my-secret")]
    #[case("hex:6d792d736563726574", "my-secret")]
    #[case("hex:6D792D736563726574\n", "my-secret")]
    #[case("b64:bXktc2VjcmV0", "my-secret")]
    #[case("b64:/+8=", "\u{ff}\u{ef}")]
    #[case("b64:_-8", "\u{ff}\u{ef}")]
    fn a_secret_is_read_as_it_is_written(#[case] written: &str, #[case] secret: &str) {
        let secret: Vec<u8> = match secret.is_ascii() {
            true => secret.into(),
            false => secret.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect(),
        };
        let key = Key::from_written(written.as_bytes(), KeyOrigin::Typed).expect("a key");
        let same = Key::new(&secret, KeyOrigin::Typed).expect("a key");
        assert_eq!(key.mac("x"), same.mac("x"));
    }

    #[rstest]
    #[case("hex:6d7", KeyError::NotHex)]
    #[case("hex:my", KeyError::NotHex)]
    #[case("b64:@", KeyError::NotBase64)]
    #[case("hex:", KeyError::Empty)]
    #[case("b64:", KeyError::Empty)]
    #[case("", KeyError::Empty)]
    fn a_secret_that_is_not_what_it_says_is_refused(#[case] written: &str, #[case] error: KeyError) {
        assert_eq!(Key::from_written(written.as_bytes(), KeyOrigin::Typed).map(|_| ()), Err(error));
    }
}
