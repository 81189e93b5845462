//! Signers: the keys that sign tokens issued here. They are kept outside [`Rules`](crate::auth::Rules), because a
//! decision never needs them, and they are never displayed or included in `Debug`.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self as lc, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::der;
use super::hmac::HmacKey;
use super::jwk;
use super::material;
use super::public::{Components, PublicKey, PublicKeyError};
use super::secret::{self, KeyError, KeyOrigin, MAX_SECRET_BYTES};
use super::verifier::Verifier;
use crate::auth::algorithm::{Algorithm, Family};

/// A key that signs, with the verifier for its signatures. Creating one has no side effects: no process-wide
/// `CryptoProvider` is installed.
#[derive(Clone)]
pub struct Signer {
    private: SigningKey,
    algorithm: Algorithm,
    verifier: Verifier,
}

#[derive(Clone)]
enum SigningKey {
    Hmac(HmacKey),
    Rsa(Arc<RsaKeyPair>),
    Ecdsa(Arc<EcdsaKeyPair>),
    Ed25519(Arc<Ed25519KeyPair>),
}

/// The algorithm and the name for a private key that is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignerOptions<'a> {
    /// The algorithm of signatures and verifier. If it is `None`, the key signs with its usual one (HS256, RS256, ES256,
    /// ES384, ES512 or `EdDSA`), and the verifier of an RSA key accepts all of RSA.
    pub algorithm: Option<Algorithm>,
    /// The `kid` of the tokens; a public key's thumbprint (RFC 7638) if it is `None`.
    pub kid: Option<&'a str>,
}

impl Signer {
    /// Creates a signer of HS256 tokens. Short secrets work, and are reported by [`Verifier::is_weak`].
    pub fn hs256(secret: &[u8], origin: KeyOrigin) -> Result<Self, KeyError> {
        Self::hmac(Algorithm::Hs256, secret, origin, None)
    }

    /// Like [`Signer::hs256`], with a name: the verifier refuses headers with another `kid`.
    pub fn hs256_named(secret: &[u8], origin: KeyOrigin, kid: &str) -> Result<Self, KeyError> {
        Self::hmac(Algorithm::Hs256, secret, origin, Some(kid))
    }

    /// Creates a signer from a secret as people write it: `hex:` and hex digits, `b64:` and base64 (either alphabet,
    /// padded or not), or the secret itself. A key file is refused.
    pub fn from_written(written: &[u8], origin: KeyOrigin) -> Result<Self, KeyError> {
        Self::from_written_with(written, origin, SignerOptions::default())
    }

    /// Like [`Signer::from_written`], for any HMAC and with a name; HS256 if the options name no algorithm.
    pub fn from_written_with(written: &[u8], origin: KeyOrigin, options: SignerOptions<'_>) -> Result<Self, KeyError> {
        let secret = secret::decode(written)?;
        Self::shared(options.algorithm.unwrap_or(Algorithm::Hs256), &secret, written, origin, options.kid)
    }

    /// Creates a signer with 32 bytes from the operating system's random number generator.
    pub fn fresh() -> Result<Self, KeyError> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret).map_err(|_| KeyError::NoRandomness)?;
        Self::hs256(&*secret, KeyOrigin::Fresh)
    }

    /// Creates a signer with a shared secret, for any HMAC. A key file is refused.
    pub fn hmac(algorithm: Algorithm, secret: &[u8], origin: KeyOrigin, kid: Option<&str>) -> Result<Self, KeyError> {
        Self::shared(algorithm, secret, secret, origin, kid)
    }

    fn shared(
        algorithm: Algorithm,
        secret: &[u8],
        written: &[u8],
        origin: KeyOrigin,
        kid: Option<&str>,
    ) -> Result<Self, KeyError> {
        match secret.len() {
            0 => Err(KeyError::Empty),
            n if n > MAX_SECRET_BYTES => Err(KeyError::TooLong),
            _ => {
                if let Some(found) = material::file_kind(secret) {
                    return Err(KeyError::NotASecret(found));
                }
                let other = KeyError::OtherAlgorithm { algorithm, family: Family::Hmac };
                let private = HmacKey::new(algorithm, secret).map(SigningKey::Hmac).ok_or(other)?;
                let verifier = Verifier::hmac(algorithm, secret, written, origin, kid).ok_or(other)?;
                Ok(Self { private, algorithm, verifier })
            }
        }
    }

    /// Creates a signer from the DER of a private key: PKCS #8 (RFC 5958), PKCS #1 for RSA, or SEC 1 for a curve.
    pub fn from_der(der: &[u8], origin: KeyOrigin, options: SignerOptions<'_>) -> Result<Self, KeyError> {
        if let Ok(pair) = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)) {
            return Self::pair(SigningKey::Rsa(Arc::new(pair)), Algorithm::Rs256, origin, options);
        }
        for (algorithm, lc) in CURVES {
            if let Ok(pair) = EcdsaKeyPair::from_private_key_der(lc, der) {
                return Self::pair(SigningKey::Ecdsa(Arc::new(pair)), algorithm, origin, options);
            }
        }
        match Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            Ok(pair) => Self::pair(SigningKey::Ed25519(Arc::new(pair)), Algorithm::Ed25519, origin, options),
            Err(_) => Err(KeyError::NotPrivate),
        }
    }

    /// Creates a signer with a new key for this algorithm: 32, 48 or 64 random bytes for an HMAC, 2048 bits for RSA.
    /// Returns it with the private key as it is written to a file: `b64:` and a secret, or the DER of PKCS #8.
    pub fn generate(algorithm: Algorithm) -> Result<(Self, Generated), KeyError> {
        let fails = |_| KeyError::NoRandomness;
        let random = SystemRandom::new();
        let options = SignerOptions { algorithm: Some(algorithm), kid: None };
        let der = match algorithm.family() {
            Family::Hmac => {
                let mut secret = Zeroizing::new(vec![0; algorithm.strong_bits() / 8]);
                getrandom::fill(&mut secret).map_err(|_| KeyError::NoRandomness)?;
                let signer = Self::hmac(algorithm, &secret, KeyOrigin::Fresh, None)?;
                return Ok((signer, Generated::Secret(secret)));
            }
            Family::Rsa => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(fails)?;
                pair.as_der().map_err(fails)?.as_ref().to_vec()
            }
            Family::Ed25519 => Ed25519KeyPair::generate_pkcs8v1(&random).map_err(fails)?.as_ref().to_vec(),
            Family::P256 | Family::P384 | Family::P521 => {
                let lc = CURVES.iter().find(|(own, _)| *own == algorithm).map(|(_, lc)| *lc);
                let lc = lc.ok_or(KeyError::NotPrivate)?;
                EcdsaKeyPair::generate_pkcs8(lc, &random).map_err(fails)?.as_ref().to_vec()
            }
        };
        let der = Zeroizing::new(der);
        let signer = Self::from_der(&der, KeyOrigin::Fresh, options)?;
        Ok((signer, Generated::Pkcs8(der)))
    }

    /// Creates a signer from the parts of a key on a curve: the private number, and the public point as x and y.
    pub(super) fn curve(
        family: Family,
        private: &[u8],
        point: &[u8],
        origin: KeyOrigin,
        options: SignerOptions<'_>,
    ) -> Result<Self, KeyError> {
        let invalid = KeyError::Public(PublicKeyError::Invalid(family));
        let (algorithm, lc) = CURVES.iter().find(|(own, _)| own.family() == family).ok_or(invalid)?;
        let point = [&[4], point].concat();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(lc, private, &point).map_err(|_| invalid)?;
        Self::pair(SigningKey::Ecdsa(Arc::new(pair)), *algorithm, origin, options)
    }

    /// Creates a signer from the seed and the public key of Ed25519.
    pub(super) fn ed25519(
        seed: &[u8],
        public: &[u8],
        origin: KeyOrigin,
        options: SignerOptions<'_>,
    ) -> Result<Self, KeyError> {
        let invalid = |_| KeyError::Public(PublicKeyError::Invalid(Family::Ed25519));
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(invalid)?;
        Self::pair(SigningKey::Ed25519(Arc::new(pair)), Algorithm::Ed25519, origin, options)
    }

    fn pair(
        private: SigningKey,
        usual: Algorithm,
        origin: KeyOrigin,
        options: SignerOptions<'_>,
    ) -> Result<Self, KeyError> {
        let algorithm = options.algorithm.unwrap_or(usual);
        let components = private.components()?;
        let family = components.family();
        if algorithm.family() != family {
            return Err(KeyError::OtherAlgorithm { algorithm, family });
        }
        let thumbprint = jwk::thumbprint(&components);
        let kid = options.kid.unwrap_or(&thumbprint);
        // A key that names no algorithm verifies those of its family, as one of a JWK set does.
        let key = PublicKey::new(components, options.algorithm).map_err(KeyError::Public)?;
        Ok(Self { private, algorithm, verifier: Verifier::public(key, origin, Some(kid)) })
    }

    /// Returns the same signer with another algorithm of its key.
    pub(crate) fn with_algorithm(&self, algorithm: Algorithm) -> Self {
        debug_assert!(self.algorithm == algorithm || self.verifier.algorithms().contains(&algorithm));
        Self { algorithm, ..self.clone() }
    }

    /// Whether this key made the signature of a token in compact serialization.
    pub fn has_signed(&self, token: &str) -> bool {
        let Some((text, signature)) = token.rsplit_once('.') else { return false };
        let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature);
        signature.is_ok_and(|signature| self.verifier.verify(self.algorithm, text, &signature))
    }

    /// The key that checks this signer's signatures.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The algorithm that it signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the other signer has the same key, algorithm and `kid`.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.verifier.is_same(&other.verifier)
    }

    /// The key as shown in the console's header: `fresh, HS256, 256 bit`.
    pub fn describe(&self) -> String {
        self.verifier.describe()
    }

    /// Signs a text: `header.payload`, or the deliberately different text of a test token.
    pub(crate) fn sign(&self, text: &str) -> Vec<u8> {
        const SIGNS: &str = "a key that was read signs";
        let random = SystemRandom::new();
        match &self.private {
            SigningKey::Hmac(key) => key.mac(text.as_bytes()),
            SigningKey::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa(self.algorithm), &random, text.as_bytes(), &mut signature).expect(SIGNS);
                signature
            }
            SigningKey::Ecdsa(pair) => pair.sign(&random, text.as_bytes()).expect(SIGNS).as_ref().to_vec(),
            SigningKey::Ed25519(pair) => pair.sign(text.as_bytes()).as_ref().to_vec(),
        }
    }
}

/// A new private key.
pub enum Generated {
    /// A shared secret.
    Secret(Zeroizing<Vec<u8>>),
    /// The DER of PKCS #8.
    Pkcs8(Zeroizing<Vec<u8>>),
}

impl Generated {
    /// The text of a file with this key, which [`read_private`](super::read_private) reads: `b64:` and the secret, or
    /// PEM.
    pub fn to_file(&self) -> Zeroizing<String> {
        match self {
            Self::Secret(secret) => {
                let mut text = Zeroizing::new(String::with_capacity(8 + secret.len() * 2));
                text.push_str("b64:");
                STANDARD.encode_string(secret, &mut text);
                text.push('\n');
                text
            }
            Self::Pkcs8(der) => {
                let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
                Zeroizing::new(pem::encode_config(&pem::Pem::new("PRIVATE KEY", der.to_vec()), config))
            }
        }
    }
}

/// The algorithms of the curves: each curve has one.
static CURVES: [(Algorithm, &EcdsaSigningAlgorithm); 3] = [
    (Algorithm::Es256, &lc::ECDSA_P256_SHA256_FIXED_SIGNING),
    (Algorithm::Es384, &lc::ECDSA_P384_SHA384_FIXED_SIGNING),
    (Algorithm::Es512, &lc::ECDSA_P521_SHA512_FIXED_SIGNING),
];

fn rsa(algorithm: Algorithm) -> &'static dyn RsaEncoding {
    match algorithm {
        Algorithm::Rs384 => &lc::RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &lc::RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &lc::RSA_PSS_SHA256,
        Algorithm::Ps384 => &lc::RSA_PSS_SHA384,
        Algorithm::Ps512 => &lc::RSA_PSS_SHA512,
        _ => &lc::RSA_PKCS1_SHA256,
    }
}

impl SigningKey {
    /// The public half.
    fn components(&self) -> Result<Components, KeyError> {
        match self {
            Self::Hmac(_) => Err(KeyError::NotPrivate),
            Self::Rsa(pair) => der::public_key(pair.public_key().as_ref()).map_err(KeyError::Public),
            Self::Ecdsa(pair) => {
                let spki = pair.public_key().as_der().map_err(|_| KeyError::NotPrivate)?;
                der::public_key(spki.as_ref()).map_err(KeyError::Public)
            }
            Self::Ed25519(pair) => Ok(Components::Ed25519 { x: pair.public_key().as_ref().into() }),
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
        assert!(key.verifier().verify(Algorithm::Hs256, "x", &same.sign("x")));
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

    #[test]
    fn every_algorithm_signs_with_a_new_key_and_verifies_only_its_own_signatures() {
        let all: Vec<Signer> =
            Algorithm::ALL.iter().map(|algorithm| Signer::generate(*algorithm).expect("a key").0).collect();
        for signer in &all {
            let (algorithm, signature) = (signer.algorithm(), signer.sign("a.b"));
            assert!(signer.verifier().verify(algorithm, "a.b", &signature), "{algorithm}");
            assert!(!signer.verifier().verify(algorithm, "a.c", &signature), "{algorithm}");
            assert_eq!(signer.verifier().algorithms(), [algorithm]);
            assert!(!signer.verifier().is_weak(), "{}", signer.describe());
            for other in all.iter().filter(|other| other.algorithm() != algorithm) {
                assert!(!other.verifier().verify(other.algorithm(), "a.b", &signature), "{algorithm}");
                assert!(!other.verifier().verify(algorithm, "a.b", &signature), "{algorithm}");
            }
        }
    }

    #[test]
    fn a_private_key_is_read_back_from_its_der() {
        for algorithm in [Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::Ed25519] {
            let (signer, Generated::Pkcs8(der)) = Signer::generate(algorithm).expect("a key") else {
                panic!("{algorithm} has a pair");
            };
            let options = SignerOptions { algorithm: Some(algorithm), kid: None };
            let read = Signer::from_der(&der, KeyOrigin::File, options).expect("a key");
            assert_eq!(read.verifier().components(), signer.verifier().components());
            assert_eq!(read.verifier().kid(), signer.verifier().kid());
        }
        let (_, Generated::Pkcs8(der)) = Signer::generate(Algorithm::Es256).expect("a key") else { panic!("a pair") };
        let options = SignerOptions { algorithm: Some(Algorithm::Rs256), kid: None };
        let error = Signer::from_der(&der, KeyOrigin::File, options).map(|_| ()).expect_err("another kind");
        assert_eq!(error.to_string(), "RS256 cannot be used with this key (EC P-256)");
        assert!(Signer::from_der(b"my-secret", KeyOrigin::File, SignerOptions::default()).is_err());
    }
}
