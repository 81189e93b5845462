//! Verifiers: the keys that check signatures. A decision needs these and never a [`Signer`](super::Signer).

use std::fmt;
use std::sync::Arc;

use super::hs256::Hs256;
use super::secret::KeyOrigin;
use crate::auth::algorithm::Algorithm;

/// The size below which a key is weak for HS256, in bits (RFC 7518 §3.2: at least the size of the hash).
pub const STRONG_BITS: usize = 256;

/// A key that checks signatures of one algorithm. Clones share the key.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    kid: Option<Box<str>>,
    origin: KeyOrigin,
    bits: usize,
    material: Material,
}

enum Material {
    Hmac(Hs256),
}

impl Verifier {
    /// Creates a verifier of HS256 tokens. Short secrets work, and are reported by [`Verifier::is_weak`]. With a `kid`,
    /// it accepts headers with that `kid` or without one; otherwise it accepts every header (RFC 7515 §4.1.4: `kid` is
    /// a hint).
    pub(super) fn hs256(secret: &[u8], origin: KeyOrigin, kid: Option<&str>) -> Self {
        let material = Material::Hmac(Hs256::new(secret));
        Self(Arc::new(Inner { kid: kid.map(Into::into), origin, bits: secret.len() * 8, material }))
    }

    /// The algorithm of the signatures that it checks.
    pub fn algorithm(&self) -> Algorithm {
        match self.0.material {
            Material::Hmac(_) => Algorithm::Hs256,
        }
    }

    /// The `kid` by which headers select it (RFC 7515 §4.1.4).
    pub fn kid(&self) -> Option<&str> {
        self.0.kid.as_deref()
    }

    /// The origin of its secret or key.
    pub fn origin(&self) -> KeyOrigin {
        self.0.origin
    }

    /// The size of the key, in bits.
    pub fn bits(&self) -> usize {
        self.0.bits
    }

    /// Whether it is shorter than RFC 7518 §3.2 requires.
    pub fn is_weak(&self) -> bool {
        self.0.bits < STRONG_BITS
    }

    /// The key as a header shows it: `fresh, HS256, 256 bits`.
    pub fn describe(&self) -> String {
        let weak = if self.is_weak() { ", weak" } else { "" };
        format!("{}, {}, {} bits{weak}", self.origin().word(), self.algorithm(), self.bits())
    }

    /// Whether a header with this `kid`, or without one, can refer to this key.
    pub(super) fn answers_to(&self, kid: Option<&str>) -> bool {
        kid.is_none_or(|kid| self.kid().is_none_or(|own| own == kid))
    }

    /// Whether `signature` was made over `signed` with this key. MACs are compared in constant time.
    pub(in crate::auth) fn verify(&self, signed: &str, signature: &[u8]) -> bool {
        match &self.0.material {
            Material::Hmac(key) => key.is_mac(signed.as_bytes(), signature),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({})", self.describe())
    }
}
