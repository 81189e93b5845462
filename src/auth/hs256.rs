//! HS256 (RFC 7518 §3.2) for jsonwebtoken, over the hmac and sha2 crates: the one algorithm there is. Of the others nothing is even linked.

use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result, new_error};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};
use sha2::Sha256;
use signature::{Signer, Verifier};

/// Makes jsonwebtoken sign with this, unless the process has told it what else to sign with.
pub fn install() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| signer(*algorithm, key),
        verifier_factory: |algorithm, key| verifier(*algorithm, key),
        key_utils: KeyUtils {
            rsa_pub_components_from_private_key: |_| Err(other()),
            rsa_pub_components_from_public_key: |_| Err(other()),
            ec_pub_components_from_private_key: |_, _| Err(other()),
            ed_pub_components_from_private_key: |_, _| Err(other()),
            compute_digest: |_, _| Err(other()),
        },
    };
    // An error says that one is installed already.
    let _ = PROVIDER.install_default();
}

fn signer(algorithm: Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Box::new(Hs256::new(key.as_bytes()))),
        _ => Err(other()),
    }
}

fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Box::new(Hs256::new(key.try_get_as_bytes()?))),
        _ => Err(other()),
    }
}

/// What is wanted is not HS256.
fn other() -> jsonwebtoken::errors::Error {
    new_error(ErrorKind::InvalidAlgorithm)
}

/// A key that is ready: both of its hashes have begun. It is wiped when it goes.
#[derive(Clone)]
pub struct Hs256(Hmac<Sha256>);

impl Hs256 {
    /// From a secret of any length (RFC 2104 §3).
    pub fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("HMAC takes keys of every length"))
    }

    /// The MAC of a message.
    pub fn mac(&self, message: &[u8]) -> [u8; 32] {
        self.0.clone().chain_update(message).finalize().into_bytes().into()
    }

    /// Whether this is the message's MAC; compared in constant time.
    pub fn is_mac(&self, message: &[u8], mac: &[u8]) -> bool {
        self.0.clone().chain_update(message).verify_slice(mac).is_ok()
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        Ok(self.mac(message).to_vec())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        if self.is_mac(message, signature) { Ok(()) } else { Err(signature::Error::new()) }
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Header, Validation, decode, encode};
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &[u8] = b"a secret";

    #[test]
    fn jsonwebtoken_signs_and_verifies_with_it() {
        install();
        let claims = json!({"user_id": "user123", "exp": 4_102_444_800_u64});
        let token =
            encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET)).expect("a token");
        let read = |secret: &[u8]| {
            decode::<Value>(&token, &DecodingKey::from_secret(secret), &Validation::new(Algorithm::HS256))
        };
        assert_eq!(read(SECRET).expect("its own").claims, claims);
        assert_eq!(read(b"another").expect_err("another's").kind(), &ErrorKind::InvalidSignature);
    }

    #[rstest]
    #[case(Algorithm::HS384)]
    #[case(Algorithm::HS512)]
    #[case(Algorithm::RS256)]
    #[case(Algorithm::EdDSA)]
    fn another_algorithm_is_an_error_and_no_panic(#[case] algorithm: Algorithm) {
        install();
        let signed = encode(&Header::new(algorithm), &json!({}), &EncodingKey::from_secret(SECRET));
        assert!(signed.is_err(), "{signed:?}");
        assert!(signer(algorithm, &EncodingKey::from_secret(SECRET)).is_err());
        assert!(verifier(algorithm, &DecodingKey::from_secret(SECRET)).is_err());
    }

    #[test]
    fn a_key_of_another_family_signs_nothing() {
        assert!(signer(Algorithm::HS256, &EncodingKey::from_rsa_der(SECRET)).is_err());
    }
}
