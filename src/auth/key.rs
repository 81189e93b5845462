//! Signing keys. The secret never leaves this file, neither to a screen nor to a `Debug`.

use std::fmt;
use std::sync::{Arc, Once};

use aws_lc_rs::hmac;
use jsonwebtoken::EncodingKey;
use zeroize::Zeroizing;

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
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for a fresh key")]
    NoRandomness,
}

/// One HS256 key.
#[derive(Clone)]
pub struct Key(Arc<Inner>);

struct Inner {
    id: Option<Box<str>>,
    origin: KeyOrigin,
    bits: usize,
    verifying: hmac::Key,
    signing: EncodingKey,
}

impl Key {
    /// The algorithm of every key there is today, as a header spells it.
    pub const ALGORITHM: &'static str = "HS256";

    /// A key from a secret. Short ones work, and tell so by [`Key::is_weak`].
    pub fn new(secret: &[u8], origin: KeyOrigin) -> Result<Self, KeyError> {
        Self::make(secret, origin, None)
    }

    /// A key that answers only to tokens whose `kid` names it, or that name none (RFC 7515 §4.1.4).
    pub fn named(secret: &[u8], origin: KeyOrigin, id: &str) -> Result<Self, KeyError> {
        Self::make(secret, origin, Some(id.into()))
    }

    fn make(secret: &[u8], origin: KeyOrigin, id: Option<Box<str>>) -> Result<Self, KeyError> {
        static PROVIDER: Once = Once::new();
        // jsonwebtoken panics at its first use where another crate of the tree switched on its second backend.
        PROVIDER.call_once(|| {
            let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        });
        match secret.len() {
            0 => Err(KeyError::Empty),
            n if n > MAX_SECRET_BYTES => Err(KeyError::TooLong),
            bytes => Ok(Self(Arc::new(Inner {
                id,
                origin,
                bits: bytes * 8,
                verifying: hmac::Key::new(hmac::HMAC_SHA256, secret),
                signing: EncodingKey::from_secret(secret),
            }))),
        }
    }

    /// A key of 32 bytes from the operating system's generator.
    pub fn fresh() -> Result<Self, KeyError> {
        // Not aws-lc's generator: its first use costs 60 ms, a dozen times the whole start.
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
        hmac::verify(&self.0.verifying, signed.as_bytes(), signature).is_ok()
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

/// The keys that are held. Of one key today; the first one signs.
#[derive(Clone, Debug)]
pub struct KeyRing {
    keys: Vec<Key>,
}

impl KeyRing {
    /// A ring of one key.
    pub fn new(key: Key) -> Self {
        Self { keys: vec![key] }
    }

    /// The key that signs what is issued.
    pub fn signing(&self) -> &Key {
        // `new` is the only way to make a ring.
        &self.keys[0]
    }

    /// The algorithms of the keys held, as headers spell them.
    pub fn algorithms(&self) -> &'static str {
        Key::ALGORITHM
    }

    /// The key that a header asks for. A key without an id of its own answers to any `kid`, which is only a hint
    /// (RFC 7515 §4.1.4); a key with an id answers to that one.
    pub(super) fn choose(&self, kid: Option<&str>) -> Option<&Key> {
        self.keys.iter().find(|key| kid.is_none_or(|kid| key.0.id.as_deref().is_none_or(|id| id == kid)))
    }
}
