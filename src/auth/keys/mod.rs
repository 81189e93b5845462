//! Keys: [`Verifier`]s in a [`KeySet`], which a decision needs, and the [`Signer`], which it does not.

mod hs256;
mod secret;
mod signer;
mod verifier;

use std::sync::Arc;

use super::algorithm::Algorithm;
use super::reason::Reason;

pub use secret::{KeyError, KeyOrigin, MAX_SECRET_BYTES};
pub use signer::Signer;
pub use verifier::{STRONG_BITS, Verifier};

/// The verifiers of one issuer. Keys are rotated by making a new set. Clones share the set.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Arc<[Verifier]>);

impl KeySet {
    /// Whether this is the other set or a clone of it. Equal sets that were made separately are different.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The verifiers, in the order of the set.
    pub fn iter(&self) -> impl Iterator<Item = &Verifier> {
        self.0.iter()
    }

    /// The algorithms that the verifiers accept, each once, in the order of the set.
    pub fn accepted(&self) -> Vec<Algorithm> {
        let mut all = Vec::new();
        for algorithm in self.iter().map(Verifier::algorithm) {
            if !all.contains(&algorithm) {
                all.push(algorithm);
            }
        }
        all
    }

    /// Makes the second part of check 3: a key here has the header's `alg`. The accepted algorithms follow from the
    /// keys and never from the token (RFC 8725 §3.1).
    pub(super) fn accept(&self, alg: Option<&str>) -> Result<(), Reason> {
        match self.of(alg).next() {
            Some(_) => Ok(()),
            None => Err(Reason::AlgorithmRefused { found: alg.map(Into::into), accepted: self.accepted().into() }),
        }
    }

    /// Makes the last part of check 3: returns the verifier for the header's `alg` and `kid`. A verifier with that
    /// `kid` takes precedence over the first one that accepts it.
    pub(super) fn find(&self, alg: Option<&str>, kid: Option<&str>) -> Result<&Verifier, Reason> {
        let named = kid.and_then(|kid| self.of(alg).find(|verifier| verifier.kid() == Some(kid)));
        let found = named.or_else(|| self.of(alg).find(|verifier| verifier.answers_to(kid)));
        found.ok_or_else(|| Reason::UnknownKey { kid: kid.unwrap_or_default().into() })
    }

    fn of(&self, alg: Option<&str>) -> impl Iterator<Item = &Verifier> {
        self.iter().filter(move |verifier| alg == Some(verifier.algorithm().name()))
    }
}

impl From<Verifier> for KeySet {
    fn from(verifier: Verifier) -> Self {
        Self(Arc::new([verifier]))
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
        Self(verifiers.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(kid: &str) -> Verifier {
        Verifier::hs256(kid.as_bytes(), KeyOrigin::Program, Some(kid))
    }

    #[test]
    fn a_kid_selects_among_keys_of_the_algorithm() {
        let set: KeySet = [named("old"), named("new")].into_iter().collect();
        let found = |kid| set.find(Some("HS256"), kid).map(|verifier| verifier.kid().map(str::to_owned));
        assert_eq!(found(Some("new")), Ok(Some("new".to_owned())));
        assert_eq!(found(None), Ok(Some("old".to_owned())));
        assert_eq!(found(Some("other")), Err(Reason::UnknownKey { kid: "other".into() }));
        // A verifier that accepts every `kid` does not take precedence over the one with this `kid`.
        let set: KeySet = [Verifier::hs256(b"any", KeyOrigin::Program, None), named("new")].into_iter().collect();
        let found = |kid| set.find(Some("HS256"), kid).map(|verifier| verifier.kid().map(str::to_owned));
        assert_eq!((found(Some("new")), found(Some("other"))), (Ok(Some("new".to_owned())), Ok(None)));
    }

    #[test]
    fn an_algorithm_that_no_key_has_is_refused_with_those_that_are_accepted() {
        let set: KeySet = named("only").into();
        for alg in [None, Some("none"), Some("hs256"), Some("RS256")] {
            let accepted = [Algorithm::Hs256].into();
            let refused = Reason::AlgorithmRefused { found: alg.map(Into::into), accepted };
            assert_eq!(set.accept(alg).err(), Some(refused));
        }
        let none = Reason::AlgorithmRefused { found: Some("HS256".into()), accepted: [].into() };
        assert_eq!(none.to_string(), "not verified: no key is configured, so the HS256 signature cannot be checked");
        assert_eq!(KeySet::default().accept(Some("HS256")).err(), Some(none));
    }
}
