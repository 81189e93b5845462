//! Keys: [`Verifier`]s in a [`KeySet`], which a decision needs, and the [`Signer`], which it does not.

mod der;
mod file;
mod hmac;
pub mod jwk;
mod material;
mod near;
mod previous;
mod public;
mod secret;
mod signer;
mod verifier;

use std::sync::Arc;

use super::algorithm::Algorithm;
use super::reason::Reason;

pub use der::{ecdsa_signature, public_key_info};
pub use file::{DamagedPem, KeyFileError, PublicFileError, public_pem, read_private, read_public};
pub(crate) use hmac::hs256;
pub use jwk::{KeysRead, RefusedKey};
pub use material::{file_kind, without_mark};
pub use near::NearFit;
pub use previous::{MOST_PREVIOUS, PreviousKeys, SigningKeys};
pub use public::{Components, PublicKeyError, SMALLEST_RSA};
pub use secret::{FileKind, KeyError, KeyOrigin, MAX_SECRET_BYTES};
pub use signer::{Generated, Signer, SignerOptions};
pub use verifier::Verifier;

/// The verifiers of one issuer. Keys are rotated by making a new set. Clones share the set.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    verifiers: Box<[Verifier]>,
    /// The keys of the source that cannot be used, for display.
    refused: Box<[RefusedKey]>,
    state: State,
}

/// Whether the keys of a set are known. Unless they are, nothing is verified, and nothing is refused as unknown either.
#[derive(Debug, Default)]
enum State {
    /// They are known.
    #[default]
    Known,
    /// They have not been read from their source yet.
    Unread,
    /// They could not be fetched, for this reason.
    Unavailable(Arc<str>),
}

/// The most keys that a signature is compared with, where the header does not say which one made it.
const MOST_TRIED: usize = 16;

/// The keys of a set that a header can refer to, all of them for one algorithm.
#[derive(Clone, Debug)]
pub struct Candidates<'k> {
    /// The header's algorithm.
    pub algorithm: Algorithm,
    first: &'k Verifier,
    /// The others; nearly always there are none, so that nothing is allocated.
    others: Vec<&'k Verifier>,
}

impl<'k> Candidates<'k> {
    /// Makes check 4: returns the key that the signature was made with.
    pub(super) fn verify(&self, signed: &str, signature: &[u8]) -> Result<&'k Verifier, Reason> {
        let made = |key: &&Verifier| key.verify(self.algorithm, signed, signature);
        let mut keys = std::iter::once(self.first).chain(self.others.iter().copied());
        keys.find(made).ok_or(Reason::BadSignature)
    }

    /// How a shared secret would have to be written for the signature to match, if one of the usual mistakes explains
    /// the mismatch. For display only.
    pub(super) fn near_fit(&self, signed: &str, signature: &[u8]) -> Option<NearFit> {
        let mut keys = std::iter::once(self.first).chain(self.others.iter().copied());
        keys.find_map(|key| key.near_fit(self.algorithm, signed, signature))
    }

    /// The number of keys.
    pub(super) fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// The first key; the only one unless the header has no `kid` and several keys fit.
    pub(super) fn first(&self) -> &'k Verifier {
        self.first
    }
}

impl KeySet {
    /// Creates a set whose keys could not be fetched, for this reason.
    pub fn unavailable(why: impl Into<Arc<str>>) -> Self {
        Self(Arc::new(Inner { state: State::Unavailable(why.into()), ..Inner::default() }))
    }

    /// Creates a set whose keys have not been read from their source yet.
    pub fn unread() -> Self {
        Self(Arc::new(Inner { state: State::Unread, ..Inner::default() }))
    }

    /// Whether the keys have not been read from their source yet.
    pub fn is_unread(&self) -> bool {
        matches!(self.0.state, State::Unread)
    }

    /// Why there are no keys at present, if they could not be fetched or have not been read.
    pub fn unavailable_because(&self) -> Option<&str> {
        match &self.0.state {
            State::Known => None,
            State::Unread => Some("they have not been read yet"),
            State::Unavailable(why) => Some(why),
        }
    }

    /// The keys of the source that cannot be used.
    pub fn refused(&self) -> &[RefusedKey] {
        &self.0.refused
    }

    /// Whether this is the other set or a clone of it. Equal sets that were made separately are different.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether the set is empty, and not because its keys are unavailable.
    pub fn is_empty(&self) -> bool {
        self.0.verifiers.is_empty() && matches!(self.0.state, State::Known)
    }

    /// The verifiers, in the order of the set.
    pub fn iter(&self) -> impl Iterator<Item = &Verifier> {
        self.0.verifiers.iter()
    }

    /// Returns the set without this verifier.
    #[must_use]
    pub fn without(&self, verifier: &Verifier) -> Self {
        self.iter().filter(|key| !key.is(verifier)).cloned().collect()
    }

    /// The algorithms that the verifiers accept, each once, in the order of the set.
    pub fn accepted(&self) -> Vec<Algorithm> {
        let mut all = Vec::new();
        for algorithm in self.iter().flat_map(Verifier::algorithms) {
            if !all.contains(algorithm) {
                all.push(*algorithm);
            }
        }
        all
    }

    /// Makes the second part of check 3: a key here has the header's `alg`. The accepted algorithms follow from the
    /// keys, and from `only` if it is not empty, and never from the token (RFC 8725 §3.1).
    pub(super) fn accept(&self, alg: Option<&str>, only: &[Algorithm]) -> Result<Algorithm, Reason> {
        if let Some(why) = self.unavailable_because() {
            return Err(Reason::KeysUnavailable { why: why.into() });
        }
        let allows = |algorithm: &Algorithm| only.is_empty() || only.contains(algorithm);
        let named = alg.and_then(Algorithm::named).filter(allows);
        named.filter(|algorithm| self.iter().any(|key| key.accepts(*algorithm))).ok_or_else(|| {
            let accepted: Vec<Algorithm> = self.accepted().into_iter().filter(allows).collect();
            // Of keys that are all for other algorithms, those that the issuer may use are named.
            let accepted = if accepted.is_empty() && !self.is_empty() { only.to_vec() } else { accepted };
            Reason::AlgorithmRefused { found: alg.map(Into::into), accepted: accepted.into() }
        })
    }

    /// Makes the last part of check 3: returns the verifiers for the header's algorithm and `kid`: those with that
    /// `kid`, else those that accept it because they have none. Without a `kid`, or with an empty one that no key has,
    /// every key of the algorithm is one.
    pub(super) fn find(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<Candidates<'_>, Reason> {
        let of = || self.iter().filter(move |key| key.accepts(algorithm));
        let is_named = kid.is_some() && of().any(|key| key.kid() == kid);
        let kid = kid.filter(|kid| is_named || !kid.is_empty());
        let fits = |key: &&Verifier| if is_named { key.kid() == kid } else { key.answers_to(kid) };
        let mut keys = of().filter(fits).take(MOST_TRIED);
        match keys.next() {
            Some(first) => Ok(Candidates { algorithm, first, others: keys.collect() }),
            None => Err(Reason::UnknownKey { kid: kid.unwrap_or_default().into() }),
        }
    }
}

impl From<Verifier> for KeySet {
    fn from(verifier: Verifier) -> Self {
        [verifier].into_iter().collect()
    }
}

/// Creates a set with the verifier of the signer's signatures.
impl From<&Signer> for KeySet {
    fn from(signer: &Signer) -> Self {
        signer.verifier().clone().into()
    }
}

impl FromIterator<Verifier> for KeySet {
    fn from_iter<I: IntoIterator<Item = Verifier>>(verifiers: I) -> Self {
        Self(Arc::new(Inner { verifiers: verifiers.into_iter().collect(), ..Inner::default() }))
    }
}

/// Creates a set with the usable keys of a source. It remembers which others were refused, for display.
impl From<KeysRead> for KeySet {
    fn from(read: KeysRead) -> Self {
        let (verifiers, refused) = (read.keys.into(), read.refused.into());
        Self(Arc::new(Inner { verifiers, refused, state: State::Known }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(kid: &str) -> Verifier {
        Verifier::hmac(Algorithm::Hs256, kid.as_bytes(), b"", KeyOrigin::Program, Some(kid)).expect("an HMAC")
    }

    #[test]
    fn a_kid_selects_among_keys_of_the_algorithm() {
        let set: KeySet = [named("old"), named("new")].into_iter().collect();
        let found = |kid| set.find(Algorithm::Hs256, kid).map(|found| found.first().kid().map(str::to_owned));
        assert_eq!(found(Some("new")), Ok(Some("new".to_owned())));
        assert_eq!(found(None), Ok(Some("old".to_owned())));
        assert_eq!(found(Some("")), Ok(Some("old".to_owned())));
        assert_eq!(found(Some("other")), Err(Reason::UnknownKey { kid: "other".into() }));
        // A verifier that accepts every `kid` does not take precedence over the one with this `kid`.
        let unnamed = Verifier::hmac(Algorithm::Hs256, b"any", b"", KeyOrigin::Program, None).expect("an HMAC");
        let set: KeySet = [unnamed, named("new")].into_iter().collect();
        let found = |kid| set.find(Algorithm::Hs256, kid).map(|found| found.first().kid().map(str::to_owned));
        assert_eq!((found(Some("new")), found(Some("other"))), (Ok(Some("new".to_owned())), Ok(None)));
    }

    #[test]
    fn an_algorithm_that_no_key_has_is_refused_with_those_that_are_accepted() {
        let set: KeySet = named("only").into();
        for alg in [None, Some("none"), Some("hs256"), Some("RS256")] {
            let accepted = [Algorithm::Hs256].into();
            let refused = Reason::AlgorithmRefused { found: alg.map(Into::into), accepted };
            assert_eq!(set.accept(alg, &[]).err(), Some(refused));
        }
        let none = Reason::AlgorithmRefused { found: Some("HS256".into()), accepted: [].into() };
        assert_eq!(none.to_string(), "no key is configured, so the HS256 signature cannot be checked");
        assert_eq!(KeySet::default().accept(Some("HS256"), &[]).err(), Some(none));
    }
}
