//! The keys that a key file had before. Whoever rotates often would otherwise accept every key for ever.

use super::KeySet;
use super::secret::KeyOrigin;
use super::signer::Signer;
use super::verifier::Verifier;

/// How many previous keys of a file still verify. A key that signs tokens of an hour can so be replaced four times an
/// hour, and no valid token is refused.
pub const MOST_FORMER: usize = 4;

/// The previous keys of a key file that still verify, newest first.
#[derive(Clone, Debug, Default)]
pub struct FormerKeys(Vec<Verifier>);

impl FormerKeys {
    /// Records that the file's key `old` is replaced by `new`. `keys` are those that verify; others were retired. Returns
    /// the key to retire if there are more than [`MOST_FORMER`]. Keys that were not read from a file are not counted:
    /// they are retired by hand.
    pub fn replace(&mut self, old: &Signer, new: &Signer, keys: &KeySet) -> Option<Verifier> {
        self.0.retain(|key| keys.iter().any(|known| known.is(key)) && !new.is_verified_by(key));
        if old.verifier().origin() == KeyOrigin::File {
            self.0.insert(0, old.verifier().clone());
        }
        if self.0.len() > MOST_FORMER { self.0.pop() } else { None }
    }

    /// The number of previous keys that still verify.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(secret: &str, origin: KeyOrigin) -> Signer {
        Signer::hs256(secret.as_bytes(), origin).expect("a key")
    }

    /// Rotates through these keys, and returns which rotation retired a key, and which of the keys verify.
    fn rotate(former: &mut FormerKeys, signers: &[Signer]) -> (Vec<bool>, Vec<bool>) {
        let mut keys = KeySet::from(&signers[0]);
        let mut retired = Vec::new();
        for pair in signers.windows(2) {
            let dropped = former.replace(&pair[0], &pair[1], &keys);
            retired.push(dropped.is_some());
            keys = keys.rotated(&pair[1]);
            if let Some(dropped) = dropped {
                keys = keys.without(&dropped);
            }
        }
        (retired, signers.iter().map(|signer| keys.iter().any(|key| signer.is_verified_by(key))).collect())
    }

    #[test]
    fn the_oldest_key_of_a_file_is_retired_when_four_newer_ones_have_been_replaced() {
        let signers: Vec<Signer> = (0..7).map(|n| signer(&format!("secret {n}"), KeyOrigin::File)).collect();
        let mut former = FormerKeys::default();
        let (retired, verify) = rotate(&mut former, &signers);
        assert_eq!(retired, [false, false, false, false, true, true]);
        assert_eq!(verify, [false, false, true, true, true, true, true]);
        assert_eq!(former.count(), MOST_FORMER);
    }

    #[test]
    fn a_key_that_is_put_back_is_not_a_previous_one_and_a_generated_key_is_never_retired() {
        let [a, b] = ["a", "b"].map(|secret| signer(secret, KeyOrigin::File));
        let mut former = FormerKeys::default();
        let there_and_back: Vec<Signer> = [&a, &b].into_iter().cycle().take(9).cloned().collect();
        assert_eq!(rotate(&mut former, &there_and_back).0, [false; 8]);
        assert_eq!(former.count(), 1);
        let generated: Vec<Signer> = (0..9).map(|n| signer(&format!("{n}"), KeyOrigin::Fresh)).collect();
        assert_eq!(rotate(&mut FormerKeys::default(), &generated).0, [false; 8]);
    }
}
