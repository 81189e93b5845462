//! Decoding of shared secrets as people write them, and its errors.

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use zeroize::Zeroizing;

use super::public::PublicKeyError;
use crate::auth::algorithm::{Algorithm, Family};

/// The longest secret, in bytes. Anything longer is most likely the wrong file.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

/// The origin of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// Generated at start-up and discarded on exit.
    Fresh,
    /// Read from a file.
    File,
    /// Fetched from a URL.
    Fetched,
    /// Read from the environment.
    Environment,
    /// Typed at a prompt.
    Typed,
    /// Passed by the program that uses the library.
    Program,
}

impl KeyOrigin {
    /// The origin as an adjective or a phrase: `fresh`, `from file`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::File => "from file",
            Self::Fetched => "fetched",
            Self::Environment => "from environment",
            Self::Typed => "typed",
            Self::Program => "given",
        }
    }
}

/// The content of a key file, as errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A private key, as PEM or DER.
    PrivateKey,
    /// A public key, as PEM or DER.
    PublicKey,
    /// An X.509 certificate.
    Certificate,
    /// A private or secret JWK, or a set with one.
    PrivateJwk,
    /// A public JWK.
    PublicJwk,
    /// A set of public JWKs.
    JwkSet,
    /// A PEM block without a key.
    OtherPem,
}

impl FileKind {
    /// The content as a noun with its article.
    pub const fn words(self) -> &'static str {
        match self {
            Self::PrivateKey => "a private key",
            Self::PublicKey => "a public key",
            Self::Certificate => "a certificate",
            Self::PrivateJwk => "a private JWK",
            Self::PublicJwk => "a public JWK",
            Self::JwkSet => "a JWK set",
            Self::OtherPem => "a PEM file without a key",
        }
    }

    /// Where to pass it instead, as a clause; empty for a file without a key.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::PrivateKey | Self::PrivateJwk => "; pass it with --signing-key",
            Self::PublicKey | Self::Certificate => "; pass it with --public-key",
            Self::PublicJwk | Self::JwkSet => "; pass it with --jwks",
            Self::OtherPem => "",
        }
    }
}

/// Why a text cannot be used as a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The secret is empty.
    #[error("the secret is empty")]
    Empty,
    /// Longer than [`MAX_SECRET_BYTES`].
    #[error("the secret is longer than {MAX_SECRET_BYTES} bytes")]
    TooLong,
    /// The text after `hex:` is not hexadecimal.
    #[error("invalid hex secret: expected pairs of hex digits after hex:")]
    NotHex,
    /// The text after `b64:` is not base64.
    #[error("invalid base64 secret: expected base64 after b64:")]
    NotBase64,
    /// The text is a key file. Used as a secret, it would be one that others know.
    #[error("expected a secret, got {}{}", .0.words(), .0.advice())]
    NotASecret(FileKind),
    /// The key is not a private key of a supported kind.
    #[error("expected a private key: PKCS #8, PKCS #1 (RSA) or SEC 1 (EC), for RSA, P-256, P-384, P-521 or Ed25519")]
    NotPrivate,
    /// The algorithm needs another kind of key.
    #[error("{algorithm} cannot be used with this key ({})", .family.words())]
    OtherAlgorithm {
        /// The algorithm.
        algorithm: Algorithm,
        /// The kind of the key.
        family: Family,
    },
    /// The public half cannot be used.
    #[error(transparent)]
    Public(PublicKeyError),
    /// The system's random number generator failed.
    #[error("cannot generate a key: the system's random number generator failed")]
    NoRandomness,
}

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes a secret: `hex:` and hex digits, `b64:` and base64 (either alphabet, padded or not), or the secret itself.
pub fn decode(written: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    if let Some(digits) = written.strip_prefix(b"hex:") {
        return unhex(digits).ok_or(KeyError::NotHex);
    }
    let Some(text) = written.strip_prefix(b"b64:") else {
        return Ok(Zeroizing::new(written.to_vec()));
    };
    base64(text.trim_ascii_end()).ok_or(KeyError::NotBase64)
}

/// Decodes base64 of either alphabet, padded or not.
pub fn base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let letter = |b: &u8| match b {
        b'-' => b'+',
        b'_' => b'/',
        b => *b,
    };
    let text: Zeroizing<Vec<u8>> = Zeroizing::new(text.iter().map(letter).collect());
    BASE64.decode(&*text).map(Zeroizing::new).ok()
}

/// Decodes pairs of hexadecimal digits.
pub fn unhex(digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let value = |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, rest) = digits.trim_ascii_end().as_chunks::<2>();
    // Allocated in full, so that a growing buffer leaves no copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(pairs.len()));
    for [high, low] in pairs {
        bytes.push(value(high)? << 4 | value(low)?);
    }
    rest.is_empty().then_some(bytes)
}
