//! Verifiers: the keys that check signatures. A decision needs these and never a [`Signer`](super::Signer).

use std::fmt;
use std::sync::Arc;

use super::hmac::HmacKey;
use super::near::{self, NearFit};
use super::public::{Components, PublicKey};
use super::secret::KeyOrigin;
use crate::auth::algorithm::{Algorithm, Family};
use crate::text;

/// The longest `kid` that is shown as a whole, in bytes: a thumbprint (RFC 7638), which users compare, has 43.
const KID: usize = 64;

/// A key that checks signatures of one algorithm, or of the algorithms of its family. Clones share the key.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    kid: Option<Box<str>>,
    origin: KeyOrigin,
    bits: usize,
    /// Every algorithm that the key may be used with; at least one.
    algorithms: Box<[Algorithm]>,
    material: Material,
}

enum Material {
    Hmac {
        key: HmacKey,
        /// Other readings of the secret, which explain a signature that does not match.
        near: Box<[(NearFit, HmacKey)]>,
    },
    Public(PublicKey),
}

impl Verifier {
    /// Creates a verifier with a shared secret; `None` if the algorithm is not an HMAC. Short secrets work, and are
    /// reported by [`Verifier::is_weak`]. With a `kid`, it accepts headers with that `kid` or without one; otherwise it
    /// accepts every header (RFC 7515 §4.1.4: `kid` is a hint). `written` is the secret as its owner wrote it.
    pub(super) fn hmac(
        algorithm: Algorithm,
        secret: &[u8],
        written: &[u8],
        origin: KeyOrigin,
        kid: Option<&str>,
    ) -> Option<Self> {
        let key = HmacKey::new(algorithm, secret)?;
        let near = near::readings(algorithm, secret, written);
        let (bits, algorithms) = (secret.len() * 8, Box::new([algorithm]));
        Some(Self(Arc::new(Inner {
            kid: kid.map(Into::into),
            origin,
            bits,
            algorithms,
            material: Material::Hmac { key, near },
        })))
    }

    /// Creates a verifier with a public key. An empty `kid` is one like any other.
    pub(super) fn public(key: PublicKey, origin: KeyOrigin, kid: Option<&str>) -> Self {
        let (bits, algorithms) = (key.components.bits(), key.algorithms().collect());
        let material = Material::Public(key);
        Self(Arc::new(Inner { kid: kid.map(Into::into), origin, bits, algorithms, material }))
    }

    /// The algorithms of the signatures that it checks; at least one.
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.0.algorithms
    }

    /// The kind of the key.
    pub fn family(&self) -> Family {
        match &self.0.material {
            Material::Hmac { .. } => Family::Hmac,
            Material::Public(key) => key.components.family(),
        }
    }

    /// The components of a public key; `None` for a shared secret.
    pub fn components(&self) -> Option<&Components> {
        match &self.0.material {
            Material::Hmac { .. } => None,
            Material::Public(key) => Some(&key.components),
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

    /// Whether it is shorter than RFC 7518 requires for its algorithm.
    pub fn is_weak(&self) -> bool {
        self.algorithms().iter().all(|algorithm| self.0.bits < algorithm.strong_bits())
    }

    /// The key as shown in the console's header: `fresh, HS256, 256 bits`.
    pub fn describe(&self) -> String {
        format!("{}, {}", self.origin().word(), self.summary())
    }

    /// The same without its origin: `HS256, 256 bits`.
    pub fn summary(&self) -> String {
        let weak = if self.is_weak() { ", weak" } else { "" };
        let kind = self.kind();
        let named = self.kid().map_or_else(String::new, |name| format!(", kid {}", text::name(name, KID)));
        format!("{kind}, {} bits{weak}{named}", self.bits())
    }

    /// The algorithm of its signatures, if it is only one.
    pub fn only_algorithm(&self) -> Option<Algorithm> {
        match self.algorithms() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// Its algorithm if it has only one, or else the kind of the key, in words.
    pub fn kind(&self) -> &'static str {
        self.only_algorithm().map_or(self.family().words(), Algorithm::name)
    }

    /// Whether this is the other verifier or a clone of it.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether both are the same key, with the same `kid` and algorithms. Shared secrets are compared by a MAC.
    pub fn is_same(&self, other: &Self) -> bool {
        const PROBE: &[u8] = b"probe";
        let is_same_key = match (&self.0.material, &other.0.material) {
            (Material::Hmac { key: own, .. }, Material::Hmac { key: other, .. }) => {
                own.is_mac(PROBE, &other.mac(PROBE))
            }
            (Material::Public(own), Material::Public(other)) => own.components == other.components,
            _ => false,
        };
        is_same_key && (self.kid(), self.algorithms()) == (other.kid(), other.algorithms())
    }

    /// Whether it checks signatures of this algorithm.
    pub(super) fn accepts(&self, algorithm: Algorithm) -> bool {
        self.algorithms().contains(&algorithm)
    }

    /// Whether a header with this `kid`, or without one, can refer to this key.
    pub(super) fn answers_to(&self, kid: Option<&str>) -> bool {
        kid.is_none_or(|kid| self.kid().is_none_or(|own| own == kid))
    }

    /// Whether `signature` was made over `signed` with this key and algorithm. MACs are compared in constant time.
    pub(in crate::auth) fn verify(&self, algorithm: Algorithm, signed: &str, signature: &[u8]) -> bool {
        match &self.0.material {
            Material::Hmac { key, .. } => key.algorithm() == algorithm && key.is_mac(signed.as_bytes(), signature),
            Material::Public(key) => key.verify(algorithm, signed.as_bytes(), signature),
        }
    }

    /// The reading of a shared secret with which `signature` was made over `signed`. Every reading is tried once, so
    /// the cost does not depend on the signature.
    pub(super) fn near_fit(&self, algorithm: Algorithm, signed: &str, signature: &[u8]) -> Option<NearFit> {
        let Material::Hmac { key, near } = &self.0.material else { return None };
        let made = |key: &HmacKey| key.is_mac(signed.as_bytes(), signature);
        let fits = near.iter().filter(|(_, other)| key.algorithm() == algorithm && made(other)).map(|(fit, _)| *fit);
        fits.fold(None, |first, fit| first.or(Some(fit)))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({})", self.describe())
    }
}
