//! The signature algorithms, named as in token headers (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2).

use std::fmt;

/// A supported signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the RFCs, and the table below has the parts of each")]
pub enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    Ed25519,
}

/// The kind of key that an algorithm needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// A shared secret.
    Hmac,
    /// An RSA key, for PKCS #1 v1.5 or PSS signatures.
    Rsa,
    /// A key on the curve P-256.
    P256,
    /// A key on the curve P-384.
    P384,
    /// A key on the curve P-521.
    P521,
    /// A key on the curve Ed25519.
    Ed25519,
}

impl Algorithm {
    /// Every algorithm, HMAC first.
    pub const ALL: [Self; 13] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Ed25519,
    ];

    /// The name that headers use. Ed25519 is `EdDSA` there: RFC 9864 replaces that name, but few verifiers know the
    /// new one yet.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Ed25519 => "EdDSA",
        }
    }

    /// Returns the algorithm with this name; names are case-sensitive. `Ed25519` is the name of RFC 9864.
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == name);
        found.or((name == "Ed25519").then_some(Self::Ed25519))
    }

    /// The kind of key that it needs.
    pub const fn family(self) -> Family {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => Family::Hmac,
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => Family::Rsa,
            Self::Es256 => Family::P256,
            Self::Es384 => Family::P384,
            Self::Es512 => Family::P521,
            Self::Ed25519 => Family::Ed25519,
        }
    }

    /// The smallest size of its key that is not weak, in bits: RFC 7518 §3.2 for HMAC, §3.3 and §3.5 for RSA. A curve
    /// fixes the size.
    pub const fn strong_bits(self) -> usize {
        match self {
            Self::Hs256 | Self::Es256 | Self::Ed25519 => 256,
            Self::Hs384 | Self::Es384 => 384,
            Self::Hs512 => 512,
            Self::Es512 => 521,
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => 2048,
        }
    }
}

impl Family {
    /// The algorithms that a key of this kind can be used with.
    pub fn algorithms(self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL.into_iter().filter(move |algorithm| algorithm.family() == self)
    }

    /// The kind in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Hmac => "HMAC secret",
            Self::Rsa => "RSA",
            Self::P256 => "EC P-256",
            Self::P384 => "EC P-384",
            Self::P521 => "EC P-521",
            Self::Ed25519 => "Ed25519",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_is_found_by_its_exact_name() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::named(algorithm.name()), Some(algorithm));
            assert_eq!(Algorithm::named(&algorithm.name().to_lowercase()), None);
            assert!(algorithm.family().algorithms().any(|other| other == algorithm));
        }
        assert_eq!(Algorithm::named("Ed25519"), Some(Algorithm::Ed25519));
        assert_eq!([Algorithm::named("none"), Algorithm::named("ML-DSA-65"), Algorithm::named("")], [None; 3]);
    }
}
