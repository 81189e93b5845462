//! Recognizes key files by their form, where a shared secret or another kind of key is expected. The text of a public key
//! must never become an HMAC secret: everyone knows it (RFC 8725 §2.1).

use serde::Deserialize as _;
use serde_json::value::RawValue;

use super::der::{self, Structure};
use super::secret::FileKind;
use crate::auth::members::{self, Member};
use crate::text::secret::PRIVATE_MEMBERS;

/// The beginning of a PEM block, before its label (RFC 7468 §2).
const BEGIN: &[u8] = b"-----BEGIN ";

/// Recognizes the content of a key file by its form, whether or not the key is valid; `None` for anything else,
/// such as a secret.
pub fn file_kind(bytes: &[u8]) -> Option<FileKind> {
    if is_pem(bytes) {
        let labels = labels(bytes);
        let any = |end: &str| labels.iter().any(|label| label.ends_with(end));
        return Some(match () {
            () if any("PRIVATE KEY") || any("PRIVATE KEY BLOCK") => FileKind::PrivateKey,
            () if any("PUBLIC KEY") => FileKind::PublicKey,
            () if any("CERTIFICATE") => FileKind::Certificate,
            () => FileKind::OtherPem,
        });
    }
    if let Some(structure) = der::structure(bytes) {
        return Some(match structure {
            Structure::Private | Structure::Encrypted => FileKind::PrivateKey,
            Structure::Public => FileKind::PublicKey,
            Structure::Certificate => FileKind::Certificate,
        });
    }
    let members = members::parse(json(bytes)?).ok()?;
    let value = |name| members::value(&members, name);
    match (value("keys"), value("kty")) {
        (Some(keys), _) if keys.starts_with('[') => {
            let any = each(keys).is_some_and(|keys| keys.iter().any(|key| is_private(key)));
            Some(if any { FileKind::PrivateJwk } else { FileKind::JwkSet })
        }
        (_, Some(_)) => Some(match has_private(&members) {
            true => FileKind::PrivateJwk,
            false => FileKind::PublicJwk,
        }),
        _ => None,
    }
}

/// Whether the bytes contain a PEM block, after any other text: OpenSSL writes a description before some blocks.
pub fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(BEGIN.len()).any(|window| window == BEGIN)
}

/// The labels of all PEM blocks, whether or not their contents can be decoded.
pub fn labels(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let label = |rest: &str| rest.split_once("-----").map(|(label, _)| label.trim().to_owned());
    text.split("-----BEGIN ").skip(1).filter_map(label).collect()
}

/// The text without a byte order mark, which editors and servers write before JSON although RFC 8259 §8.1 forbids it.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// The text of a JSON object, without a byte order mark; `None` for anything else.
pub fn json(bytes: &[u8]) -> Option<&[u8]> {
    let text = without_mark(bytes);
    text.trim_ascii_start().starts_with(b"{").then_some(text)
}

/// The texts of the keys in the value of `keys`; `None` if it is not an array.
pub fn each(keys: &str) -> Option<Vec<&str>> {
    let all: Vec<&RawValue> = Vec::deserialize(&mut serde_json::Deserializer::from_str(keys)).ok()?;
    Some(all.into_iter().map(RawValue::get).collect())
}

/// Whether the text of a key contains a private or shared key.
pub fn is_private(key: &str) -> bool {
    members::parse(key.as_bytes()).is_ok_and(|members| has_private(&members))
}

/// Whether a key has a private or shared part.
pub fn has_private(jwk: &[Member<'_>]) -> bool {
    jwk.iter().any(|member| PRIVATE_MEMBERS.contains(&&*member.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_private_member_makes_a_private_key() {
        for member in PRIVATE_MEMBERS {
            let jwk = format!(r#"{{"kty":"RSA","n":"x","e":"AQAB","{member}":"x"}}"#);
            assert_eq!(file_kind(jwk.as_bytes()), Some(FileKind::PrivateJwk), "{member}");
            let set = format!(r#"{{"keys":[{jwk}]}}"#);
            assert_eq!(file_kind(set.as_bytes()), Some(FileKind::PrivateJwk), "{member}");
        }
        let public = br#"{"kty":"RSA","n":"x","e":"AQAB","kid":"d"}"#;
        assert_eq!(file_kind(public), Some(FileKind::PublicJwk));
    }
}
