//! Public keys: the asymmetric material of a [`Verifier`](super::Verifier).

use aws_lc_rs::signature::{self as lc, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};

use crate::auth::algorithm::{Algorithm, Family};

/// The smallest accepted RSA modulus, in bits (RFC 7518 §3.3 and §3.5).
pub const SMALLEST_RSA: usize = 2048;

/// The largest accepted RSA modulus, in bits: the cost of a check grows with the square of the size.
pub const LARGEST_RSA: usize = 8192;

/// Why a public key cannot be used. Safe to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// An RSA modulus below [`SMALLEST_RSA`].
    #[error("an RSA key of {0} bits is too short, expected at least {SMALLEST_RSA}")]
    TooShort(usize),
    /// An RSA modulus above [`LARGEST_RSA`].
    #[error("an RSA key of {0} bits is too long, expected at most {LARGEST_RSA}")]
    TooLong(usize),
    /// The components do not form a key.
    #[error("the values do not form a valid {} key", .0.words())]
    Invalid(Family),
    /// A structure that contains no key of a supported kind.
    #[error("expected a public key or certificate for RSA, P-256, P-384, P-521 or Ed25519")]
    Unsupported,
}

/// The components of a public key, as in a JWK (RFC 7518 §6, RFC 8037 §2): big-endian, without leading zeros for RSA and
/// of full length for a curve.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the members of a JWK")]
pub enum Components {
    Rsa { n: Box<[u8]>, e: Box<[u8]> },
    Curve { family: Family, x: Box<[u8]>, y: Box<[u8]> },
    Ed25519 { x: Box<[u8]> },
}

impl Components {
    /// The kind of the key.
    pub const fn family(&self) -> Family {
        match self {
            Self::Rsa { .. } => Family::Rsa,
            Self::Curve { family, .. } => *family,
            Self::Ed25519 { .. } => Family::Ed25519,
        }
    }

    /// The size of the modulus, or of the curve, in bits.
    pub fn bits(&self) -> usize {
        match self {
            Self::Rsa { n, .. } => {
                let unused = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
                (n.len() * 8).saturating_sub(unused)
            }
            Self::Curve { family: Family::P521, .. } => 521,
            Self::Curve { x, .. } | Self::Ed25519 { x } => x.len() * 8,
        }
    }

    /// Parses the key for one algorithm, which must be of its family.
    fn parse(&self, algorithm: Algorithm) -> Option<ParsedPublicKey> {
        let parsed = match self {
            Self::Rsa { n, e } => RsaPublicKeyComponents { n, e }.to_parsed_public_key(rsa(algorithm)?),
            Self::Curve { x, y, .. } => {
                let point = [&[4], &**x, &**y].concat();
                match algorithm {
                    Algorithm::Es256 => ParsedPublicKey::new(&lc::ECDSA_P256_SHA256_FIXED, point),
                    Algorithm::Es384 => ParsedPublicKey::new(&lc::ECDSA_P384_SHA384_FIXED, point),
                    Algorithm::Es512 => ParsedPublicKey::new(&lc::ECDSA_P521_SHA512_FIXED, point),
                    _ => return None,
                }
            }
            // A longer text would be taken for DER.
            Self::Ed25519 { x } if x.len() == 32 => ParsedPublicKey::new(&lc::ED25519, x),
            Self::Ed25519 { .. } => return None,
        };
        parsed.ok()
    }
}

/// The parameters of an RSA algorithm.
const fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &lc::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &lc::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &lc::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &lc::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &lc::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &lc::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

/// A public key, parsed once for each algorithm that it may be used with.
pub struct PublicKey {
    /// The values it was made from.
    pub components: Components,
    parsed: Box<[(Algorithm, ParsedPublicKey)]>,
}

impl PublicKey {
    /// Parses a key for one algorithm of its family, or for all of them.
    pub fn new(components: Components, only: Option<Algorithm>) -> Result<Self, PublicKeyError> {
        let (family, bits) = (components.family(), components.bits());
        match family {
            Family::Rsa if bits < SMALLEST_RSA => return Err(PublicKeyError::TooShort(bits)),
            Family::Rsa if bits > LARGEST_RSA => return Err(PublicKeyError::TooLong(bits)),
            _ => {}
        }
        let wanted = family.algorithms().filter(|algorithm| only.is_none_or(|only| only == *algorithm));
        let parsed: Option<Box<[_]>> =
            wanted.map(|algorithm| Some((algorithm, components.parse(algorithm)?))).collect();
        match parsed {
            Some(parsed) if !parsed.is_empty() => Ok(Self { components, parsed }),
            _ => Err(PublicKeyError::Invalid(family)),
        }
    }

    /// The algorithms of the signatures that it checks.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.parsed.iter().map(|(algorithm, _)| *algorithm)
    }

    /// Whether `signature` was made over `signed` with this key and algorithm. ECDSA signatures have the fixed length of
    /// RFC 7518 §3.4, not DER.
    pub fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        let key = self.parsed.iter().find(|(own, _)| *own == algorithm);
        key.is_some_and(|(_, key)| key.verify_sig(signed, signature).is_ok())
    }
}
