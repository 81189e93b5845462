//! JSON Web Keys and sets of them (RFC 7517): reading verifiers, and writing the public half of a key.
//!
//! Each key of a set is read for itself, so that one that cannot be used never affects the others. `x5u`, `x5c` and
//! `jku` are not followed.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, EllipticCurveKeyParameters, OctetKeyPairParameters, RSAKeyParameters,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::material;
use super::public::{Components, PublicKey, PublicKeyError};
use super::secret::{FileKind, KeyOrigin};
use super::verifier::Verifier;
use crate::auth::algorithm::{Algorithm, Family};
use crate::auth::members::{self, Fault, Member, value};
use crate::text;

/// The most keys that are read from a set; the largest real ones have some dozens.
pub const MOST_KEYS: usize = 1000;

/// Why a key cannot be used. Safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// The text is not a JSON object.
    #[error("{0}")]
    NotJson(Fault),
    /// Two members have the same name.
    #[error("duplicate member {0}")]
    Duplicate(String),
    /// A member that every key of its kind has.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A member that is not a string, or not base64url.
    #[error("{0} is not {1}")]
    Malformed(&'static str, &'static str),
    /// A kind of key, a curve or an algorithm that is not supported.
    #[error("{0} {1} is not supported")]
    Unsupported(&'static str, String),
    /// An algorithm that needs another kind of key.
    #[error("alg {alg} does not fit the key ({})", .family.words())]
    Contradicts {
        /// The key's `alg`.
        alg: Algorithm,
        /// The kind of the key.
        family: Family,
    },
    /// The key is for encryption (`use` is `enc`), as one key of every Keycloak realm: not a fault of the set.
    #[error("it is for encryption")]
    ForEncryption,
    /// `use` or `key_ops` excludes checking signatures.
    #[error("{0} excludes checking signatures")]
    OtherUse(&'static str),
    /// A shared secret in a set that everyone can read.
    #[error("a shared secret (kty oct) does not belong in a public set")]
    PublishedSecret,
    /// A private key in a set that everyone can read.
    #[error("the private key is published, so that anyone can sign with it; its issuer must replace it")]
    PublishedPrivate,
    /// A shared secret beside public keys: every reader of the set could sign.
    #[error("a shared secret (kty oct) beside public keys")]
    MixedSet,
    /// A shared secret that is shorter than its algorithm requires (RFC 7518 §3.2).
    #[error("a secret of {bits} bits is too short for {alg}")]
    ShortSecret {
        /// Its size.
        bits: usize,
        /// The algorithm.
        alg: Algorithm,
    },
    /// The secret is the text of a key file, which others may know.
    #[error("k is the text of {}, which is not a secret", .0.words())]
    NotASecret(FileKind),
    /// The algorithm `none`, which verifies nothing.
    #[error("alg none: a verifier that accepts it accepts unsigned tokens; remove the key from the set")]
    AlgorithmNone,
    /// The values do not form a key.
    #[error(transparent)]
    Key(#[from] PublicKeyError),
}

/// A key of a set that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedKey {
    /// Its position in the set, from 1.
    pub place: usize,
    /// Its `kid`, if it has one.
    pub kid: Option<String>,
    /// Why it cannot be used.
    pub why: JwkError,
}

impl RefusedKey {
    /// Whether the set would be better without the key: it is meant for signatures, but cannot be used.
    pub fn is_fault(&self) -> bool {
        self.why != JwkError::ForEncryption
    }

    /// Its `kid`, or else its position. Safe to show.
    pub fn label(&self) -> String {
        self.kid.as_deref().map_or_else(|| self.place.to_string(), |kid| text::name(kid, 64))
    }
}

impl fmt::Display for RefusedKey {
    /// A clause; safe to show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kid {
            Some(kid) => write!(f, "key {} ({}): {}", self.place, text::name(kid, 64), self.why),
            None => write!(f, "key {}: {}", self.place, self.why),
        }
    }
}

/// Groups keys that cannot be used by their reason: the first key of each, and how many there are.
pub fn by_reason<'k>(keys: impl IntoIterator<Item = &'k RefusedKey>) -> Vec<(&'k RefusedKey, usize)> {
    let mut groups: Vec<(&RefusedKey, usize)> = Vec::new();
    for key in keys {
        match groups.iter_mut().find(|(first, _)| first.why == key.why) {
            Some((_, count)) => *count += 1,
            None => groups.push((key, 1)),
        }
    }
    groups
}

/// The keys that were read from a set.
#[derive(Clone, Debug, Default)]
pub struct KeysRead {
    /// Those that can be used.
    pub keys: Vec<Verifier>,
    /// Those that cannot.
    pub refused: Vec<RefusedKey>,
    /// How many keys beyond [`MOST_KEYS`] were ignored.
    pub ignored: usize,
}

/// Why a text is not a key or a set of keys. Safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// The text is not a JSON object.
    #[error("not a JWK or a JWK set: {0}")]
    NotJson(Fault),
    /// The object has neither `keys` nor `kty`.
    #[error("not a JWK or a JWK set: expected a member keys (a set) or kty (a key)")]
    Neither,
    /// `keys` is not an array.
    #[error("not a JWK set: keys is {0}, expected an array")]
    NotAnArray(&'static str),
}

/// The origin of keys, and whether the text may contain shared secrets.
#[derive(Clone, Copy, Debug)]
pub struct KeySource {
    /// The origin of each key.
    pub origin: KeyOrigin,
    /// Whether `kty` `oct` is accepted: in a local file, but not in a set that is published.
    pub is_private: bool,
}

/// Reads a JWK set, or a single JWK.
pub fn read(bytes: &[u8], source: KeySource) -> Result<KeysRead, SetError> {
    let bytes = material::without_mark(bytes);
    let found = members::parse(bytes).map_err(SetError::NotJson)?;
    let value = |name| members::value(&found, name);
    let mut read = KeysRead::default();
    match value("keys") {
        None if value("kty").is_some() => read.add(1, std::str::from_utf8(bytes).unwrap_or_default(), source),
        None => return Err(SetError::Neither),
        Some(keys) => {
            let all: Vec<&RawValue> = Vec::deserialize(&mut serde_json::Deserializer::from_str(keys))
                .map_err(|_| SetError::NotAnArray(members::kind_of(keys)))?;
            for (n, key) in all.iter().take(MOST_KEYS).enumerate() {
                read.add(n + 1, key.get(), source);
            }
            read.ignored = all.len().saturating_sub(MOST_KEYS);
            read.refuse_mixed();
        }
    }
    Ok(read)
}

impl KeysRead {
    /// Refuses the secrets of a set that also has public keys: it is likely published.
    fn refuse_mixed(&mut self) {
        if self.keys.iter().all(|key| key.components().is_none()) {
            return;
        }
        for (n, key) in self.keys.iter().enumerate().filter(|(_, key)| key.components().is_none()) {
            let kid = key.kid().map(str::to_owned);
            self.refused.push(RefusedKey { place: n + 1, kid, why: JwkError::MixedSet });
        }
        self.keys.retain(|key| key.components().is_some());
    }

    fn add(&mut self, place: usize, key: &str, source: KeySource) {
        let members = members::parse(key.as_bytes());
        let kid = members.as_ref().ok().and_then(|members| string(members, "kid").ok().flatten());
        match members.map_err(JwkError::NotJson).and_then(|members| verifier(&members, source)) {
            Ok(key) => self.keys.push(key),
            Err(why) => self.refused.push(RefusedKey { place, kid: kid.map(Cow::into_owned), why }),
        }
    }
}

/// The members that every key can have.
pub(super) struct Common<'m> {
    pub kid: Option<Cow<'m, str>>,
    pub alg: Option<Algorithm>,
    pub kty: Cow<'m, str>,
}

impl<'m> Common<'m> {
    pub fn read(jwk: &[Member<'m>]) -> Result<Self, JwkError> {
        if let Some(name) = members::duplicate(jwk) {
            return Err(JwkError::Duplicate(text::name(name, 64)));
        }
        let kid = string(jwk, "kid")?;
        match string(jwk, "use")?.as_deref() {
            None | Some("sig") => {}
            Some("enc") => return Err(JwkError::ForEncryption),
            Some(_) => return Err(JwkError::OtherUse("use")),
        }
        if let Some(operations) = value(jwk, "key_ops") {
            let operations =
                members::strings(operations).ok_or(JwkError::Malformed("key_ops", "an array of strings"))?;
            // The private half of a pair is read too, of which only the public half is used.
            if !operations.iter().any(|operation| operation == "verify" || operation == "sign") {
                return Err(JwkError::OtherUse("key_ops"));
            }
        }
        let alg = match string(jwk, "alg")? {
            Some(alg) if alg.eq_ignore_ascii_case("none") => return Err(JwkError::AlgorithmNone),
            Some(alg) => {
                Some(Algorithm::named(&alg).ok_or_else(|| JwkError::Unsupported("alg", text::name(&alg, 32)))?)
            }
            None => None,
        };
        Ok(Self { kid, alg, kty: string(jwk, "kty")?.ok_or(JwkError::Missing("kty"))? })
    }

    /// Checks that the algorithm, if there is one, is of this family.
    pub fn fits(&self, family: Family) -> Result<(), JwkError> {
        match self.alg.filter(|alg| alg.family() != family) {
            Some(alg) => Err(JwkError::Contradicts { alg, family }),
            None => Ok(()),
        }
    }
}

/// Reads one key.
fn verifier(jwk: &[Member<'_>], source: KeySource) -> Result<Verifier, JwkError> {
    let common = Common::read(jwk)?;
    let kid = common.kid.as_deref();
    if common.kty == "oct" {
        if !source.is_private {
            return Err(JwkError::PublishedSecret);
        }
        let (alg, secret) = secret(jwk, common.alg)?;
        return Verifier::hmac(alg, &secret, &secret, source.origin, kid)
            .ok_or(JwkError::Contradicts { alg, family: Family::Hmac });
    }
    // Of a local file, only the public half is used.
    if source.origin == KeyOrigin::Fetched && material::has_private(jwk) {
        return Err(JwkError::PublishedPrivate);
    }
    let components = components(jwk, &common.kty)?;
    common.fits(components.family())?;
    Ok(Verifier::public(PublicKey::new(components, common.alg)?, source.origin, kid))
}

/// Reads a shared secret, which must be as long as its algorithm requires; HS256 if there is none.
pub(super) fn secret(jwk: &[Member<'_>], alg: Option<Algorithm>) -> Result<(Algorithm, Zeroizing<Vec<u8>>), JwkError> {
    let alg = alg.unwrap_or(Algorithm::Hs256);
    let secret = Zeroizing::new(bytes(jwk, "k")?);
    let bits = secret.len() * 8;
    if let Some(found) = material::file_kind(&secret) {
        return Err(JwkError::NotASecret(found));
    }
    match alg.family() {
        Family::Hmac if bits < alg.strong_bits() => Err(JwkError::ShortSecret { bits, alg }),
        Family::Hmac => Ok((alg, secret)),
        _ => Err(JwkError::Contradicts { alg, family: Family::Hmac }),
    }
}

/// Reads the public values of a key.
pub(super) fn components(jwk: &[Member<'_>], kty: &str) -> Result<Components, JwkError> {
    match kty {
        "RSA" => {
            let strip = |bytes: Vec<u8>| bytes.iter().skip_while(|byte| **byte == 0).copied().collect();
            Ok(Components::Rsa { n: strip(bytes(jwk, "n")?), e: strip(bytes(jwk, "e")?) })
        }
        "EC" => {
            let crv = string(jwk, "crv")?.ok_or(JwkError::Missing("crv"))?;
            let (family, size) = match &*crv {
                "P-256" => (Family::P256, 32),
                "P-384" => (Family::P384, 48),
                "P-521" => (Family::P521, 66),
                _ => return Err(JwkError::Unsupported("crv", text::name(&crv, 32))),
            };
            let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
            // RFC 7518 §6.2.1.2: the full size of the curve.
            if x.len() != size || y.len() != size {
                return Err(PublicKeyError::Invalid(family).into());
            }
            Ok(Components::Curve { family, x: x.into(), y: y.into() })
        }
        "OKP" => match string(jwk, "crv")?.ok_or(JwkError::Missing("crv"))? {
            crv if crv == "Ed25519" => Ok(Components::Ed25519 { x: bytes(jwk, "x")?.into() }),
            crv => Err(JwkError::Unsupported("crv", text::name(&crv, 32))),
        },
        kty => Err(JwkError::Unsupported("kty", text::name(kty, 32))),
    }
}

fn string<'m>(jwk: &[Member<'m>], name: &'static str) -> Result<Option<Cow<'m, str>>, JwkError> {
    let read = |value| members::string(value).ok_or(JwkError::Malformed(name, "a string"));
    value(jwk, name).map(read).transpose()
}

pub(super) fn bytes(jwk: &[Member<'_>], name: &'static str) -> Result<Vec<u8>, JwkError> {
    let text = string(jwk, name)?.ok_or(JwkError::Missing(name))?;
    URL_SAFE_NO_PAD.decode(&*text).map_err(|_| JwkError::Malformed(name, "base64url without padding"))
}

/// Writes a public key as a JWK without a `kid`.
pub fn write(components: &Components) -> Map<String, Value> {
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let parameters = match components {
        Components::Rsa { n, e } => {
            AlgorithmParameters::RSA(RSAKeyParameters { n: b64(n), e: b64(e), ..Default::default() })
        }
        Components::Curve { family, x, y } => {
            let curve = match family {
                Family::P384 => EllipticCurve::P384,
                Family::P521 => EllipticCurve::P521,
                _ => EllipticCurve::P256,
            };
            let (x, y) = (b64(x), b64(y));
            AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters { curve, x, y, ..Default::default() })
        }
        Components::Ed25519 { x } => AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
            curve: EllipticCurve::Ed25519,
            x: b64(x),
            ..Default::default()
        }),
    };
    match serde_json::to_value(parameters) {
        Ok(Value::Object(jwk)) => jwk,
        _ => Map::new(),
    }
}

/// Writes a key for a public set: its public values with `kid` (its own, or else the thumbprint), `use` and `alg`, if it
/// has one algorithm. `None` for a shared secret. Nothing private can be written: a verifier has only the public half.
pub fn public(verifier: &Verifier, algorithm: Option<Algorithm>) -> Option<Map<String, Value>> {
    let components = verifier.components()?;
    let mut jwk = write(components);
    let kid = verifier.kid().map_or_else(|| thumbprint(components), str::to_owned);
    jwk.insert("kid".to_owned(), kid.into());
    jwk.insert("use".to_owned(), "sig".into());
    if let Some(algorithm) = algorithm.or(verifier.only_algorithm()) {
        jwk.insert("alg".to_owned(), algorithm.name().into());
    }
    Some(jwk)
}

/// Returns the key's thumbprint (RFC 7638): the SHA-256 of its required members in their order, as base64url.
pub fn thumbprint(components: &Components) -> String {
    let mut members: Vec<(String, Value)> = write(components).into_iter().collect();
    members.sort_by(|(a, _), (b, _)| a.cmp(b));
    let canonical = Value::Object(members.into_iter().collect()).to_string();
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 7638 §3.1.
    const RSA: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;

    const PUBLIC: KeySource = KeySource { origin: KeyOrigin::Program, is_private: false };

    #[test]
    fn a_thumbprint_is_that_of_rfc_7638() {
        let read = read(RSA.as_bytes(), PUBLIC).expect("a key");
        let components = read.keys[0].components().expect("public");
        assert_eq!(thumbprint(components), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(read.keys[0].kid(), Some("2011-04-29"));
    }

    #[test]
    fn one_bad_key_never_spoils_a_set() {
        let mut keys = vec![RSA.to_owned()];
        let bad = [
            (r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#, "an RSA key of 17 bits is too short, expected at least 2048"),
            (r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#, "the values do not form a valid EC P-256 key"),
            (r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#, "crv secp256k1 is not supported"),
            (r#"{"kty":"AKP","alg":"ML-DSA-65","pub":"AA"}"#, "alg ML-DSA-65 is not supported"),
            (r#"{"kty":"oct","k":"AAAA"}"#, "a shared secret (kty oct) does not belong in a public set"),
            (
                r#"{"kty":"RSA","alg":"none","n":"AQAB","e":"AQAB"}"#,
                "alg none: a verifier that accepts it accepts unsigned tokens; remove the key from the set",
            ),
            (r#"{"kty":"RSA","n":"AQAB","e":"AQAB","use":"enc"}"#, "it is for encryption"),
            (r#"{"kty":"RSA","n":"AQAB","e":"AQAB","key_ops":["encrypt"]}"#, "key_ops excludes checking signatures"),
            (r#"{"kty":"RSA","n":"AQAB","n":"AQAB","e":"AQAB"}"#, "duplicate member n"),
            (r#"{"kty":"RSA","e":"AQAB"}"#, "n is missing"),
            (r#"{"kty":"RSA","n":"A+==","e":"AQAB"}"#, "n is not base64url without padding"),
            ("7", "expected a JSON object, got a number"),
            ("{}", "kty is missing"),
        ];
        keys.extend(bad.iter().map(|(key, _)| (*key).to_owned()));
        keys.push(RSA.replace("RS256", "ES256"));
        let set = format!(r#"{{"keys":[{}]}}"#, keys.join(","));
        let read = read(set.as_bytes(), PUBLIC).expect("a set");
        let why: Vec<String> = read.refused.iter().map(|refused| refused.why.to_string()).collect();
        let mut wanted: Vec<&str> = bad.iter().map(|(_, why)| *why).collect();
        wanted.push("alg ES256 does not fit the key (RSA)");
        assert_eq!((read.keys.len(), why), (1, wanted.into_iter().map(str::to_owned).collect()));
    }

    #[test]
    fn a_text_that_is_neither_key_nor_set_is_refused() {
        let error = |text: &str| read(text.as_bytes(), PUBLIC).map(|_| ()).unwrap_err().to_string();
        assert_eq!(error("{}"), "not a JWK or a JWK set: expected a member keys (a set) or kty (a key)");
        assert_eq!(error(r#"{"keys":{}}"#), "not a JWK set: keys is an object, expected an array");
        assert!(error("<html>").starts_with("not a JWK or a JWK set: invalid JSON"));
    }
}
