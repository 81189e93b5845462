//! The little of DER (X.690) that finds a public key in a `SubjectPublicKeyInfo`, an `RSAPublicKey` or an X.509
//! certificate, tells these from private keys, and writes the RSA key of a JWK, a `SubjectPublicKeyInfo` and an ECDSA
//! signature. It only locates the values; aws-lc-rs checks that they form a key.

use zeroize::Zeroizing;

use super::public::{Components, PublicKeyError};
use crate::auth::algorithm::Family;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT: u8 = 0x06;
const NULL: u8 = 0x05;
const SEQUENCE: u8 = 0x30;
/// The version of a certificate, `[0] EXPLICIT`.
const VERSION: u8 = 0xa0;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// A sequence of DER values that is being read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads the next value, and returns its tag and content.
    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, length], rest) = self.0.split_first_chunk::<2>()?;
        let (length, rest) = match length {
            0..=0x7f => (usize::from(length), rest),
            0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
            0x82 => {
                let (bytes, rest) = rest.split_first_chunk::<2>()?;
                (usize::from(u16::from_be_bytes(*bytes)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// Reads the next value, which must have this tag, and returns its content.
    fn value(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// Reads a positive integer without its leading zeros.
    fn number(&mut self) -> Option<Box<[u8]>> {
        let bytes = self.value(INTEGER)?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.get(zeros..).map(Into::into)
    }
}

/// The kind of a key file's outermost structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// PKCS #8, PKCS #1 or SEC 1.
    Private,
    /// PKCS #8 with a passphrase.
    Encrypted,
    /// A `SubjectPublicKeyInfo` or an `RSAPublicKey`.
    Public,
    /// An X.509 certificate.
    Certificate,
}

/// Recognizes a key file by the tags of its first values; `None` unless one structure spans all of the bytes.
pub fn structure(bytes: &[u8]) -> Option<Structure> {
    let mut file = Reader(bytes);
    let mut outer = Reader(file.value(SEQUENCE)?);
    let (first, content) = outer.any()?;
    let (second, _) = outer.any()?;
    let third = outer.any().map(|(tag, _)| tag);
    let is_algorithm = content.first() == Some(&OBJECT);
    let found = match (first, second, third) {
        (INTEGER, SEQUENCE, Some(OCTET_STRING)) | (INTEGER, OCTET_STRING, _) => Structure::Private,
        (INTEGER, INTEGER, Some(INTEGER)) => Structure::Private,
        (INTEGER, INTEGER, None) => Structure::Public,
        (SEQUENCE, BIT_STRING, None) if is_algorithm => Structure::Public,
        (SEQUENCE, OCTET_STRING, None) if is_algorithm => Structure::Encrypted,
        (SEQUENCE, SEQUENCE, Some(BIT_STRING)) => Structure::Certificate,
        _ => return None,
    };
    file.0.is_empty().then_some(found)
}

/// Writes an `RSAPrivateKey` (RFC 8017 §A.1.2) with these numbers after its version, which need no leading zeros.
pub fn rsa_private_key(numbers: [&[u8]; 8]) -> Zeroizing<Vec<u8>> {
    let mut content = Zeroizing::new(vec![INTEGER, 1, 0]);
    // Allocated in full, so that a growing buffer leaves no copies of the key behind.
    content.reserve(numbers.iter().map(|number| number.len() + 8).sum());
    for number in numbers {
        integer(&mut content, number);
    }
    let mut whole = Zeroizing::new(Vec::with_capacity(content.len() + 8));
    head(&mut whole, SEQUENCE, content.len());
    whole.extend_from_slice(&content);
    whole
}

/// Writes a positive integer, which needs no leading zeros.
fn integer(to: &mut Vec<u8>, number: &[u8]) {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = number.get(zeros..).unwrap_or_default();
    let is_high = number.first().is_none_or(|byte| byte & 0x80 != 0);
    head(to, INTEGER, number.len() + usize::from(is_high));
    to.extend(is_high.then_some(0));
    to.extend_from_slice(number);
}

/// Returns a value with this tag and these parts as its content.
fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut whole = Vec::with_capacity(content.len() + 4);
    head(&mut whole, tag, content.len());
    whole.extend_from_slice(&content);
    whole
}

/// Writes the `SubjectPublicKeyInfo` of a key (RFC 5280 §4.1.2.7).
pub fn public_key_info(key: &Components) -> Vec<u8> {
    let object = |identifier| value(OBJECT, &[identifier]);
    let (algorithm, bits) = match key {
        Components::Rsa { n, e } => {
            let mut numbers = Vec::new();
            integer(&mut numbers, n);
            integer(&mut numbers, e);
            ([object(RSA), value(NULL, &[])].concat(), value(SEQUENCE, &[&numbers]))
        }
        Components::Curve { family, x, y } => {
            let curve = match family {
                Family::P256 => P256,
                Family::P384 => P384,
                Family::P521 => P521,
                // Unreachable: keys of these families are not on a curve. An empty sequence is not a valid key.
                Family::Hmac | Family::Rsa | Family::Ed25519 => return value(SEQUENCE, &[]),
            };
            ([object(EC), object(curve)].concat(), [&[4], &**x, &**y].concat())
        }
        Components::Ed25519 { x } => (object(ED25519), x.to_vec()),
    };
    value(SEQUENCE, &[&value(SEQUENCE, &[&algorithm]), &value(BIT_STRING, &[&[0], &bits])])
}

/// Writes an ECDSA signature of fixed length (RFC 7518 §3.4) as an `Ecdsa-Sig-Value` (RFC 3279 §2.2.3), which other
/// protocols use.
pub fn ecdsa_signature(fixed: &[u8]) -> Vec<u8> {
    let (r, s) = fixed.split_at(fixed.len() / 2);
    let mut numbers = Vec::new();
    integer(&mut numbers, r);
    integer(&mut numbers, s);
    value(SEQUENCE, &[&numbers])
}

/// Writes a tag and a length, which are at most 64 KiB here: the file that the values come from is not larger.
fn head(to: &mut Vec<u8>, tag: u8, length: usize) {
    let [.., high, low] = length.to_be_bytes();
    to.push(tag);
    match (high, low) {
        (0, 0..=0x7f) => to.push(low),
        (0, _) => to.extend([0x81, low]),
        _ => to.extend([0x82, high, low]),
    }
}

/// Reads a public key from a certificate, a `SubjectPublicKeyInfo` or an `RSAPublicKey`.
pub fn public_key(bytes: &[u8]) -> Result<Components, PublicKeyError> {
    let outer = Reader(bytes).value(SEQUENCE).ok_or(PublicKeyError::Unsupported)?;
    let found = info(outer).or_else(|| info(certificate(outer)?)).or_else(|| rsa(outer));
    found.ok_or(PublicKeyError::Unsupported)
}

/// The content of the `SubjectPublicKeyInfo` in the content of a certificate (RFC 5280 §4.1).
fn certificate(outer: &[u8]) -> Option<&[u8]> {
    let mut signed = Reader(Reader(outer).value(SEQUENCE)?);
    let (first, _) = signed.any()?;
    // The version is optional; behind it are serial number, signature algorithm, issuer, validity and subject.
    let before = if first == VERSION { 5 } else { 4 };
    (0..before).try_for_each(|_| signed.any().map(|_| ()))?;
    signed.value(SEQUENCE)
}

/// Reads the content of a `SubjectPublicKeyInfo`.
fn info(content: &[u8]) -> Option<Components> {
    let mut info = Reader(content);
    let mut algorithm = Reader(info.value(SEQUENCE)?);
    let kind = algorithm.value(OBJECT)?;
    let key = info.value(BIT_STRING)?.strip_prefix(&[0])?;
    match kind {
        RSA | RSA_PSS => rsa(Reader(key).value(SEQUENCE)?),
        ED25519 => Some(Components::Ed25519 { x: key.into() }),
        EC => {
            let family = match algorithm.value(OBJECT)? {
                P256 => Family::P256,
                P384 => Family::P384,
                P521 => Family::P521,
                _ => return None,
            };
            // Uncompressed (SEC 1 §2.3.3).
            let both = key.strip_prefix(&[4])?;
            let (x, y) = both.split_at(both.len() / 2);
            Some(Components::Curve { family, x: x.into(), y: y.into() })
        }
        _ => None,
    }
}

/// Reads the content of an `RSAPublicKey` (RFC 8017 §A.1.1).
fn rsa(content: &[u8]) -> Option<Components> {
    let mut numbers = Reader(content);
    let (n, e) = (numbers.number()?, numbers.number()?);
    numbers.0.is_empty().then_some(Components::Rsa { n, e })
}
