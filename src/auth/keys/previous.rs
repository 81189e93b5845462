//! The keys of our own issuer over time: those that are current, and the previous ones, whose tokens are still accepted.

use super::secret::KeyOrigin;
use super::signer::Signer;
use super::verifier::Verifier;

/// How many previous keys of one file still verify. A server whose key is replaced often would otherwise accept every
/// key that it ever had. Tokens of an hour stay valid if the key is replaced up to four times an hour.
pub const MOST_PREVIOUS: usize = 4;

/// The current key of our own issuer.
#[derive(Clone, Debug)]
pub struct SigningKeys {
    /// The key that signs, which also verifies.
    pub signer: Signer,
    /// The same key for further algorithms, which it only verifies.
    pub further: Vec<Verifier>,
}

impl SigningKeys {
    /// The verifiers, that of the signer first.
    pub fn verifiers(&self) -> impl Iterator<Item = &Verifier> {
        std::iter::once(self.signer.verifier()).chain(&self.further)
    }
}

impl From<Signer> for SigningKeys {
    fn from(signer: Signer) -> Self {
        Self { signer, further: Vec::new() }
    }
}

/// The previous keys of our own issuer, newest first.
#[derive(Clone, Debug, Default)]
pub struct PreviousKeys(Vec<PreviousKey>);

#[derive(Clone, Debug)]
struct PreviousKey {
    key: Verifier,
    /// Whether it gave way to another key in its file. Only such keys are limited in number: the others were generated,
    /// or are named as old ones by the user.
    was_replaced: bool,
}

impl PreviousKeys {
    /// Creates a list of keys that the user names as old ones.
    pub fn named(keys: impl IntoIterator<Item = Verifier>) -> Self {
        Self(keys.into_iter().map(|key| PreviousKey { key, was_replaced: false }).collect())
    }

    /// The keys, newest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Verifier> {
        self.0.iter().map(|previous| &previous.key)
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this verifier is one of them.
    pub fn contains(&self, key: &Verifier) -> bool {
        self.iter().any(|known| known.is(key))
    }

    /// Adds the current keys, which `new` replaces. A key of `new` that is put back is no longer a previous one. Returns
    /// the oldest key of a file, if there are more than [`MOST_PREVIOUS`]; it is removed.
    pub fn replace(&mut self, current: &[Verifier], new: &SigningKeys) -> Option<Verifier> {
        let gives_way = |key: &Verifier| {
            let is_of_file = key.origin() == KeyOrigin::File && new.signer.verifier().origin() == KeyOrigin::File;
            PreviousKey { key: key.clone(), was_replaced: is_of_file }
        };
        self.0.splice(0..0, current.iter().map(gives_way));
        self.0.retain(|previous| new.verifiers().all(|key| !key.is_same(&previous.key)));
        let replaced = self.0.iter().filter(|previous| previous.was_replaced).count();
        let oldest = self.0.iter().rposition(|previous| previous.was_replaced);
        oldest.filter(|_| replaced > MOST_PREVIOUS).map(|oldest| self.0.remove(oldest).key)
    }

    /// Removes a key, and returns whether it was one of them.
    pub fn remove(&mut self, key: &Verifier) -> bool {
        let before = self.0.len();
        self.0.retain(|previous| !previous.key.is(key));
        self.0.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Algorithm;
    use crate::auth::keys::SignerOptions;

    fn of(secret: &str, origin: KeyOrigin) -> SigningKeys {
        Signer::hs256(secret.as_bytes(), origin).expect("a key").into()
    }

    /// Rotates through these keys. Returns how many are left, and how many were dropped.
    fn rotated(all: &[SigningKeys]) -> (PreviousKeys, usize) {
        let (mut previous, mut dropped) = (PreviousKeys::default(), 0);
        for pair in all.windows(2) {
            let current: Vec<Verifier> = pair[0].verifiers().cloned().collect();
            dropped += usize::from(previous.replace(&current, &pair[1]).is_some());
        }
        (previous, dropped)
    }

    #[test]
    fn the_oldest_key_of_a_file_is_dropped_when_four_newer_ones_have_been_replaced() {
        let all: Vec<SigningKeys> = (0..7).map(|n| of(&format!("secret {n}"), KeyOrigin::File)).collect();
        let (previous, dropped) = rotated(&all);
        assert_eq!((previous.len(), dropped), (MOST_PREVIOUS, 2));
        let is_there = |keys: &SigningKeys| previous.contains(keys.signer.verifier());
        assert_eq!(all.iter().map(is_there).collect::<Vec<bool>>(), [false, false, true, true, true, true, false]);
    }

    #[test]
    fn generated_keys_and_old_secrets_are_never_dropped() {
        let generated: Vec<SigningKeys> = (0..9).map(|n| of(&format!("{n}"), KeyOrigin::Fresh)).collect();
        assert_eq!(rotated(&generated).1, 0);
        let old: Vec<Verifier> =
            (0..9).map(|n| of(&format!("old {n}"), KeyOrigin::File).signer.verifier().clone()).collect();
        let mut previous = PreviousKeys::named(old);
        let [a, b] = ["a", "b"].map(|secret| of(secret, KeyOrigin::File));
        assert!(previous.replace(&a.verifiers().cloned().collect::<Vec<_>>(), &b).is_none());
        assert_eq!(previous.len(), 10);
    }

    #[test]
    fn a_key_that_is_put_back_is_current_again() {
        let [a, b] = ["a", "b"].map(|secret| of(secret, KeyOrigin::File));
        let back_and_forth: Vec<SigningKeys> = [&a, &b].into_iter().cycle().take(9).cloned().collect();
        let (previous, dropped) = rotated(&back_and_forth);
        assert_eq!((previous.len(), dropped), (1, 0));
        assert!(previous.iter().all(|key| key.is_same(b.signer.verifier())));
    }

    /// The same key under another name: tokens with the old name must still be found.
    #[test]
    fn a_key_that_gets_another_kid_stays_under_its_old_one() {
        let der = Signer::generate(Algorithm::Es256).expect("a key").1;
        let crate::auth::keys::Generated::Pkcs8(der) = der else { panic!("no pair") };
        let named = |kid| {
            let options = SignerOptions { algorithm: None, kid: Some(kid) };
            SigningKeys::from(Signer::from_der(&der, KeyOrigin::File, options).expect("a key"))
        };
        let (previous, _) = rotated(&[named("old"), named("new")]);
        assert_eq!(previous.iter().map(Verifier::kid).collect::<Vec<_>>(), [Some("old")]);
    }
}
