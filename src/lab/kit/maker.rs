//! Makes test tokens: their claims and headers, and signatures that no issuer makes.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{Identity, NO_KEY};
use crate::auth::algorithm::Family;
use crate::auth::keys::{self, Components, Generated, SignerOptions, hs256, jwk};
use crate::auth::{Algorithm, KeyError, KeyOrigin, NumericDate, Rules, Signer};
use crate::text::Span;

/// A secret that no issuer uses.
const ANOTHER: &[u8] = b"another secret, which signs nothing but test tokens. It has 64 B";

/// The keys of test tokens besides the signer: no gate trusts them.
pub struct Keys {
    /// A key for the signer's algorithm.
    other: Signer,
    /// The public key whose text is abused as a secret: the signer's, or a new one if it has none.
    public: Components,
    /// A key for ECDSA: the signer, or a new one.
    pub ecdsa: Signer,
    /// A key for ECDSA on another curve.
    pub other_curve: Signer,
}

/// Making an RSA key takes a noticeable time, so one serves all test tokens of the process.
static ANOTHER_RSA: OnceLock<Zeroizing<Vec<u8>>> = OnceLock::new();

/// Returns that key as DER, and makes it first if there is none. A failure is not kept.
pub fn another_rsa() -> Result<&'static [u8], KeyError> {
    if let Some(der) = ANOTHER_RSA.get() {
        return Ok(der);
    }
    match Signer::generate(Algorithm::Rs256)?.1 {
        Generated::Pkcs8(der) => Ok(ANOTHER_RSA.get_or_init(|| der)),
        Generated::Secret(_) => Err(KeyError::NotPrivate),
    }
}

/// The ECDSA algorithm for test tokens of a signer with this algorithm: its own, or else ES256.
pub const fn ecdsa(algorithm: Algorithm) -> Algorithm {
    match algorithm {
        Algorithm::Es384 | Algorithm::Es512 => algorithm,
        _ => Algorithm::Es256,
    }
}

impl Keys {
    /// Makes the keys for test tokens of this signer.
    pub fn new(signer: &Signer) -> Result<Self, KeyError> {
        let algorithm = signer.algorithm();
        let fresh = |algorithm| Signer::generate(algorithm).map(|(signer, _)| signer);
        let options = SignerOptions { algorithm: Some(algorithm), kid: Some(NO_KEY) };
        let other = match algorithm.family() {
            Family::Hmac => Signer::hmac(algorithm, ANOTHER, KeyOrigin::Program, Some(NO_KEY))?,
            Family::Rsa => Signer::from_der(another_rsa()?, KeyOrigin::Program, options)?,
            _ => fresh(algorithm)?,
        };
        let is_own = ecdsa(algorithm) == algorithm;
        let ecdsa = if is_own { signer.clone() } else { fresh(Algorithm::Es256)? };
        let other_curve = fresh(match ecdsa.algorithm() {
            Algorithm::Es256 => Algorithm::Es384,
            _ => Algorithm::Es256,
        })?;
        let public = signer.verifier().components().or_else(|| ecdsa.verifier().components());
        let public = public.cloned().ok_or(KeyError::NotPrivate)?;
        Ok(Self { other, public, ecdsa, other_curve })
    }

    /// The PEM of the public key.
    pub fn pem(&self) -> String {
        keys::public_pem(&self.public)
    }

    /// The DER of the public key.
    pub fn der(&self) -> Vec<u8> {
        keys::public_key_info(&self.public)
    }

    /// The JWK of the public key, as text.
    pub fn jwk(&self) -> String {
        Value::Object(jwk::write(&self.public)).to_string()
    }

    /// The JWK of the other key, as an attacker puts it into a header.
    pub fn other_jwk(&self) -> Value {
        match self.other.verifier().components() {
            Some(components) => Value::Object(jwk::write(components)),
            None => json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(ANOTHER) }),
        }
    }

    /// An ECDSA signature as DER.
    pub fn der_signature(&self, text: &str) -> Vec<u8> {
        keys::ecdsa_signature(&self.ecdsa.sign(text))
    }
}

/// A member of a header.
pub fn claim(name: &'static str, value: impl Into<Value>) -> (&'static str, Value) {
    (name, value.into())
}

/// The inputs for making a token.
pub struct Maker<'a> {
    pub rules: &'a Rules,
    pub signer: &'a Signer,
    pub keys: &'a Keys,
    pub identity: &'a Identity,
    pub jti: String,
    /// A whole second, like `iat`.
    pub now: NumericDate,
    pub leeway: Span,
}

impl Maker<'_> {
    /// The ECDSA algorithm of test tokens.
    pub const fn ecdsa(&self) -> Algorithm {
        ecdsa(self.signer.algorithm())
    }

    /// Returns the header of a good token with these members replaced or added, as JSON.
    pub fn header(&self, members: &[(&'static str, Value)]) -> String {
        let typ = if self.rules.issuers.own().require_typ { "at+jwt" } else { "JWT" };
        let mut header = Map::new();
        header.insert("alg".to_owned(), self.signer.algorithm().name().into());
        header.insert("typ".to_owned(), typ.into());
        header.extend(self.signer.verifier().kid().map(|kid| ("kid".to_owned(), kid.into())));
        header.extend(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        Value::Object(header).to_string()
    }

    /// Returns the claims of a good token, as JSON.
    pub fn claims(&self) -> String {
        self.members(|_| true).to_string()
    }

    pub fn with(&self, name: &str, value: Value) -> String {
        let mut claims = self.members(|_| true);
        claims[name] = value;
        claims.to_string()
    }

    pub fn without(&self, names: &[&str]) -> String {
        self.members(|member| !names.contains(&member)).to_string()
    }

    /// Returns the claims of an ID token for the same user (`OpenID` Connect Core §2).
    pub fn id_claims(&self) -> String {
        let mut claims = self.members(|member| !["user_id", "permissions"].contains(&member));
        claims["sub"] = json!(self.identity.user_id);
        claims["nonce"] = json!(self.jti);
        claims["at_hash"] = json!("77QmUPtjPfzWtF2AnpK9RQ");
        claims.to_string()
    }

    /// Returns the value of a time claim `span` after now.
    pub fn at(&self, span: Span) -> Value {
        self.now.plus(span).json_number()
    }

    fn members(&self, keep: impl Fn(&str) -> bool) -> Value {
        let all = [
            ("user_id", json!(self.identity.user_id)),
            ("permissions", json!(self.identity.permissions)),
            ("iat", self.at(Span::ZERO)),
            ("exp", self.at(Span::HOUR)),
            ("jti", json!(self.jti)),
            ("iss", json!(self.rules.issuer())),
            ("aud", json!(self.rules.audience())),
        ];
        all.into_iter().filter(|(name, value)| keep(name) && !value.is_null()).map(|(n, v)| (n.to_owned(), v)).collect()
    }

    /// Returns every permission of the policy, those of the identity, and one that does not exist: always more than the
    /// good token has.
    pub fn everything(&self) -> Vec<String> {
        let mut all: Vec<String> = self.rules.policy.permissions().iter().map(ToString::to_string).collect();
        all.extend(self.identity.permissions.iter().filter(|held| !all.contains(held)).cloned().collect::<Vec<_>>());
        let mut more = "root".to_owned();
        while all.contains(&more) {
            more.push('+');
        }
        all.push(more);
        all
    }

    /// Returns a payload under the usual header, signed by the signer.
    pub fn signed(&self, payload: &str) -> String {
        self.signed_under(&self.header(&[]), payload)
    }

    pub fn signed_under(&self, header: &str, payload: &str) -> String {
        self.signer.seal(header, payload)
    }

    /// Returns the good claims under a header, signed with a key that no gate trusts.
    pub fn signed_by_other(&self, header: &str) -> String {
        self.keys.other.seal(header, &self.claims())
    }

    /// Returns the good claims under a header, with the signature that `sign` makes.
    pub fn assemble(&self, header: &str, sign: impl FnOnce(&str) -> Vec<u8>) -> String {
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(self.claims()));
        let signature = URL_SAFE_NO_PAD.encode(sign(&text));
        format!("{text}.{signature}")
    }

    /// Returns another payload with the signature of the good token.
    pub fn resigned(&self, payload: &str) -> String {
        let good = self.signed(&self.claims());
        let (header, signature) = (self.header(&[]), good.rsplit('.').next().unwrap_or_default());
        format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }

    /// Returns the HMAC of a text with the signer's secret, or with one that no issuer uses if it has none.
    pub fn hmac(&self, text: &str) -> Vec<u8> {
        match self.signer.algorithm().family() {
            Family::Hmac => self.signer.sign(text),
            _ => hs256(ANOTHER, text),
        }
    }
}
