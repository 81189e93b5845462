//! HS256 (RFC 7518 §3.2) for jsonwebtoken, over aws-lc: the one algorithm there is. Of the others nothing is even linked.

use aws_lc_rs::hmac;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result, new_error};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};
use signature::{Signer, Verifier};

/// Makes jsonwebtoken sign with this, unless the process has told it what else to sign with.
pub fn install() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: signer,
        verifier_factory: verifier,
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

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    Ok(Box::new(Hs256::new(*algorithm, key.family(), key.as_bytes())?))
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    Ok(Box::new(Hs256::new(*algorithm, key.family(), key.try_get_as_bytes()?)?))
}

/// What is wanted is not HS256.
fn other() -> jsonwebtoken::errors::Error {
    new_error(ErrorKind::InvalidAlgorithm)
}

struct Hs256(hmac::Key);

impl Hs256 {
    fn new(algorithm: Algorithm, family: AlgorithmFamily, secret: &[u8]) -> Result<Self> {
        match (algorithm, family) {
            (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret))),
            _ => Err(other()),
        }
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        hmac::verify(&self.0, message, signature).map_err(signature::Error::from_source)
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
        let token = encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET)).expect("a token");
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
        assert!(signer(&algorithm, &EncodingKey::from_secret(SECRET)).is_err());
        assert!(verifier(&algorithm, &DecodingKey::from_secret(SECRET)).is_err());
    }

    #[test]
    fn a_key_of_another_family_signs_nothing() {
        assert!(signer(&Algorithm::HS256, &EncodingKey::from_rsa_der(SECRET)).is_err());
    }
}
