//! Signers: the secrets that sign tokens issued here. They are kept outside [`Rules`](crate::auth::Rules), because a
//! decision never needs them, and they are never displayed or included in `Debug`.

use std::fmt;

use zeroize::Zeroizing;

use super::hs256::Hs256;
use super::secret::{self, KeyError, KeyOrigin, MAX_SECRET_BYTES};
use super::verifier::Verifier;
use crate::auth::algorithm::Algorithm;

/// A key that signs, with the verifier for its signatures. Creating one has no side effects: no process-wide
/// `CryptoProvider` is installed.
#[derive(Clone)]
pub struct Signer {
    private: SigningKey,
    verifier: Verifier,
}

#[derive(Clone)]
enum SigningKey {
    Hmac(Hs256),
}

impl Signer {
    /// Creates a signer of HS256 tokens. Short secrets work, and are reported by [`Verifier::is_weak`].
    pub fn hs256(secret: &[u8], origin: KeyOrigin) -> Result<Self, KeyError> {
        Self::make(secret, origin, None)
    }

    /// Like [`Signer::hs256`], with a name: the verifier refuses headers with another `kid`.
    pub fn hs256_named(secret: &[u8], origin: KeyOrigin, kid: &str) -> Result<Self, KeyError> {
        Self::make(secret, origin, Some(kid))
    }

    /// Creates a signer from a secret as people write it: `hex:` and hex digits, `b64:` and base64 (either alphabet,
    /// padded or not), or the secret itself.
    pub fn from_written(written: &[u8], origin: KeyOrigin) -> Result<Self, KeyError> {
        Self::hs256(&secret::decode(written)?, origin)
    }

    /// Creates a signer with 32 bytes from the operating system's random number generator.
    pub fn fresh() -> Result<Self, KeyError> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret).map_err(|_| KeyError::NoRandomness)?;
        Self::hs256(&*secret, KeyOrigin::Fresh)
    }

    fn make(secret: &[u8], origin: KeyOrigin, kid: Option<&str>) -> Result<Self, KeyError> {
        match secret.len() {
            0 => Err(KeyError::Empty),
            n if n > MAX_SECRET_BYTES => Err(KeyError::TooLong),
            _ => Ok(Self {
                private: SigningKey::Hmac(Hs256::new(secret)),
                verifier: Verifier::hs256(secret, origin, kid),
            }),
        }
    }

    /// The key that checks this signer's signatures.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The algorithm that it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.verifier.algorithm()
    }

    /// The key as shown in the console's header: `fresh, HS256, 256 bit`.
    pub fn describe(&self) -> String {
        self.verifier.describe()
    }

    /// Signs a text: `header.payload`, or the deliberately different text of a test token.
    pub(crate) fn sign(&self, text: &str) -> Vec<u8> {
        match &self.private {
            SigningKey::Hmac(key) => key.mac(text.as_bytes()).to_vec(),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.describe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("my-secret", "my-secret")]
    #[case("hex:6d792d736563726574", "my-secret")]
    #[case("hex:6D792D736563726574\n", "my-secret")]
    #[case("b64:bXktc2VjcmV0", "my-secret")]
    #[case("b64:/+8=", "\u{ff}\u{ef}")]
    #[case("b64:_-8", "\u{ff}\u{ef}")]
    fn a_secret_is_read_as_it_is_written(#[case] written: &str, #[case] secret: &str) {
        let secret: Vec<u8> = match secret.is_ascii() {
            true => secret.into(),
            false => secret.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect(),
        };
        let key = Signer::from_written(written.as_bytes(), KeyOrigin::Typed).expect("a key");
        let same = Signer::hs256(&secret, KeyOrigin::Typed).expect("a key");
        assert_eq!(key.sign("x"), same.sign("x"));
        assert!(key.verifier().verify("x", &same.sign("x")));
    }

    #[rstest]
    #[case("hex:6d7", KeyError::NotHex)]
    #[case("hex:my", KeyError::NotHex)]
    #[case("b64:@", KeyError::NotBase64)]
    #[case("hex:", KeyError::Empty)]
    #[case("b64:", KeyError::Empty)]
    #[case("", KeyError::Empty)]
    fn a_secret_that_is_not_what_it_says_is_refused(#[case] written: &str, #[case] error: KeyError) {
        assert_eq!(Signer::from_written(written.as_bytes(), KeyOrigin::Typed).map(|_| ()), Err(error));
    }
}
